#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/process.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the workers of one case write and the test reads: one byte for each thing that happened. */
static int report[2];

static void tell(char what)
{
    if (write(report[1], &what, 1) != 1)
        _exit(99);
}

static char hear(void)
{
    char what;
    return read(report[0], &what, 1) == 1 ? what : 0;
}

/* Runs `worker` in children of a process of its own, and returns that process. It exits with 0 if
   all ended well, else with 1. */
static pid_t start_parent(int workers, int max_restarts, int (*worker)(int task_id))
{
    assert_int_equal(pipe(report), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(report[0]);
        spout_log_set_level(SPOUT_LOG_OFF);
        int task_id = -2;
        int result = spout_process_fork(workers, max_restarts, &task_id);
        if (result == 0 && task_id >= 0)
            _exit(worker(task_id));
        _exit(result == 0 && task_id == -1 ? 0 : 1);
    }
    close(report[1]);
    return pid;
}

static int end_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(report[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int tell_id(int task_id)
{
    tell((char)('0' + task_id));
    return spout_task_id() == task_id ? 0 : 98;
}

static void each_worker_has_its_id(void **state)
{
    (void)state;
    pid_t pid = start_parent(3, 0, tell_id);
    int seen[3] = { 0 };
    for (int i = 0; i < 3; i++) {
        char id = hear();
        assert_in_range(id, '0', '2');
        seen[id - '0']++;
    }
    assert_int_equal(hear(), 0);
    assert_int_equal(end_of(pid), 0);
    assert_true(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
}

static volatile sig_atomic_t asked_to_end;

static void on_term(int signo)
{
    (void)signo;
    asked_to_end = 1;
}

static int wait_for_term(int task_id)
{
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGTERM, on_term);
    tell((char)('0' + task_id));
    while (!asked_to_end)
        sigsuspend(&before);
    tell('t');
    return 0;
}

static void sigterm_is_passed_on_and_ends_everything_well(void **state)
{
    (void)state;
    static const int signals[] = { SIGTERM, SIGINT };
    for (int i = 0; i < 2; i++) {
        pid_t pid = start_parent(2, 0, wait_for_term);
        assert_in_range(hear(), '0', '1');
        assert_in_range(hear(), '0', '1');
        kill(pid, signals[i]);
        assert_int_equal(hear(), 't');
        assert_int_equal(hear(), 't');
        assert_int_equal(end_of(pid), 0);
    }
}

/* Says that it lives and dies, unless one of its kind has told the world before: pipes hold one
   token. */
static int token[2];

static int die_once(int task_id)
{
    char one;
    tell((char)('0' + task_id));
    if (task_id == 1 && read(token[0], &one, 1) == 1)
        raise(SIGKILL);
    return 0;
}

static void a_worker_that_dies_comes_back_with_its_id(void **state)
{
    (void)state;
    assert_int_equal(pipe(token), 0);
    assert_int_equal(write(token[1], "x", 1), 1);
    close(token[1]);
    token[1] = -1;
    pid_t pid = start_parent(2, 0, die_once);
    int ones = 0, all = 0;
    for (char id; (id = hear()); all++)
        ones += id == '1';
    assert_int_equal(all, 3);
    assert_int_equal(ones, 2);
    assert_int_equal(end_of(pid), 0);
    close(token[0]);
}

static int fail_or_wait(int task_id)
{
    if (task_id == 0)
        return wait_for_term(task_id);
    tell('f');
    return 3;
}

static void too_many_restarts_end_the_others_too(void **state)
{
    (void)state;
    pid_t pid = start_parent(2, 2, fail_or_wait);
    int failures = 0;
    for (char what; (what = hear());)
        failures += what == 'f';
    assert_int_equal(failures, 3);
    assert_int_equal(end_of(pid), 1);
}

static int report_signals(int task_id)
{
    (void)task_id;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    struct sigaction action;
    sigaction(SIGTERM, NULL, &action);
    tell(
        !sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGCHLD) && action.sa_handler == SIG_DFL
            ? 'y'
            : 'n');
    return 0;
}

static void children_have_default_signals(void **state)
{
    (void)state;
    pid_t pid = start_parent(1, 0, report_signals);
    assert_int_equal(hear(), 'y');
    assert_int_equal(end_of(pid), 0);
}

static void a_process_with_a_loop_is_not_forked(void **state)
{
    (void)state;
    spout_loop *loop = spout_loop_new(NULL);
    int task_id = -2;
    assert_int_equal(spout_process_fork(2, 0, &task_id), SPOUT_ESTATE);
    assert_int_equal(task_id, -2);
    spout_loop_free(loop);
}

static void there_is_a_cpu(void **state)
{
    (void)state;
    assert_true(spout_cpu_count() >= 1);
    assert_int_equal(spout_task_id(), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_worker_has_its_id),
        cmocka_unit_test(sigterm_is_passed_on_and_ends_everything_well),
        cmocka_unit_test(a_worker_that_dies_comes_back_with_its_id),
        cmocka_unit_test(too_many_restarts_end_the_others_too),
        cmocka_unit_test(children_have_default_signals),
        cmocka_unit_test(a_process_with_a_loop_is_not_forked),
        cmocka_unit_test(there_is_a_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
