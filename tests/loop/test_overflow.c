#include "kit.h"

#include "base/memory.h"
#include "loop/annotate.h"
#include "loop/overflow.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#if SPI_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* Where somebody else watches over memory, faults are that one's business. */
static bool dies_in_other_ways(void)
{
#if SPI_HAVE_VALGRIND
    return SPI_ASAN || SPI_TSAN || RUNNING_ON_VALGRIND;
#else
    return SPI_ASAN || SPI_TSAN;
#endif
}

/* Enough of the stack for a frame each, and nothing that a compiler could turn into a loop. */
static int dig(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth < INT_MAX ? dig(depth + 1) + frame[0] : 0;
}

static int overflow(void *arg)
{
    (void)arg;
    return dig(0);
}

static int touch_nothing(void *arg)
{
    volatile char *volatile nowhere = arg;
    return *nowhere;
}

/* Runs fn on a coroutine called "digger" in a child and returns what that said; *ret_status is how
   it ended. */
static const char *last_words_of(spout_task_fn *fn, int *ret_status)
{
    static char words[512];
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 2);
        spi_overflow_handler_install();
        spout_spawn(fn, NULL, &(spout_task_options){ .name = "digger" });
        spout_loop_run_once(loop, 0);
        _exit(0);
    }
    close(pipes[1]);
    size_t len = 0;
    ssize_t more;
    while ((more = read(pipes[0], words + len, sizeof words - 1 - len)) > 0)
        len += (size_t)more;
    words[len] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    return words;
}

static void an_overflow_names_its_task(void **state)
{
    (void)state;
    if (dies_in_other_ways())
        skip();
    int status;
    const char *words = last_words_of(overflow, &status);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(words, "the stack of task digger ("));
    assert_non_null(strstr(words, "has overflowed"));
}

static void another_fault_dies_as_ever(void **state)
{
    (void)state;
    if (dies_in_other_ways())
        skip();
    int status;
    assert_null(
        strstr(last_words_of(touch_nothing, &status), "stack")); /* an emulator says something */
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_overflow_names_its_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_fault_dies_as_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
