#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/log.h"
#include "child.h"

#include <signal.h>
#include <string.h>

static void broken_promise(void)
{
    spi_log_info("the line before");
    int calls = 2;
    SPI_BUG_IF(calls > 1, "called twice");
}

static void test_bug_says_where_and_aborts(void **state)
{
    (void)state;
    const child_result *child = run_child(broken_promise);
    assert_int_equal(child_signal(child), SIGABRT);
    assert_non_null(strstr(child->err, "test_bug.c:"));
    assert_non_null(strstr(child->err, ": called twice\n"));
}

static void test_bug_writes_out_the_log_first(void **state)
{
    (void)state;
    const child_result *child = run_child(broken_promise);
    const char *line = strstr(child->err, "the line before");
    assert_non_null(line);
    assert_true(line < strstr(child->err, "called twice"));
}

static void test_a_kept_promise_costs_nothing(void **state)
{
    (void)state;
    int evaluated = 0;
    SPI_BUG_IF(evaluated++ > 0, "never");
    assert_int_equal(evaluated, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bug_says_where_and_aborts),
        cmocka_unit_test(test_bug_writes_out_the_log_first),
        cmocka_unit_test(test_a_kept_promise_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
