#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/log.h"
#include "child.h"

#include <spout/error.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A sink that keeps the last record. */
typedef struct memory_sink {
    int records, flushes;
    spout_logger logger;
    spout_log_level level;
    int64_t time_us;
    char message[8192];
} memory_sink;

static memory_sink memory;

static void memory_write(void *self, const spout_log_record *record)
{
    memory_sink *sink = self;
    sink->records++;
    sink->logger = record->logger;
    sink->level = record->level;
    sink->time_us = record->time_us;
    snprintf(sink->message, sizeof sink->message, "%s", record->message);
    spout_log_error("a sink that logs");
    spout_log_flush();
}

static void memory_flush(void *self)
{
    memory_sink *sink = self;
    sink->flushes++;
    spout_log_error("a sink that logs");
}

static int64_t fixed_clock(void)
{
    return INT64_C(1795674733) * 1000000 + 123456; /* 2026-11-26 06:32:13 UTC */
}

static int use_memory_sink(void **state)
{
    (void)state;
    const spout_log_sink sink = { .write = memory_write, .flush = memory_flush, .self = &memory };
    memset(&memory, 0, sizeof memory);
    spout_log_set_sink(&sink);
    spout_log_set_level(SPOUT_LOG_INFO);
    return 0;
}

static int use_default_sink(void **state)
{
    (void)state;
    spout_log_set_sink(NULL);
    spout_log_set_level(SPOUT_LOG_INFO);
    spi_wall_clock_replace(NULL);
    spout_error_clear();
    return 0;
}

static void test_record(void **state)
{
    (void)state;
    spi_wall_clock_replace(fixed_clock);
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_WARNING, "%d %s", 404, "GET /");
    assert_int_equal(memory.records, 1);
    assert_int_equal(memory.logger, SPOUT_LOGGER_ACCESS);
    assert_int_equal(memory.level, SPOUT_LOG_WARNING);
    assert_true(memory.time_us == fixed_clock());
    assert_string_equal(memory.message, "404 GET /");
}

static void test_each_function_has_its_logger_and_level(void **state)
{
    (void)state;
    spout_log_set_level(SPOUT_LOG_DEBUG);
    void (*const application[])(const char *format, ...) = { spout_log_debug, spout_log_info,
        spout_log_warning, spout_log_error };
    void (*const general[])(
        const char *format, ...) = { spi_log_debug, spi_log_info, spi_log_warning, spi_log_error };
    for (int level = SPOUT_LOG_DEBUG; level <= SPOUT_LOG_ERROR; level++) {
        application[level]("x");
        assert_int_equal(memory.level, level);
        assert_int_equal(memory.logger, SPOUT_LOGGER_APPLICATION);
        general[level]("x");
        assert_int_equal(memory.level, level);
        assert_int_equal(memory.logger, SPOUT_LOGGER_GENERAL);
    }
    assert_int_equal(memory.records, 8);
}

static void test_levels(void **state)
{
    (void)state;
    for (int level = SPOUT_LOG_DEBUG; level <= SPOUT_LOG_OFF; level++) {
        spout_log_set_level((spout_log_level)level);
        assert_int_equal(spout_log_get_level(), level);
        for (int line = SPOUT_LOG_DEBUG; line <= SPOUT_LOG_OFF; line++) {
            int before = memory.records;
            bool expected = line >= level && line != SPOUT_LOG_OFF;
            assert_int_equal(spout_log_enabled((spout_log_level)line), expected);
            spout_log(SPOUT_LOGGER_GENERAL, (spout_log_level)line, "x");
            assert_int_equal(memory.records, before + expected);
        }
    }
}

