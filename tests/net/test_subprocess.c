/* Child processes: with a pidfd, and (linked with --wrap=syscall) as if the kernel had none. */
#define _GNU_SOURCE
#include "kit.h"

#include <spout/subprocess.h>
#include <spout/task.h>

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#if SPI_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

static spout_loop *loop;
static bool no_pidfd;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_pidfd_open && no_pidfd) {
        errno = ENOSYS;
        return -1;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static spout_subprocess *shell(const char *script, const spout_subprocess_options *options)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    spout_subprocess *process = spout_subprocess_start(argv, options);
    if (!process)
        fail_msg("%s", spout_error_message());
    return process;
}

static const spout_subprocess_options both_ways = { .input = SPOUT_STDIO_STREAM,
    .output = SPOUT_STDIO_STREAM };

static void expect(spout_bytes bytes, const char *text)
{
    if (bytes.len != strlen(text) || memcmp(bytes.data, text, bytes.len) != 0)
        fail_msg("\"%.*s\", not \"%s\"", (int)bytes.len, bytes.data, text);
}

static void expect_output(spout_subprocess *process, const char *text)
{
    spout_bytes bytes;
    assert_int_equal(spout_stream_read_until_close(spout_subprocess_output(process), 0, &bytes), 0);
    expect(bytes, text);
}

static void expect_status(spout_subprocess *process, int expected)
{
    int status = 99;
    assert_int_equal(spout_subprocess_wait_for_exit(process, &status), 0);
    assert_int_equal(status, expected);
    assert_true(spout_subprocess_has_ended(process, &status));
    assert_int_equal(spout_subprocess_send_signal(process, 0), SPOUT_ESTATE);
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

static void conversation(void)
{
    const char *const argv[] = { "cat", NULL };
    spout_bytes bytes;
    spout_subprocess *cat = spout_subprocess_start(argv, &both_ways);
    assert_non_null(cat);
    assert_null(spout_subprocess_error(cat));
    assert_true(spout_subprocess_pid(cat) > 0);
    assert_int_equal(spout_stream_write(spout_subprocess_input(cat), spout_bytes_of("hello\n")), 0);
    assert_int_equal(spout_stream_read_until(spout_subprocess_output(cat), "\n", 100, &bytes), 0);
    expect(bytes, "hello\n");
    assert_false(spout_subprocess_has_ended(cat, NULL));
    assert_int_equal(spout_stream_shutdown(spout_subprocess_input(cat)), 0);
    expect_output(cat, "");
    expect_status(cat, 0);
    assert_int_equal(spout_subprocess_wait_for_success(cat), 0);
    spout_subprocess_free(cat);
}

static void outputs(void)
{
    spout_bytes bytes;
    spout_subprocess_options options = {
        .input = SPOUT_STDIO_NULL, .output = SPOUT_STDIO_STREAM, .error = SPOUT_STDIO_STREAM
    };
    spout_subprocess *process = shell("cat; echo out; echo err >&2; exit 3", &options);
    expect_output(process, "out\n");
    assert_int_equal(spout_stream_read_until_close(spout_subprocess_error(process), 0, &bytes), 0);
    expect(bytes, "err\n");
    expect_status(process, 3);
    assert_int_equal(spout_subprocess_wait_for_success(process), SPOUT_EFAILED);
    assert_message("sh ended with status 3");
    spout_subprocess_free(process);
    options.error = SPOUT_STDIO_OUTPUT;
    process = shell("echo out; echo err >&2", &options);
    expect_output(process, "out\nerr\n");
    expect_status(process, 0);
    spout_subprocess_free(process);
    int file = kit_file("from a file", 11);
    lseek(file, 0, SEEK_SET);
    options = (spout_subprocess_options){
        .input = SPOUT_STDIO_FD, .input_fd = file, .output = SPOUT_STDIO_STREAM
    };
    process = shell("cat", &options);
    expect_output(process, "from a file");
    expect_status(process, 0);
    close(file);
    spout_subprocess_free(process);
}

static void surroundings(void)
{
    const char *const env[] = { "GREETING=moin", "PATH=/usr/bin:/bin", NULL };
    spout_subprocess_options options = {
        .output = SPOUT_STDIO_STREAM, .env = env, .directory = "/usr", .own_group = true
    };
    spout_subprocess *process = shell("echo $GREETING $HOME; pwd", &options);
    expect_output(process, "moin\n/usr\n");
    expect_status(process, 0);
    spout_subprocess_free(process);
}

/* Whatever is open here, the child has 0, 1, 2; whatever is blocked or ignored, it is not there. */
static void nothing_else_is_inherited(void)
{
    sigset_t blocked, before;
    int leaky = dup(0);
    assert_int_equal(fcntl(leaky, F_SETFD, 0), 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    void (*old)(int) = signal(SIGUSR1, SIG_IGN);
    spout_subprocess_options options = { .output = SPOUT_STDIO_STREAM };
    char command[160];
    snprintf(command, sizeof command,
        "for n in 3 4 5 6 7 8 9 10 11 12 %d; do test ! -e /proc/$$/fd/$n || echo leaked $n; done; "
        "grep -E 'Sig(Blk|Ign)' /proc/self/status",
        leaky);
    spout_subprocess *process = shell(command, &options);
    spout_bytes bytes;
    assert_int_equal(spout_stream_read_until_close(spout_subprocess_output(process), 0, &bytes), 0);
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)bytes.len, bytes.data);
    assert_null(strstr(text, "leaked"));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
    const char *ignored = strstr(text, "SigIgn:\t");
    assert_non_null(ignored);
    /* 32 and 33 are the C library's own: whoever started us may have left them so */
    assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~(3ULL << 31), 0);
    signal(SIGUSR1, old);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leaky);
    expect_status(process, 0);
    spout_subprocess_free(process);
}

