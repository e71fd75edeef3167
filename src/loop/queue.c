/* Queues. An item goes from hand to hand: whoever waits is given it, or relieved of it, before it
   wakes up. */
#include "loop/internal.h"
#include "loop/store.h"

#include "base/memory.h"

struct spout_queue {
    spi_store store;
    spi_list getters; /* empty unless the store is */
    spi_list putters; /* empty unless the store is full */
    spi_list joiners;
    size_t maximum;
    size_t unfinished;
    void (*free_item)(void *item);
};

/* Who waits with or for an item; lies on its stack. */
typedef struct waiter {
    spi_list node;
    spi_list waiting;
    void *item;
} waiter;

static bool is_valid(const spout_queue_options *options)
{
    if (options->maximum < SPOUT_NONE) {
        spout_error_set(SPOUT_EINVAL, "a queue can't have a maximum of %d", options->maximum);
        return false;
    }
    if (options->kind == SPOUT_QUEUE_PRIORITY && !options->compare) {
        spout_error_set(SPOUT_EINVAL, "a priority queue needs a function that compares");
        return false;
    }
    return true;
}

spout_queue *spout_queue_new(const spout_queue_options *options)
{
    static const spout_queue_options defaults;
    if (!options)
        options = &defaults;
    if (!is_valid(options))
        return NULL;
    spout_queue *queue = spi_calloc(sizeof *queue);
    spi_store_init(&queue->store, options->kind, options->compare);
    spi_list_init(&queue->getters);
    spi_list_init(&queue->putters);
    spi_list_init(&queue->joiners);
    queue->maximum = options->maximum > 0 ? (size_t)options->maximum : SIZE_MAX;
    queue->free_item = options->free_item;
    return queue;
}

/* Who was cancelled or is out of time, but has not run since, waits no more. */
static waiter *first_of(spi_list *waiters)
{
    spi_list *node;
    while ((node = spi_list_pop(waiters))) {
        waiter *first = spi_container(node, waiter, node);
        if (!spi_list_is_empty(&first->waiting))
            return first;
    }
    return NULL;
}

static void send_away(spi_list *waiters)
{
    waiter *first;
    while ((first = first_of(waiters)))
        spi_fail_all(&first->waiting, SPOUT_ECLOSED);
}

void spout_queue_free(spout_queue *queue)
{
    if (!queue)
        return;
    send_away(&queue->getters);
    send_away(&queue->putters);
    spi_fail_all(&queue->joiners, SPOUT_ECLOSED);
    while (queue->free_item && queue->store.count > 0)
        queue->free_item(spi_store_pop(&queue->store));
    spi_store_finish(&queue->store);
    spi_free(queue);
}

size_t spout_queue_size(const spout_queue *queue)
{
    return queue->store.count;
}

bool spout_queue_is_empty(const spout_queue *queue)
{
    return queue->store.count == 0;
}

bool spout_queue_is_full(const spout_queue *queue)
{
    return queue->store.count >= queue->maximum;
}

/* There is room. */
static void take_in(spout_queue *queue, void *item)
{
    queue->unfinished++;
    waiter *getter = first_of(&queue->getters);
    if (!getter) {
        spi_store_push(&queue->store, item);
        return;
    }
    getter->item = item;
    spi_wake_all(&getter->waiting);
}

/* There is an item. Who waits with another one brings it in first: it may be what is due. */
static void *hand_out(spout_queue *queue)
{
    waiter *putter = first_of(&queue->putters);
    if (putter) {
        queue->unfinished++;
        spi_store_push(&queue->store, putter->item);
        spi_wake_all(&putter->waiting);
    }
    return spi_store_pop(&queue->store);
}

/* Nothing of the queue is touched if the wait succeeds: it may be gone. */
static int stand_in(spi_list *waiters, waiter *self, const char *what)
{
    spi_list_init(&self->waiting);
    spi_list_push(waiters, &self->node);
    int result = spi_wait(&self->waiting, what);
    if (result < 0)
        spi_list_remove(&self->node);
    return result;
}

int spout_queue_put(spout_queue *queue, void *item)
{
    int result = spi_may_wait("queue, to put");
    if (result < 0)
        return result;
    if (!spout_queue_is_full(queue)) {
        take_in(queue, item);
        return 0;
    }
    waiter self = { .item = item };
    return stand_in(&queue->putters, &self, "queue, to put");
}

int spout_queue_get(spout_queue *queue, void **ret_item)
{
    int result = spi_may_wait("queue, to get");
    if (result < 0)
        return result;
    if (!spout_queue_is_empty(queue)) {
        *ret_item = hand_out(queue);
        return 0;
    }
    waiter self = { 0 };
    result = stand_in(&queue->getters, &self, "queue, to get");
    if (result == 0)
        *ret_item = self.item;
    return result;
}

int spout_queue_try_put(spout_queue *queue, void *item)
{
    if (spout_queue_is_full(queue))
        return spout_error_set(SPOUT_EAGAIN, "the queue is full");
    take_in(queue, item);
    return 0;
}

int spout_queue_try_get(spout_queue *queue, void **ret_item)
{
    if (spout_queue_is_empty(queue))
        return spout_error_set(SPOUT_EAGAIN, "the queue is empty");
    *ret_item = hand_out(queue);
    return 0;
}

int spout_queue_task_done(spout_queue *queue)
{
    if (queue->unfinished == 0)
        return spout_error_set(SPOUT_ESTATE, "more items are said to be done than were put");
    if (--queue->unfinished == 0)
        spi_wake_all(&queue->joiners);
    return 0;
}

int spout_queue_join(spout_queue *queue)
{
    if (queue->unfinished == 0)
        return spi_may_wait("queue, to join");
    return spi_wait(&queue->joiners, "queue, to join");
}