static void test_parse(void **state)
{
    (void)state;
    static const char *const names[] = { "debug", "INFO", "Warning", "error", "none" };
    spout_log_level level = SPOUT_LOG_OFF;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(spout_log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(spout_log_level_parse("", &level), SPOUT_EINVAL);
    assert_int_equal(spout_log_level_parse("warn", &level), SPOUT_EINVAL);
    assert_non_null(strstr(spout_error_message(), "\"warn\""));
    assert_int_equal(level, SPOUT_LOG_OFF);
}

static void check_escape(const char *message, const char *expected)
{
    spout_log_info("%s", message);
    assert_string_equal(memory.message, expected);
}

static void test_a_message_is_one_line(void **state)
{
    (void)state;
    check_escape("", "");
    check_escape("a\nb\r\n", "a\\nb\\x0d\\n");
    check_escape("\x1b[31mred\x7f\t", "\\x1b[31mred\\x7f\\x09");
    check_escape("k\xC3\xB6nnen \xE2\x82\xAC", "k\xC3\xB6nnen \xE2\x82\xAC");
    check_escape("next line \xC2\x85, csi \xC2\x9B, \xC2\xA0",
        "next line \\xc2\\x85, csi \\xc2\\x9b, \xC2\xA0");
    check_escape("torn \xC3 or \xC3\xA4", "torn \\xc3 or \\xc3\\xa4");
    check_escape("end \xC2", "end \\xc2");
}

static void test_long_messages(void **state)
{
    (void)state;
    for (int len = 1020; len < 1030; len++) {
        spout_log_info("%*s", len, "x");
        assert_int_equal(strlen(memory.message), len);
        spout_log_info("%*s\n", len, "x");
        assert_int_equal(strlen(memory.message), len + 2);
    }
}

static void test_errno_stays(void **state)
{
    (void)state;
    errno = EPIPE;
    spout_log_info("x");
    assert_int_equal(errno, EPIPE);
}

static void test_flush_follows_records(void **state)
{
    (void)state;
    spout_log_flush();
    assert_int_equal(memory.flushes, 0);
    spout_log_info("x");
    spout_log_info("x");
    assert_int_equal(memory.flushes, 0);
    spout_log_flush();
    assert_int_equal(memory.flushes, 1);
    spout_log_flush();
    assert_int_equal(memory.flushes, 1);
    spout_log_info("x");
    spi_log_flush_if_free();
    assert_int_equal(memory.flushes, 2);
    spout_log_info("x");
    spout_log_set_sink(NULL);
    assert_int_equal(memory.flushes, 3);
    assert_int_equal(memory.records, 4);
}

static void test_sinks_may_lack_functions(void **state)
{
    (void)state;
    const spout_log_sink silent = { .write = NULL };
    spout_log_set_sink(&silent);
    spout_log_error("into the void");
    spout_log_flush();
    const spout_log_sink no_flush = { .write = memory_write, .self = &memory };
    spout_log_set_sink(&no_flush);
    spout_log_error("x");
    spout_log_flush();
    assert_int_equal(memory.records, 1);
}

static void test_current_error_with_causes(void **state)
{
    (void)state;
    spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "nothing");
    assert_string_equal(memory.message, "nothing");
    spout_error_set(SPOUT_EINVAL, "root");
    spout_error_wrap(SPOUT_EFAILED, "middle");
    spout_error_wrap(SPOUT_EFAILED, "top");
    const spout_error *error = spout_error_current();
    spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_WARNING, "task \"x\"");
    assert_string_equal(memory.message, "task \"x\": top: middle: root");
    assert_int_equal(memory.level, SPOUT_LOG_WARNING);
    assert_int_equal(memory.logger, SPOUT_LOGGER_APPLICATION);
    assert_ptr_equal(spout_error_current(), error);
    spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_DEBUG, "below");
    assert_int_equal(memory.records, 2);
}

static void *log_a_hundred(void *arg)
{
    for (int i = 0; i < 100; i++)
        spout_log_info("%s %d", (const char *)arg, i);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    static char name[] = "thread";
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_a_hundred, name), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(memory.records, 400);
}

static void test_clock(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000000;
    assert_true(spi_wall_clock_us() >= before - 1000000);
    spi_wall_clock_replace(fixed_clock);
    assert_true(spi_wall_clock_us() == fixed_clock());
    spi_wall_clock_replace(NULL);
    assert_true(spi_wall_clock_us() >= before - 1000000);
}

static void set_time_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
    spi_wall_clock_replace(fixed_clock);
}

static void log_three(void)
{
    set_time_zone("UTC0");
    spi_log_info("listening on %s", "127.0.0.1:8888");
    spout_log_warning("second\nline");
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_INFO, "200 GET /");
    spi_log_debug("below the level");
}

