/* Locks. What is granted is handed over: nobody who wakes up looks at the object again, which may
   be gone by then. */
#include "loop/internal.h"

#include "base/memory.h"

#include <spout/locks.h>

#include <limits.h>

struct spout_condition {
    spi_list waiting;
};

spout_condition *spout_condition_new(void)
{
    spout_condition *condition = spi_malloc(sizeof *condition);
    spi_list_init(&condition->waiting);
    return condition;
}

void spout_condition_free(spout_condition *condition)
{
    if (!condition)
        return;
    spi_fail_all(&condition->waiting, SPOUT_ECLOSED);
    spi_free(condition);
}

int spout_condition_wait(spout_condition *condition)
{
    return spi_wait(&condition->waiting, "condition");
}

void spout_condition_notify(spout_condition *condition, size_t count)
{
    while (count > 0 && spi_wake_one(&condition->waiting))
        count--;
}

void spout_condition_notify_all(spout_condition *condition)
{
    spi_wake_all(&condition->waiting);
}

struct spout_event {
    spi_list waiting;
    bool set;
};

spout_event *spout_event_new(void)
{
    spout_event *event = spi_calloc(sizeof *event);
    spi_list_init(&event->waiting);
    return event;
}

void spout_event_free(spout_event *event)
{
    if (!event)
        return;
    spi_fail_all(&event->waiting, SPOUT_ECLOSED);
    spi_free(event);
}

bool spout_event_is_set(const spout_event *event)
{
    return event->set;
}

void spout_event_set(spout_event *event)
{
    event->set = true;
    spi_wake_all(&event->waiting);
}

void spout_event_clear(spout_event *event)
{
    event->set = false;
}

int spout_event_wait(spout_event *event)
{
    return event->set ? spi_may_wait("event") : spi_wait(&event->waiting, "event");
}

struct spout_semaphore {
    spi_list waiting; /* empty unless value is 0 */
    int value, max;
};

static void init(spout_semaphore *semaphore, int value, int max)
{
    spi_list_init(&semaphore->waiting);
    semaphore->value = value;
    semaphore->max = max;
}

static int acquire(spout_semaphore *semaphore, const char *what)
{
    if (semaphore->value == 0)
        return spi_wait(&semaphore->waiting, what);
    int result = spi_may_wait(what);
    if (result == 0)
        semaphore->value--;
    return result;
}

static int try_acquire(spout_semaphore *semaphore, const char *what)
{
    if (semaphore->value == 0)
        return spout_error_set(SPOUT_EAGAIN, "the %s is taken", what);
    semaphore->value--;
    return 0;
}

static int release(spout_semaphore *semaphore, const char *what)
{
    if (spi_wake_one(&semaphore->waiting))
        return 0;
    if (semaphore->value >= semaphore->max)
        return spout_error_set(SPOUT_ESTATE, "the %s is released more often than taken", what);
    semaphore->value++;
    return 0;
}

spout_semaphore *spout_semaphore_new(int value, const spout_semaphore_options *options)
{
    if (value < 0) {
        spout_error_set(SPOUT_EINVAL, "a semaphore can't begin with %d", value);
        return NULL;
    }
    spout_semaphore *semaphore = spi_malloc(sizeof *semaphore);
    init(semaphore, value, options && options->bounded ? value : INT_MAX);
    return semaphore;
}

void spout_semaphore_free(spout_semaphore *semaphore)
{
    if (!semaphore)
        return;
    spi_fail_all(&semaphore->waiting, SPOUT_ECLOSED);
    spi_free(semaphore);
}

int spout_semaphore_acquire(spout_semaphore *semaphore)
{
    return acquire(semaphore, "semaphore");
}

int spout_semaphore_try_acquire(spout_semaphore *semaphore)
{
    return try_acquire(semaphore, "semaphore");
}

int spout_semaphore_release(spout_semaphore *semaphore)
{
    return release(semaphore, "semaphore");
}

int spout_semaphore_get_value(const spout_semaphore *semaphore)
{
    return semaphore->value;
}

struct spout_lock {
    spout_semaphore semaphore;
};

spout_lock *spout_lock_new(void)
{
    spout_lock *lock = spi_malloc(sizeof *lock);
    init(&lock->semaphore, 1, 1);
    return lock;
}

void spout_lock_free(spout_lock *lock)
{
    if (!lock)
        return;
    spi_fail_all(&lock->semaphore.waiting, SPOUT_ECLOSED);
    spi_free(lock);
}

int spout_lock_acquire(spout_lock *lock)
{
    return acquire(&lock->semaphore, "lock");
}

int spout_lock_try_acquire(spout_lock *lock)
{
    return try_acquire(&lock->semaphore, "lock");
}

int spout_lock_release(spout_lock *lock)
{
    return release(&lock->semaphore, "lock");
}

bool spout_lock_is_held(const spout_lock *lock)
{
    return lock->semaphore.value == 0;
}
