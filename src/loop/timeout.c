/* Connection timeouts: lists that are in order because all their entries wait equally long. */
#include "loop/internal.h"

#include "base/memory.h"

/* So long that a sum with any time of a clock is one still. */
#define FOR_EVER_MS (SPI_NEVER / 2)

struct spi_timeout_class {
    spi_timeout_class *next;
    spout_loop *loop;
    int64_t duration_ms;
    void (*fn)(spi_timeout *timeout);
    spi_list armed;
};

/* There are as many classes as kinds of timeouts times configured values: a handful. */
spi_timeout_class *spi_timeout_class_get(
    spout_loop *loop, int64_t duration_ms, void (*fn)(spi_timeout *))
{
    if (duration_ms < 0)
        duration_ms = 0;
    if (duration_ms > FOR_EVER_MS)
        duration_ms = FOR_EVER_MS;
    spi_timeout_class *class_ = loop->timeout_classes;
    while (class_ && (class_->duration_ms != duration_ms || class_->fn != fn))
        class_ = class_->next;
    if (class_)
        return class_;
    class_ = spi_calloc(sizeof *class_);
    *class_ = (spi_timeout_class){
        .next = loop->timeout_classes, .loop = loop, .duration_ms = duration_ms, .fn = fn
    };
    spi_list_init(&class_->armed);
    loop->timeout_classes = class_;
    return class_;
}

void spi_timeout_init(spi_timeout *timeout)
{
    spi_list_init(&timeout->node);
    timeout->due_ms = 0;
}

void spi_timeout_start(spi_timeout_class *class_, spi_timeout *timeout)
{
    timeout->due_ms = class_->loop->now_ms + class_->duration_ms;
    if (timeout->node.next != &class_->armed) { /* it is not the last one already */
        spi_list_remove(&timeout->node);
        spi_list_push(&class_->armed, &timeout->node);
    }
    spi_loop_due_at(class_->loop, timeout->due_ms);
}

void spi_timeout_stop(spi_timeout *timeout)
{
    spi_list_remove(&timeout->node);
}

static spi_timeout *first_of(const spi_timeout_class *class_)
{
    spi_list *node = spi_list_first(&class_->armed);
    return node ? spi_container(node, spi_timeout, node) : NULL;
}

/* Taken out first: one that is armed again with no delay is for the next turn. */
static void run_class(spi_timeout_class *class_, int64_t now_ms)
{
    spi_list due;
    spi_list_init(&due);
    spi_timeout *timeout;
    while ((timeout = first_of(class_)) && timeout->due_ms <= now_ms) {
        spi_list_remove(&timeout->node);
        spi_list_push(&due, &timeout->node);
    }
    spi_list *node;
    while ((node = spi_list_pop(&due)))
        class_->fn(spi_container(node, spi_timeout, node));
}

void spi_timeouts_run(spout_loop *loop)
{
    for (spi_timeout_class *class_ = loop->timeout_classes; class_; class_ = class_->next)
        run_class(class_, loop->now_ms);
}

int64_t spi_timeouts_next(const spout_loop *loop)
{
    int64_t next = SPI_NEVER;
    for (const spi_timeout_class *class_ = loop->timeout_classes; class_; class_ = class_->next) {
        const spi_timeout *timeout = first_of(class_);
        if (timeout && timeout->due_ms < next)
            next = timeout->due_ms;
    }
    return next;
}

/* Entries are their owners', who may still stop them: each is left pointing at itself. */
void spi_timeouts_free(spout_loop *loop)
{
    while (loop->timeout_classes) {
        spi_timeout_class *class_ = loop->timeout_classes;
        loop->timeout_classes = class_->next;
        while (spi_list_pop(&class_->armed))
            ;
        spi_free(class_);
    }
}