static void test_default_lines_come_at_exit(void **state)
{
    (void)state;
    const child_result *child = run_child(log_three);
    assert_int_equal(child->status, 0);
    assert_string_equal(child->err, "[I 261126 06:32:13 general] listening on 127.0.0.1:8888\n"
                                    "[W 261126 06:32:13 application] second\\nline\n"
                                    "[I 261126 06:32:13 access] 200 GET /\n");
}

static void log_objects(void)
{
    set_time_zone("TEST-3");
    spout_log_set_format(SPOUT_LOG_JSON);
    spi_log_info("a \"quoted\" \\ %s", "\xC3\xA9");
    spout_log_warning("second\nline\xC2\x85");
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_INFO, "200 GET /");
    spout_log_info("\x1b[31mred\x7f\t");
    spout_log_info("torn \xC3\n");
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_INFO, "{\"status\":200}");
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_INFO, "{\"status\":200}\n{}");
    spout_log_info("{\"not\":\"ours\"}");
    spout_log_set_format(SPOUT_LOG_TEXT);
    spi_log_info("text again");
}

static void test_lines_may_be_objects(void **state)
{
    (void)state;
#define TIME "\"time\":\"2026-11-26T06:32:13.123Z\","
    assert_string_equal(run_child(log_objects)->err,
        "{\"level\":\"info\",\"logger\":\"general\"," TIME
        "\"message\":\"a \\\"quoted\\\" \\\\ \xC3\xA9\"}\n"
        "{\"level\":\"warning\",\"logger\":\"application\"," TIME
        "\"message\":\"second\\u000aline\\u0085\"}\n"
        "{\"level\":\"info\",\"logger\":\"access\"," TIME "\"message\":\"200 GET /\"}\n"
        "{\"level\":\"info\",\"logger\":\"application\"," TIME
        "\"message\":\"\\u001b[31mred\\u007f\\u0009\"}\n"
        "{\"level\":\"info\",\"logger\":\"application\"," TIME
        "\"message\":\"torn \\u00c3\\u000a\"}\n"
        "{\"level\":\"info\",\"logger\":\"access\",\"status\":200}\n"
        "{\"level\":\"info\",\"logger\":\"access\"," TIME
        "\"message\":\"{\\\"status\\\":200}\\u000a{}\"}\n"
        "{\"level\":\"info\",\"logger\":\"application\"," TIME
        "\"message\":\"{\\\"not\\\":\\\"ours\\\"}\"}\n"
        "[I 261126 09:32:13 general] text again\n");
}

static void log_for_a_request(void)
{
    set_time_zone("UTC0");
    spi_context_current()->request_id = "abc-1";
    spout_log_info("in a request");
    spout_log(SPOUT_LOGGER_ACCESS, SPOUT_LOG_INFO, "200 GET / [abc-1]");
    spout_log_set_format(SPOUT_LOG_JSON);
    spout_log_info("in a request");
    spi_context_current()->request_id = NULL;
    spout_log_info("behind it");
}

static void test_lines_of_a_request_have_its_id(void **state)
{
    (void)state;
    assert_string_equal(run_child(log_for_a_request)->err,
        "[I 261126 06:32:13 application] in a request [abc-1]\n"
        "[I 261126 06:32:13 access] 200 GET / [abc-1]\n"
        "{\"level\":\"info\",\"logger\":\"application\"," TIME
        "\"message\":\"in a request\",\"request_id\":\"abc-1\"}\n"
        "{\"level\":\"info\",\"logger\":\"application\"," TIME "\"message\":\"behind it\"}\n");
}

static void log_local(void)
{
    set_time_zone("TEST-3");
    spout_log_error("local time");
    _exit(0);
}

static void test_errors_are_written_at_once_in_local_time(void **state)
{
    (void)state;
    const child_result *child = run_child(log_local);
    assert_string_equal(child->err, "[E 261126 09:32:13 application] local time\n");
}

static void log_and_vanish(void)
{
    spi_log_info("held back");
    _exit(0);
}

static void log_flush_and_vanish(void)
{
    spi_log_info("flushed");
    spout_log_flush();
    spi_log_info("held back");
    _exit(0);
}