static void signals(void)
{
    spout_subprocess *process = shell("exec sleep 1000", NULL);
    int64_t outer = spout_deadline_set_ms(20);
    assert_int_equal(spout_subprocess_wait_for_exit(process, NULL), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    assert_int_equal(spout_subprocess_terminate(process), 0);
    expect_status(process, -SIGTERM);
    assert_int_equal(spout_subprocess_wait_for_success(process), SPOUT_EFAILED);
    assert_message("killed by signal 15");
    spout_subprocess_free(process);
    process = shell("exec sleep 1000", NULL);
    assert_int_equal(spout_subprocess_kill(process), 0);
    expect_status(process, -SIGKILL);
    spout_subprocess_free(process);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void exit_callback(void)
{
    int calls = 0, late = 0;
    spout_subprocess *process = shell("exit 0", NULL);
    spout_subprocess_set_exit_callback(process, count_call, &calls);
    expect_status(process, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_yield(), 0);
    assert_int_equal(calls, 1);
    spout_subprocess_set_exit_callback(process, count_call, &late);
    assert_int_equal(late, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_yield(), 0);
    assert_int_equal(late, 1);
    spout_subprocess_free(process);
}

static int wait_for_it(void *arg)
{
    return spout_subprocess_wait_for_success(arg);
}

static void many_at_once(void)
{
    enum { MANY = 20 };
    spout_subprocess *all[MANY];
    spout_group *group = spout_group_new();
    for (int i = 0; i < MANY; i++) {
        all[i] = shell("exit 0", NULL);
        assert_int_equal(spout_group_start(group, wait_for_it, all[i], NULL), 0);
    }
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    for (int i = 0; i < MANY; i++)
        spout_subprocess_free(all[i]);
}

static int wait_until_freed(void *arg)
{
    assert_int_equal(spout_subprocess_wait_for_exit(arg, NULL), SPOUT_ECLOSED);
    return 0;
}

/* The handle goes, the child is collected all the same. */
static void freed_while_it_runs(void)
{
    spout_subprocess *process = shell("read line", &both_ways);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, wait_until_freed, process, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_yield(), 0);
    int pid = spout_subprocess_pid(process);
    spout_subprocess_free(process);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    for (int i = 0; i < 10000 && kill(pid, 0) == 0; i++)
        assert_int_equal(spout_sleep(1), 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void status_taken_by_others(void)
{
    spout_subprocess *process = shell("exit 5", NULL);
    assert_int_equal(
        waitpid(spout_subprocess_pid(process), NULL, 0), spout_subprocess_pid(process));
    assert_int_equal(spout_subprocess_wait_for_exit(process, NULL), SPOUT_ESTATE);
    assert_message("somebody else");
    spout_subprocess_free(process);
}

static void what_can_not_be_started(void)
{
    const char *const none[] = { NULL }, *const nonesuch[] = { "/nonexistent/program", NULL },
                      *const path[] = { "nonesuch-program", NULL },
                      *const fine[] = { "true", NULL };
    spout_subprocess_options options = both_ways;
    assert_null(spout_subprocess_start(none, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_subprocess_start(nonesuch, &options));
    assert_int_equal(spout_error_get_errno(spout_error_current()), ENOENT);
    assert_message("cannot start /nonexistent/program");
    assert_null(spout_subprocess_start(path, &options));
    options.directory = "/nonexistent";
    assert_null(spout_subprocess_start(fine, &options));
    options = (spout_subprocess_options){ .output = SPOUT_STDIO_FD, .output_fd = -1 };
    assert_null(spout_subprocess_start(fine, &options));
    assert_int_equal(spout_error_get_errno(spout_error_current()), EBADF);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    spout_subprocess_free(NULL);
}

/* Standard descriptors that are closed here don't confuse those of the child. */
static void without_own_input(void)
{
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 10);
    close(0);
    spout_subprocess *process = shell("cat", &both_ways);
    assert_int_equal(spout_stream_write(spout_subprocess_input(process), spout_bytes_of("x")), 0);
    assert_int_equal(spout_stream_shutdown(spout_subprocess_input(process)), 0);
    expect_output(process, "x");
    expect_status(process, 0);
    spout_subprocess_free(process);
    if (kept >= 0) {
        dup2(kept, 0);
        close(kept);
    }
}

static int write_much(void *arg)
{
    char *data = kit_pattern(1 << 20, 4);
    int result = spout_stream_write(spout_subprocess_input(arg), (spout_bytes){ data, 1 << 20 });
    spi_free(data);
    return result < 0 ? result : spout_stream_shutdown(spout_subprocess_input(arg));
}

static int read_much(void *arg)
{
    char *data = kit_pattern(1 << 20, 4);
    spout_bytes bytes;
    assert_int_equal(spout_stream_read_until_close(spout_subprocess_output(arg), 0, &bytes), 0);
    assert_int_equal(bytes.len, 1 << 20);
    assert_memory_equal(bytes.data, data, 1 << 20);
    spi_free(data);
    return 0;
}

static void much(void)
{
    spout_subprocess *process = shell("cat", &both_ways);
    spout_group *group = spout_group_new();
    spout_group_start(group, write_much, process, NULL);
    spout_group_start(group, read_much, process, NULL);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    expect_status(process, 0);
    spout_subprocess_free(process);
}

/* --- each of them, with and without a pidfd --- */

static int run_body(void *arg)
{
    void (**fn)(void) = arg;
    (*fn)();
    return 0;
}

/* valgrind makes a fork of posix_spawn's vfork: the parent isn't told that the child failed. */
static bool hears_of_failures(void)
{
#if SPI_HAVE_VALGRIND
    return !RUNNING_ON_VALGRIND;
#else
    return true;
#endif
}

static void run_both_ways(void **state)
{
    void (**fn)(void) = *state;
    if (*fn == what_can_not_be_started && !hears_of_failures())
        skip();
    for (int i = 0; i < 2; i++) {
        no_pidfd = i == 1;
        int before = open_descriptors();
        loop = kit_loop();
        assert_int_equal(spout_loop_run_sync(loop, run_body, fn, 0), 0);
        spout_loop_free(loop);
        assert_int_equal(open_descriptors(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

static void test_loop_ends_first(void **state)
{
    (void)state;
    loop = kit_loop();
    spout_subprocess *process = shell("exec sleep 1000", &both_ways); /* whatever its input does */
    int pid = spout_subprocess_pid(process), status;
    spout_loop_free(loop);
    assert_int_equal(spout_subprocess_send_signal(process, SIGKILL), SPOUT_ESTATE);
    spout_subprocess_free(process);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_needs_a_loop(void **state)
{
    (void)state;
    const char *const argv[] = { "true", NULL };
    assert_null(spout_subprocess_start(argv, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
}

int main(void)
{
    static void (*fns[])(void) = { conversation, outputs, surroundings, nothing_else_is_inherited,
        signals, exit_callback, many_at_once, freed_while_it_runs, status_taken_by_others,
        what_can_not_be_started, without_own_input, much };
#define NAMED(at, text)                           \
    {                                             \
        text, run_both_ways, NULL, NULL, &fns[at] \
    }
    const struct CMUnitTest tests[] = {
        NAMED(0, "conversation"),
        NAMED(1, "outputs"),
        NAMED(2, "surroundings"),
        NAMED(3, "nothing_else_is_inherited"),
        NAMED(4, "signals"),
        NAMED(5, "exit_callback"),
        NAMED(6, "many_at_once"),
        NAMED(7, "freed_while_it_runs"),
        NAMED(8, "status_taken_by_others"),
        NAMED(9, "what_can_not_be_started"),
        NAMED(10, "without_own_input"),
        NAMED(11, "much"),
        cmocka_unit_test(test_loop_ends_first),
        cmocka_unit_test(test_needs_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
