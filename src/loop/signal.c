/*
 * Signals as callbacks and as something to wait for. The handler only counts and wakes the loops
 * that watch anything; each loop finds by the counts which signals came since it looked last.
 * Signals of one kind that come together are one call, as the kernel does it.
 */
#include "loop/internal.h"

#include "base/memory.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

enum { SIGNALS = 65, LOOPS = 256 };

struct spout_signal {
    spi_list node;
    spout_loop *loop;
    int signo;
    unsigned seen;
    bool pending; /* came while nobody waited */
    spi_list waiting;
    spout_signal_fn *fn;
    void *arg;
};

/* Read by the handler. */
static atomic_uint counts[SIGNALS];
static _Atomic(spout_loop *) loops[LOOPS];
static atomic_int handlers_running;

/* Guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned watchers[SIGNALS];
static struct sigaction before[SIGNALS];

static void handle(int signo)
{
    int kept_errno = errno;
    atomic_fetch_add(&handlers_running, 1);
    atomic_fetch_add(&counts[signo], 1);
    for (size_t i = 0; i < LOOPS; i++) {
        spout_loop *loop = atomic_load(&loops[i]);
        if (loop)
            spi_mailbox_wake(loop);
    }
    atomic_fetch_sub(&handlers_running, 1);
    errno = kept_errno;
}

static int add_loop(spout_loop *loop)
{
    if (loop->signal_count > 0)
        return 0;
    for (size_t i = 0; i < LOOPS; i++) {
        spout_loop *none = NULL;
        if (atomic_compare_exchange_strong(&loops[i], &none, loop))
            return 0;
    }
    return spout_error_set(SPOUT_ELIMIT, "at most %d loops can watch signals", LOOPS);
}

/* A handler in another thread may still hold the pointer: wait until none does. */
static void remove_loop(spout_loop *loop)
{
    if (loop->signal_count > 0)
        return;
    for (size_t i = 0; i < LOOPS; i++) {
        spout_loop *same = loop;
        atomic_compare_exchange_strong(&loops[i], &same, NULL);
    }
    while (atomic_load(&handlers_running) > 0)
        sched_yield();
}

static int install(int signo)
{
    struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
    sigfillset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    int result = 0;
    if (watchers[signo] == 0 && sigaction(signo, &action, &before[signo]) < 0)
        result = spout_error_set_errno(errno, "signal %d can't be watched", signo);
    else
        watchers[signo]++;
    pthread_mutex_unlock(&lock);
    return result;
}

static void uninstall(int signo)
{
    pthread_mutex_lock(&lock);
    if (--watchers[signo] == 0)
        sigaction(signo, &before[signo], NULL);
    pthread_mutex_unlock(&lock);
}

spout_signal *spout_signal_start(int signo, spout_signal_fn *fn, void *arg)
{
    spout_loop *loop = spi_loop_need();
    if (!loop)
        return NULL;
    if (signo < 1 || signo >= SIGNALS) {
        spout_error_set(SPOUT_EINVAL, "%d is not a signal", signo);
        return NULL;
    }
    if (add_loop(loop) < 0)
        return NULL;
    unsigned seen = atomic_load(&counts[signo]);
    if (install(signo) < 0) {
        remove_loop(loop);
        return NULL;
    }
    spout_signal *watch = spi_calloc(sizeof *watch);
    *watch = (spout_signal){ .loop = loop, .signo = signo, .seen = seen, .fn = fn, .arg = arg };
    spi_list_init(&watch->waiting);
    spi_list_push(&loop->signals, &watch->node);
    loop->signal_count++;
    return watch;
}

void spout_signal_stop(spout_signal *watch)
{
    if (!watch)
        return;
    spout_loop *loop = watch->loop;
    uninstall(watch->signo);
    spi_list_remove(&watch->node);
    loop->signal_count--;
    remove_loop(loop);
    spi_fail_all(&watch->waiting, SPOUT_ECLOSED);
    spi_free(watch);
}

int spout_signal_wait(spout_signal *watch)
{
    if (!watch->pending)
        return spi_wait(&watch->waiting, "signal");
    int result = spi_may_wait("signal");
    if (result == 0)
        watch->pending = false;
    return result;
}

/* The callback may stop the watch. */
static void tell(spout_signal *watch)
{
    spi_count(watch->loop, "signals", 1);
    watch->pending = spi_list_is_empty(&watch->waiting);
    spi_wake_all(&watch->waiting);
    if (watch->fn)
        watch->fn(watch->arg, watch->signo);
}

/* Each goes back before it is called, so that any of them may be stopped meanwhile. */
void spi_signals_deliver(spout_loop *loop)
{
    spi_list left;
    spi_list_init(&left);
    spi_list_splice(&left, &loop->signals);
    spi_list *node;
    while ((node = spi_list_pop(&left))) {
        spi_list_push(&loop->signals, node);
        spout_signal *watch = spi_container(node, spout_signal, node);
        unsigned count = atomic_load(&counts[watch->signo]);
        if (count == watch->seen)
            continue;
        watch->seen = count;
        tell(watch);
    }
}

void spi_signals_stop(spout_loop *loop)
{
    spi_list *node;
    while ((node = spi_list_first(&loop->signals)))
        spout_signal_stop(spi_container(node, spout_signal, node));
}
