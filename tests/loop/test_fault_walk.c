/*
 * Lets the n-th system call of some kind fail; then the n+1-th; until none is left. The calls come
 * by here because the program is linked with --wrap. Those that the system never refuses in a way
 * that a program could go on with (the wait itself, a write into a pipe that has room) are left
 * alone.
 */
#define _GNU_SOURCE
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static int calls, fatal_call;
static const char *only; /* NULL: calls of any kind */

static bool strikes(const char *name)
{
    if (only && strcmp(only, name) != 0)
        return false;
    return ++calls == fatal_call;
}

static int refuse(int errnum)
{
    errno = errnum;
    return -1;
}

void *__real_mmap64(void *start, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *start, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *start, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (!strikes("mmap"))
        return __real_mmap64(start, size, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

int __real_madvise(void *start, size_t size, int advice);
int __wrap_madvise(void *start, size_t size, int advice);
int __wrap_madvise(void *start, size_t size, int advice)
{
    return strikes("madvise") ? refuse(EINVAL) : __real_madvise(start, size, advice);
}

int __real_mprotect(void *start, size_t size, int protection);
int __wrap_mprotect(void *start, size_t size, int protection);
int __wrap_mprotect(void *start, size_t size, int protection)
{
    return strikes("mprotect") ? refuse(ENOMEM) : __real_mprotect(start, size, protection);
}

int __real_pipe(int fds[2]);
int __wrap_pipe(int fds[2]);
int __wrap_pipe(int fds[2])
{
    return strikes("pipe") ? refuse(EMFILE) : __real_pipe(fds);
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, int value);
int __wrap_fcntl64(int fd, int command, int value)
{
    return strikes("fcntl") ? refuse(ENOMEM) : __real_fcntl64(fd, command, value);
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
    return strikes("epoll_create1") ? refuse(EMFILE) : __real_epoll_create1(flags);
}

enum { EPOLL_REMOVES = 2 };

int __real_epoll_ctl(int fd, int operation, int watched, void *event);
int __wrap_epoll_ctl(int fd, int operation, int watched, void *event);
int __wrap_epoll_ctl(int fd, int operation, int watched, void *event)
{
    if (operation != EPOLL_REMOVES && strikes("epoll_ctl"))
        return refuse(ENOSPC);
    return __real_epoll_ctl(fd, operation, watched, event);
}

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    return strikes("pthread_create") ? EAGAIN : __real_pthread_create(thread, attributes, fn, arg);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += __real_fcntl64(fd, F_GETFD) >= 0;
    return count;
}

/* Returns how many calls there are to fail. */
static int walk(const char *kind, int *ret_failed)
{
    int failed = 0;
    only = kind;
    for (fatal_call = 1;; fatal_call++) {
        calls = 0;
        long before = blocks_now();
        int descriptors = open_descriptors();
        int result = run_scenario(0);
        assert_int_equal(blocks_now(), before);
        assert_int_equal(open_descriptors(), descriptors);
        if (calls < fatal_call) {
            assert_int_equal(result, 0);
            break;
        }
        assert_true(result == 0 || result == SPOUT_ELIMIT || result == SPOUT_ESYSTEM);
        failed += result < 0;
    }
    *ret_failed = failed;
    fatal_call = 0;
    return calls;
}

static void any_call_may_fail(void **state)
{
    (void)state;
    int failed;
    assert_true(walk(NULL, &failed) > 5);
    assert_true(failed >= 4);
}

static void no_memory_for_stacks(void **state)
{
    (void)state;
    int failed, count = walk("mmap", &failed);
    assert_true(count > 0);
    assert_int_equal(failed, count);
}

static void no_thread(void **state)
{
    (void)state;
    int failed;
    assert_int_equal(walk("pthread_create", &failed), 1);
    assert_int_equal(failed, 1);
}

/* Advice is only advice, and a guard may be a canary. */
static void no_guards(void **state)
{
    (void)state;
    int failed;
    assert_true(walk("madvise", &failed) > 0);
    assert_int_equal(failed, 0);
    walk("mprotect", &failed);
    assert_int_equal(failed, 0);
}

/* The limit stands for stacks that can't be had. */
static void the_next_task_is_one_too_many(void **state)
{
    (void)state;
    int result = SPOUT_ELIMIT, limit;
    for (limit = 1; result < 0; limit++) {
        long before = blocks_now();
        result = run_scenario(limit);
        assert_int_equal(blocks_now(), before);
        assert_true(result == 0 || result == SPOUT_ELIMIT);
    }
    assert_in_range(limit, 6, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(no_memory_for_stacks),
        cmocka_unit_test(no_thread),
        cmocka_unit_test(no_guards),
        cmocka_unit_test(the_next_task_is_one_too_many),
    };
    return cmocka_run_group_tests(tests, count_blocks, NULL);
}