static void test_lines_are_held_back_until_a_flush(void **state)
{
    (void)state;
    assert_string_equal(run_child(log_and_vanish)->err, "");
    const child_result *child = run_child(log_flush_and_vanish);
    assert_non_null(strstr(child->err, "flushed\n"));
    assert_null(strstr(child->err, "held back"));
}

static void log_much(void)
{
    for (int i = 0; i < 500; i++)
        spi_log_info("line %d of %*s", i, 100, "many");
    spi_log_info("%*s", 40000, "one large line");
}

static void test_full_buffer_loses_nothing(void **state)
{
    (void)state;
    const char *at = run_child(log_much)->err;
    for (int i = 0; i < 500; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "] line %d of ", i);
        at = strstr(at, expected);
        assert_non_null(at);
    }
    assert_non_null(strstr(at, "one large line\n"));
}

static void log_and_fork(void)
{
    spi_log_info("before the fork");
    pid_t pid = fork();
    if (pid == 0) {
        spi_log_info("from the child");
        exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void test_a_fork_repeats_nothing(void **state)
{
    (void)state;
    const child_result *child = run_child(log_and_fork);
    const char *first = strstr(child->err, "before the fork");
    assert_non_null(first);
    assert_null(strstr(first + 1, "before the fork"));
    assert_non_null(strstr(child->err, "from the child"));
}

static void log_to_nowhere(void)
{
    close(STDERR_FILENO);
    spout_log_error("nobody hears");
    spout_log_flush();
}

static void test_a_closed_stderr_is_survived(void **state)
{
    (void)state;
    assert_int_equal(child_signal(run_child(log_to_nowhere)), 0);
}

#define WITH_MEMORY_SINK(test) \
    cmocka_unit_test_setup_teardown(test, use_memory_sink, use_default_sink)

static void test_a_thread_may_have_its_own_sink(void **state)
{
    (void)state;
    static memory_sink mine;
    memset(&mine, 0, sizeof mine);
    spi_log_own_sink own = { .sink = {
                                 .write = memory_write, .flush = memory_flush, .self = &mine } };
    spi_log_use_own(&own);
    spout_log_info("for me");
    assert_string_equal(mine.message, "for me");
    assert_int_equal(memory.records, 0);
    spout_log_flush();
    spout_log_flush();
    assert_int_equal(mine.flushes, 1);
    spout_log_info("still for me");
    spi_log_use_own(NULL);
    assert_int_equal(mine.flushes, 2);
    spout_log_info("for all");
    assert_string_equal(memory.message, "for all");
    assert_int_equal(mine.records, 2);
    spi_log_use_own(&(spi_log_own_sink){ .sink = { .write = NULL } });
    spout_log_info("for nobody");
    spi_log_use_own(NULL);
    assert_int_equal(memory.records, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_lines_come_at_exit),
        cmocka_unit_test(test_lines_may_be_objects),
        cmocka_unit_test(test_lines_of_a_request_have_its_id),
        cmocka_unit_test(test_errors_are_written_at_once_in_local_time),
        cmocka_unit_test(test_lines_are_held_back_until_a_flush),
        cmocka_unit_test(test_full_buffer_loses_nothing),
        cmocka_unit_test(test_a_fork_repeats_nothing),
        cmocka_unit_test(test_a_closed_stderr_is_survived),
        WITH_MEMORY_SINK(test_record),
        WITH_MEMORY_SINK(test_a_thread_may_have_its_own_sink),
        WITH_MEMORY_SINK(test_each_function_has_its_logger_and_level),
        WITH_MEMORY_SINK(test_levels),
        WITH_MEMORY_SINK(test_parse),
        WITH_MEMORY_SINK(test_a_message_is_one_line),
        WITH_MEMORY_SINK(test_long_messages),
        WITH_MEMORY_SINK(test_errno_stays),
        WITH_MEMORY_SINK(test_flush_follows_records),
        WITH_MEMORY_SINK(test_sinks_may_lack_functions),
        WITH_MEMORY_SINK(test_current_error_with_causes),
        WITH_MEMORY_SINK(test_threads),
        cmocka_unit_test_teardown(test_clock, use_default_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
