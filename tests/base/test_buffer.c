#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "child.h"

#include <spout/error.h>

#include <signal.h>

static void test_append_consume(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, 100);
    assert_int_equal(spi_buffer_len(&buffer), 0);
    assert_null(spi_buffer_head(&buffer));
    assert_string_equal(spi_buffer_text(&buffer), "");
    assert_int_equal(spi_buffer_append(&buffer, NULL, 0), 0);
    assert_int_equal(spi_buffer_append_text(&buffer, "hello"), 0);
    assert_int_equal(spi_buffer_append_char(&buffer, ' '), 0);
    assert_int_equal(spi_buffer_append_format(&buffer, "%s-%d", "world", 42), 0);
    assert_string_equal(spi_buffer_text(&buffer), "hello world-42");
    spi_buffer_consume(&buffer, 6);
    assert_string_equal(spi_buffer_text(&buffer), "world-42");
    spi_buffer_consume(&buffer, 8);
    assert_int_equal(buffer.start, 0);
    assert_int_equal(buffer.end, 0);
    spi_buffer_release(&buffer);
    assert_null(buffer.data);
    assert_int_equal(spi_buffer_append_text(&buffer, "again"), 0);
    assert_string_equal(spi_buffer_text(&buffer), "again");
    spi_buffer_release(&buffer);
    spi_buffer_release(&buffer);
}

static void test_maximum_is_exact_and_failure_changes_nothing(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, 10);
    assert_int_equal(spi_buffer_append(&buffer, "0123456", 7), 0);
    assert_int_equal(spi_buffer_append(&buffer, "abcd", 4), SPOUT_ELIMIT);
    assert_int_equal(spout_error_code_current(), SPOUT_ELIMIT);
    assert_int_equal(spi_buffer_append_format(&buffer, "%d", 1234), SPOUT_ELIMIT);
    assert_null(spi_buffer_reserve(&buffer, SIZE_MAX));
    assert_string_equal(spi_buffer_text(&buffer), "0123456");
    assert_int_equal(spi_buffer_append_format(&buffer, "%d", 789), 0);
    assert_int_equal(spi_buffer_append_char(&buffer, 'x'), SPOUT_ELIMIT);
    assert_string_equal(spi_buffer_text(&buffer), "0123456789");
    spi_buffer_consume(&buffer, 1);
    assert_int_equal(spi_buffer_append_char(&buffer, 'x'), 0);
    assert_string_equal(spi_buffer_text(&buffer), "123456789x");
    spi_buffer_release(&buffer);
}

static void test_zero_maximum_holds_nothing(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, 0);
    assert_int_equal(spi_buffer_append_char(&buffer, 'x'), SPOUT_ELIMIT);
    assert_int_equal(spi_buffer_append_format(&buffer, "%s", ""), 0);
    assert_string_equal(spi_buffer_text(&buffer), "");
    spi_buffer_release(&buffer);
}

static void test_reserve_and_commit(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, SIZE_MAX);
    char *room = spi_buffer_reserve(&buffer, 5000);
    assert_non_null(room);
    memset(room, 'r', 5000);
    spi_buffer_commit(&buffer, 3);
    assert_int_equal(spi_buffer_len(&buffer), 3);
    spi_buffer_commit(&buffer, 0);
    assert_string_equal(spi_buffer_text(&buffer), "rrr");
    spi_buffer_release(&buffer);
}

/* A queue of numbered bytes, against a model that only counts. */
static void test_random_queue(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, 5000);
    unsigned seed = 3;
    unsigned char in = 0, out = 0;
    size_t held = 0;
    for (int turn = 0; turn < 20000; turn++) {
        seed = seed * 1103515245u + 12345u;
        unsigned char data[700];
        size_t len = (seed >> 16) % (sizeof data + 1);
        if (seed >> 30 & 1 && held + len <= 5000) {
            for (size_t i = 0; i < len; i++)
                data[i] = (unsigned char)(in + i);
            assert_int_equal(spi_buffer_append(&buffer, data, len), 0);
            in = (unsigned char)(in + len);
            held += len;
        } else {
            len = len < held ? len : held;
            for (size_t i = 0; i < len; i++, out++)
                assert_int_equal((unsigned char)spi_buffer_head(&buffer)[i], out);
            spi_buffer_consume(&buffer, len);
            held -= len;
        }
        assert_int_equal(spi_buffer_len(&buffer), held);
        assert_true(buffer.capacity <= 5001);
    }
    spi_buffer_release(&buffer);
}

/* A stream that holds little at a time must not grow. */
static void test_steady_flow_does_not_grow(void **state)
{
    (void)state;
    spi_buffer buffer;
    spi_buffer_init(&buffer, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(spi_buffer_append(&buffer, "0123456789", 10), 0);
        spi_buffer_consume(&buffer, i ? 10 : 5);
    }
    assert_int_equal(spi_buffer_len(&buffer), 5);
    assert_true(buffer.capacity <= 256);
    spi_buffer_clear(&buffer);
    assert_int_equal(spi_buffer_len(&buffer), 0);
    assert_non_null(buffer.data);
    spi_buffer_release(&buffer);
}

static void consume_too_much(void)
{
    spi_buffer buffer;
    spi_buffer_init(&buffer, 10);
    if (spi_buffer_append_char(&buffer, 'x') == 0)
        spi_buffer_consume(&buffer, 2);
}

static void commit_too_much(void)
{
    spi_buffer buffer;
    spi_buffer_init(&buffer, 10);
    if (spi_buffer_reserve(&buffer, 10))
        spi_buffer_commit(&buffer, 12);
}

static void test_misuse_is_a_bug(void **state)
{
    (void)state;
    assert_int_equal(child_signal(run_child(consume_too_much)), SIGABRT);
    assert_int_equal(child_signal(run_child(commit_too_much)), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_consume),
        cmocka_unit_test(test_maximum_is_exact_and_failure_changes_nothing),
        cmocka_unit_test(test_zero_maximum_holds_nothing),
        cmocka_unit_test(test_reserve_and_commit),
        cmocka_unit_test(test_random_queue),
        cmocka_unit_test(test_steady_flow_does_not_grow),
        cmocka_unit_test(test_misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
