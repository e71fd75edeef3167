#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program_kit.h"

#include <signal.h>

/* --- a program that serves on a Unix socket, and its client --- */

typedef struct trace {
    int started, drained, stopped;
    int begun, ended; /* handlers */
    int result;       /* of the last handler */
    char said[64];    /* what the client got */
    spout_future *draining;
} trace;

static trace the;
static char path[64], address[80];
static const spout_tcp_main_options *the_options;

static int echo(spout_stream *stream, void *arg)
{
    assert_ptr_equal(arg, &the);
    the.begun++;
    spout_bytes line;
    int result;
    while ((result = spout_stream_read_until(stream, "\n", 0, &line)) == 0)
        if ((result = spout_stream_write(stream, line)) < 0)
            break;
    the.result = result;
    the.ended++;
    return result;
}

static int call_main(int argc, char **argv)
{
    return spout_tcp_main(argc, argv, echo, the_options);
}

static int run(const spout_tcp_main_options *options, const char *a, const char *b)
{
    the_options = options;
    return run_program(call_main, a, b);
}

static int say(spout_stream *stream, const char *text)
{
    spout_bytes got;
    if (spout_stream_write(stream, spout_bytes_of(text)) < 0 ||
        spout_stream_read_until(stream, "\n", 0, &got) < 0)
        return -1;
    snprintf(the.said, sizeof the.said, "%.*s", (int)got.len, got.data);
    return 0;
}

/* Has one line echoed, ends the program, and says something more once that drains. */
static int visit(void *arg)
{
    (void)arg;
    spout_stream *stream = spout_stream_connect(path, 0, NULL);
    assert_non_null(stream);
    assert_int_equal(say(stream, "one\n"), 0);
    assert_string_equal(the.said, "one\n");
    raise(SIGTERM);
    assert_int_equal(spout_await(the.draining, NULL), 0);
    int result = say(stream, "two\n");
    spout_stream_close(stream);
    return result;
}

static int on_start(void *data)
{
    assert_ptr_equal(data, &the);
    the.started++;
    the.draining = spout_future_new();
    return spout_spawn(visit, NULL, &(spout_task_options){ .name = "visit" });
}

static int on_drain(void *data)
{
    assert_ptr_equal(data, &the);
    the.drained += the.started;
    return spout_future_resolve(the.draining, NULL);
}

static int on_stop(void *data)
{
    assert_ptr_equal(data, &the);
    assert_int_equal(the.ended, the.begun);
    the.stopped += the.drained;
    spout_future_unref(the.draining);
    return 0;
}

