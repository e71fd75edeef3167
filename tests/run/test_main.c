#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

static int hello(spout_request *r)
{
    return spout_write(r, "hello");
}

static const spout_handler handler = { .get = hello };
static const spout_route routes[] = { { "/", &handler }, { 0 } };

static const spout_main_options *the_options;

static int call_main(int argc, char **argv)
{
    return spout_main(argc, argv, routes, the_options);
}

static int run(const spout_main_options *options, const char *a, const char *b)
{
    the_options = options;
    return run_program(call_main, a, b);
}

static void wrong_usage_is_one_line_and_status_2(void **state)
{
    (void)state;
    static const struct {
        const char *word, *line;
    } cases[] = {
        { "--prot=1", "program: unknown option '--prot': see --help\n" },
        { "word", "program: unexpected argument 'word': see --help\n" },
        { "--port=65536", "program: option '--port' must be from 0 to 65535\n" },
        { "--workers=-1", "program: option '--workers' must be from 0 to 1024\n" },
    };
    size_t before = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run(NULL, cases[i].word, NULL), 2);
        assert_string_equal(heard() + before, cases[i].line);
        before = strlen(said);
    }
    assert_int_equal(run(NULL, "--logging=loud", NULL), 2);
    assert_non_null(strstr(heard(), "loud"));
}

static void a_single_worker_program_refuses_more(void **state)
{
    (void)state;
    assert_int_equal(run(&(spout_main_options){ .single_worker = true }, "--workers=2", NULL), 2);
    assert_non_null(strstr(heard(), "program: option '--workers' must be 1"));
}

static int refuse(spout_application_options *application)
{
    (void)application;
    return spout_error_set(SPOUT_ENOTFOUND, "no folder '%s'", spout_option_text("folder"));
}

static void the_program_s_own_options_are_checked_by_itself(void **state)
{
    (void)state;
    static const spout_option options[] = { { .name = "folder", .type = SPOUT_OPTION_TEXT },
        { 0 } };
    const spout_main_options main_options = { .options = options, .configure = refuse };
    assert_int_equal(run(&main_options, "--folder=/none", "--port=0"), 2);
    assert_string_equal(heard(), "program: no folder '/none'\n");
}

static int fail_to_start(spout_application *application)
{
    (void)application;
    return spout_error_set(SPOUT_EFAILED, "the database is away");
}

static void a_start_that_fails_is_status_1(void **state)
{
    (void)state;
    assert_int_equal(
        run(&(spout_main_options){ .on_start = fail_to_start }, "--port=0", "--logging=none"), 1);
    assert_non_null(strstr(heard(), "program: the database is away\n"));
}

static void a_port_in_use_is_status_1(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    char port[32], line[128];
    snprintf(port, sizeof port, "--port=%d", ntohs(address.sin_port));
    snprintf(line, sizeof line, "program: cannot listen on 127.0.0.1:%d: address already in use\n",
        ntohs(address.sin_port));
    assert_int_equal(run(NULL, port, "--address=127.0.0.1"), 1);
    assert_string_equal(heard(), line);
    close(fd);
}

static int steps[3];

static int end_soon(void *arg)
{
    (void)arg;
    return raise(SIGTERM);
}

static int on_start(spout_application *application)
{
    steps[0]++;
    assert_string_equal(spout_application_data(application), "data");
    return spout_call_later(0, end_soon, NULL) ? 0 : -1;
}

static int on_drain(spout_application *application)
{
    (void)application;
    steps[1] += steps[0];
    return 0;
}

static int on_stop(spout_application *application)
{
    (void)application;
    steps[2] += steps[1];
    return 0;
}

static void a_signal_ends_it_well(void **state)
{
    (void)state;
    char data[] = "data";
    memset(steps, 0, sizeof steps);
    const spout_main_options options = {
        .on_start = on_start, .on_drain = on_drain, .on_stop = on_stop, .data = data
    };
    assert_int_equal(run(&options, "--port=0", "--address=127.0.0.1"), 0);
    assert_true(steps[0] == 1 && steps[1] == 1 && steps[2] == 1);
    assert_non_null(strstr(heard(), "listening on 127.0.0.1:"));
    assert_non_null(strstr(said, "finishing what is running"));
}

static int ask_to_end_and_wait(spout_application *application)
{
    (void)application;
    raise(SIGTERM);
    return spout_sleep(60 * 1000);
}

static int never(spout_application *application)
{
    (void)application;
    fail_msg("on_start has failed: there is nothing to undo");
    return 0;
}

static void a_signal_may_come_while_it_starts(void **state)
{
    (void)state;
    const spout_main_options options = {
        .on_start = ask_to_end_and_wait, .on_drain = never, .on_stop = never
    };
    assert_int_equal(run(&options, "--port=0", "--address=127.0.0.1"), 0);
}

static void the_log_is_json_where_the_access_log_is(void **state)
{
    (void)state;
    char data[] = "data";
    const spout_main_options options = {
        .on_start = on_start, .data = data, .application = { .access_log = SPOUT_ACCESS_LOG_JSON }
    };
    assert_int_equal(run(&options, "--port=0", "--address=127.0.0.1"), 0);
    spout_log_set_format(SPOUT_LOG_TEXT);
    for (const char *line = heard(); *line; line = strchr(line, '\n') + 1)
        assert_memory_equal(line, "{\"level\":\"info\",\"logger\":", 25);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            wrong_usage_is_one_line_and_status_2, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(
            a_single_worker_program_refuses_more, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(
            the_program_s_own_options_are_checked_by_itself, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(
            a_start_that_fails_is_status_1, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_status_1, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(a_signal_ends_it_well, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(
            a_signal_may_come_while_it_starts, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(
            the_log_is_json_where_the_access_log_is, catch_stderr, release_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
