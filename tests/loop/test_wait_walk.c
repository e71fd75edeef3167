/*
 * Lets the n-th wait of the loop, or the n-th read or write of its pipe, be interrupted or refused,
 * then the n+1-th, until none is left; then many of them at once. Unlike those of test_fault_walk.c
 * these calls need only be made again: every run must end well. The calls come by here because the
 * program is linked with --wrap.
 */
#include "scenario.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <unistd.h>

enum { BYTES = 3, SIGNALS = 3, POSTS = 3 };

/* Threads write too. */
static atomic_int calls;
static int fatal_call; /* the n-th; 0: none */
static int every;      /* each n-th; 0: none */
static int errnum;
static const char *only;

static bool strikes(const char *name)
{
    if (!only || strcmp(only, name) != 0)
        return false;
    int call = atomic_fetch_add(&calls, 1) + 1;
    if (call != fatal_call && (!every || call % every != 0))
        return false;
    errno = errnum;
    return true;
}

ssize_t __real_read(int fd, void *out, size_t size);
ssize_t __wrap_read(int fd, void *out, size_t size);
ssize_t __wrap_read(int fd, void *out, size_t size)
{
    return strikes("read") ? -1 : __real_read(fd, out, size);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return strikes("write") ? -1 : __real_write(fd, data, size);
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return strikes("wait") ? -1 : __real_poll(fds, count, timeout_ms);
}

int __real_epoll_wait(int fd, void *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, void *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, void *events, int max, int timeout_ms)
{
    return strikes("wait") ? -1 : __real_epoll_wait(fd, events, max, timeout_ms);
}

/* What comes from outside the loop: bytes, signals, calls from another thread. Each is waited for
   before the next is sent. */
static struct {
    int fds[2];
    spout_signal *signal;
    spout_future *arrived; /* the next byte or call */
} outside;

static void arrive(void *arg)
{
    (void)arg;
    spout_future_resolve(outside.arrived, NULL);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)arg, (void)events;
    char byte;
    if (__real_read(fd, &byte, 1) == 1)
        arrive(NULL);
}

static int await_arrival(void)
{
    int result = spout_await(outside.arrived, NULL);
    spout_future_unref(outside.arrived);
    outside.arrived = NULL;
    return result;
}

static int receive_bytes(void)
{
    int result = 0;
    for (int i = 0; i < BYTES && result == 0; i++) {
        outside.arrived = spout_future_new();
        assert_int_equal(__real_write(outside.fds[1], "b", 1), 1);
        result = await_arrival();
    }
    return result;
}

static int receive_signals(void)
{
    int result = 0;
    for (int i = 0; i < SIGNALS && result == 0; i++) {
        raise(SIGUSR1);
        result = spout_signal_wait(outside.signal);
    }
    return result;
}

static void *post_from_thread(void *arg)
{
    (void)arg;
    spout_loop_post(loop, arrive, NULL);
    return NULL;
}

static int receive_posts(void)
{
    int result = 0;
    for (int i = 0; i < POSTS && result == 0; i++) {
        outside.arrived = spout_future_new();
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_from_thread, NULL), 0);
        result = await_arrival();
        pthread_join(thread, NULL);
    }
    return result;
}

static int play_all(void *arg)
{
    int result = receive_bytes();
    if (result == 0)
        result = receive_signals();
    if (result == 0)
        result = receive_posts();
    return result == 0 ? play_scenario(arg) : result;
}

static void run_all(void)
{
    fake_now_ms = 1000;
    atomic_store(&calls, 0);
    loop = spout_loop_new(&(spout_loop_options){ .clock = &fake_clock, .executor_threads = 1 });
    assert_non_null(loop);
    assert_int_equal(pipe(outside.fds), 0);
    spout_watch_start(outside.fds[0], SPOUT_READABLE, on_readable, NULL);
    outside.signal = spout_signal_start(SIGUSR1, NULL, NULL);
    open_scenario();
    assert_int_equal(spout_loop_run_sync(loop, play_all, NULL, 0), 0);
    spout_loop_free(loop);
    loop = NULL;
    close_scenario();
    close(outside.fds[0]);
    close(outside.fds[1]);
}

static int walk(const char *name, int with)
{
    only = name;
    errnum = with;
    fatal_call = 0;
    do {
        fatal_call++;
        long before = blocks_now();
        run_all();
        assert_int_equal(blocks_now(), before);
    } while (atomic_load(&calls) >= fatal_call);
    fatal_call = 0;
    return atomic_load(&calls);
}

static void storm(const char *name, int with)
{
    only = name;
    errnum = with;
    for (every = 2; every < 6; every++)
        run_all();
    every = 0;
}

static void waits_may_be_interrupted(void **state)
{
    (void)state;
    assert_true(walk("wait", EINTR) > SIGNALS + POSTS);
    storm("wait", EINTR);
}

static void the_kernel_may_have_no_memory_for_a_wait(void **state)
{
    (void)state;
    walk("wait", ENOMEM);
    walk("wait", EAGAIN);
    storm("wait", ENOMEM);
}

/* The bytes that were not read wake the loop again. */
static void the_pipe_may_not_be_readable(void **state)
{
    (void)state;
    assert_true(walk("read", EINTR) >= SIGNALS);
    walk("read", EAGAIN);
    walk("read", ENOMEM);
    storm("read", EAGAIN);
}

/* EAGAIN says that the pipe is full, which is tried in test_signal.c. */
static void the_pipe_may_not_be_writable(void **state)
{
    (void)state;
    assert_true(walk("write", EINTR) >= SIGNALS);
    walk("write", ENOMEM);
    storm("write", ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_may_be_interrupted),
        cmocka_unit_test(the_kernel_may_have_no_memory_for_a_wait),
        cmocka_unit_test(the_pipe_may_not_be_readable),
        cmocka_unit_test(the_pipe_may_not_be_writable),
    };
    return cmocka_run_group_tests(tests, count_blocks, NULL);
}