static int set_up(void **state)
{
    memset(&the, 0, sizeof the);
    snprintf(path, sizeof path, "/tmp/spout-test-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "--address=unix:%s", path);
    return catch_stderr(state);
}

static int tear_down(void **state)
{
    unlink(path);
    return release_stderr(state);
}

static spout_tcp_main_options serving(int64_t drain_timeout_ms)
{
    return (spout_tcp_main_options){ .on_start = on_start,
        .on_drain = on_drain,
        .on_stop = on_stop,
        .data = &the,
        .drain_timeout_ms = drain_timeout_ms };
}

/* --- serving --- */

static void connections_may_go_on_for_a_while(void **state)
{
    (void)state;
    const spout_tcp_main_options options = serving(60 * 1000);
    assert_int_equal(run(&options, address, NULL), 0);
    assert_true(the.started == 1 && the.drained == 1 && the.stopped == 1);
    assert_string_equal(the.said, "two\n");
    assert_int_equal(the.result, SPOUT_ECLOSED);
    assert_non_null(strstr(heard(), "listening on unix:"));
    assert_null(strstr(said, "were cut"));
}

static void then_they_are_cancelled(void **state)
{
    (void)state;
    const spout_tcp_main_options options = serving(0);
    assert_int_equal(run(&options, address, NULL), 0);
    assert_true(the.started == 1 && the.drained == 1 && the.stopped == 1);
    assert_int_equal(the.result, SPOUT_ECANCELED);
    assert_non_null(strstr(heard(), "1 connections were cut"));
}

static int end_at_once(void *data)
{
    (void)data;
    return raise(SIGTERM);
}

static void nothing_needs_to_be_set(void **state)
{
    (void)state;
    assert_int_equal(run(&(spout_tcp_main_options){ .on_start = end_at_once }, address, NULL), 0);
    assert_non_null(strstr(heard(), "listening on unix:"));
}

static int fail_to_start(void *data)
{
    (void)data;
    return spout_error_set(SPOUT_EFAILED, "the database is away");
}

static void a_start_that_fails_is_status_1(void **state)
{
    (void)state;
    assert_int_equal(
        run(&(spout_tcp_main_options){ .on_start = fail_to_start }, address, "--logging=none"), 1);
    assert_string_equal(heard(), "program: the database is away\n");
}

/* --- options --- */

static int check(spout_tcp_main_options *own, char **words)
{
    assert_null(*words);
    return spout_error_set(SPOUT_EINVAL, "%d bytes", (int)own->stream.max_buffer_size);
}

static void wrong_usage_is_one_line_and_status_2(void **state)
{
    (void)state;
    static const spout_tcp_main_options plain = { .configure = check,
        .stream = { .max_buffer_size = 7 } };
    static const spout_tcp_main_options single = { .single_worker = true };
    static const spout_tcp_main_options secure = { .tls_only = true };
    static const struct {
        const spout_tcp_main_options *options;
        const char *word, *line;
    } cases[] = {
        { NULL, "--prot=1", "program: unknown option '--prot': see --help\n" },
        { NULL, "word", "program: unexpected argument 'word': see --help\n" },
        { NULL, "--port=65536", "program: option '--port' must be from 0 to 65535\n" },
        { NULL, "--tls-port=0",
            "program: options '--tls-port', '--tls-cert' and '--tls-key' come together\n" },
        { NULL, "--max-body-size=0", "program: option '--max-body-size' must be at least 1\n" },
        { &plain, NULL, "program: 7 bytes\n" },
        { &plain, "--max-body-size=2k", "program: 2048 bytes\n" },
        { &single, "--workers=2",
            "program: option '--workers' must be 1: this program keeps its state in the "
            "process\n" },
        { &secure, NULL, "program: options '--tls-cert' and '--tls-key' are needed: see --help\n" },
        { &secure, "--tls-cert=x",
            "program: options '--tls-cert' and '--tls-key' are needed: see --help\n" },
        { &secure, "--tls-port=0", "program: unknown option '--tls-port': see --help\n" },
    };
    size_t before = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run(cases[i].options, cases[i].word, NULL), 2);
        assert_string_equal(heard() + before, cases[i].line);
        before = strlen(said);
    }
}

static void a_certificate_that_is_away_is_status_1(void **state)
{
    (void)state;
    assert_int_equal(
        run(&(spout_tcp_main_options){ .tls_only = true }, "--tls-cert=/none", "--tls-key=/none"),
        1);
    assert_non_null(strstr(heard(), "/none"));
}

/* --- commands --- */

static int command(void *data)
{
    assert_ptr_equal(data, &the);
    the.started++;
    return spout_sleep(0);
}

static int failing_command(void *data)
{
    (void)data;
    return spout_error_set(SPOUT_EFAILED, "nobody answers");
}

static int choose(spout_tcp_main_options *own, char **words)
{
    own->command = words[0] && words[1] ? command : failing_command;
    assert_null(own->data);
    own->data = &the;
    return 0;
}

static void a_command_runs_instead(void **state)
{
    (void)state;
    const spout_tcp_main_options options = {
        .takes_words = true, .configure = choose, .on_start = fail_to_start
    };
    assert_int_equal(run(&options, "one", "--two"), 0);
    assert_int_equal(the.started, 1);
    assert_string_equal(heard(), "");
    assert_int_equal(run(&options, "one", NULL), 1);
    assert_string_equal(heard(), "program: nobody answers\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_may_go_on_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(then_they_are_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_needs_to_be_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_fails_is_status_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_usage_is_one_line_and_status_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_that_is_away_is_status_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_command_runs_instead, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
