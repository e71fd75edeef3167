#include "loop/future.h"
#include "loop/internal.h"

#include "base/memory.h"

/* One for each future. Its watch's node is in the future's list, or in none. */
typedef struct entry {
    spi_future_watch watch;
    spi_list node; /* among the finished, until it is returned */
    spout_wait_iterator *iterator;
    spout_future *future; /* referred to */
} entry;

struct spout_wait_iterator {
    spi_list finished, waiting;
    size_t count, left;
    entry entries[];
};

static void mark_finished(entry *self)
{
    spi_list_push(&self->iterator->finished, &self->node);
    spi_wake_one(&self->iterator->waiting);
}

static void future_done(spi_future_watch *watch)
{
    mark_finished(spi_container(watch, entry, watch));
}

static void add(spout_wait_iterator *iterator, entry *self, spout_future *future)
{
    self->iterator = iterator;
    self->future = spout_future_ref(future);
    spi_list_init(&self->node);
    spi_list_init(&self->watch.node);
    if (spout_future_is_done(future))
        mark_finished(self);
    else
        spi_future_watch_start(future, &self->watch, future_done);
}

spout_wait_iterator *spout_wait_iterator_new(spout_future *const *futures, size_t count)
{
    spout_wait_iterator *iterator = spi_calloc(sizeof *iterator + count * sizeof(entry));
    spi_list_init(&iterator->finished);
    spi_list_init(&iterator->waiting);
    iterator->count = iterator->left = count;
    for (size_t i = 0; i < count; i++)
        add(iterator, &iterator->entries[i], futures[i]);
    return iterator;
}

void spout_wait_iterator_free(spout_wait_iterator *iterator)
{
    if (!iterator)
        return;
    spi_fail_all(&iterator->waiting, SPOUT_ECLOSED);
    for (size_t i = 0; i < iterator->count; i++) {
        spi_future_watch_stop(&iterator->entries[i].watch);
        spout_future_unref(iterator->entries[i].future);
    }
    spi_free(iterator);
}

bool spout_wait_iterator_is_done(const spout_wait_iterator *iterator)
{
    return iterator->left == 0;
}

static int wait_for_one(spout_wait_iterator *iterator)
{
    int result = spi_may_wait("any future");
    while (result == 0 && spi_list_is_empty(&iterator->finished) && iterator->left > 0)
        result = spi_wait(&iterator->waiting, "any future");
    if (result == 0 && iterator->left == 0)
        result = spout_error_set(SPOUT_ESTATE, "all futures have been returned already");
    return result;
}

int spout_wait_iterator_next(
    spout_wait_iterator *iterator, spout_future **ret_future, size_t *ret_index)
{
    int result = wait_for_one(iterator);
    if (result < 0)
        return result;
    entry *next = spi_container(spi_list_pop(&iterator->finished), entry, node);
    if (--iterator->left == 0)
        spi_wake_all(&iterator->waiting);
    if (ret_future)
        *ret_future = next->future;
    if (ret_index)
        *ret_index = (size_t)(next - iterator->entries);
    return 0;
}
