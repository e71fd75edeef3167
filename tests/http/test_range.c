#include <spout/error.h>
#include <spout/httputil.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct range_case {
    const char *header;
    int64_t size;
    int count;
    spout_range ranges[4];
} range_case;

static const range_case cases[] = {
    { NULL, 10, 0, { { 0 } } },
    { "bytes=0-4", 10, 1, { { 0, 5 } } },
    { "BYTES=0-4", 10, 1, { { 0, 5 } } },
    { "bytes=0-0", 10, 1, { { 0, 1 } } },
    { "bytes=5-", 10, 1, { { 5, 10 } } },
    { "bytes=9-", 10, 1, { { 9, 10 } } },
    { "bytes=-3", 10, 1, { { 7, 10 } } },
    { "bytes=-10", 10, 1, { { 0, 10 } } },
    { "bytes=-11", 10, 1, { { 0, 10 } } },
    { "bytes=0-99", 10, 1, { { 0, 10 } } },
    { "bytes=0-9223372036854775807", 10, 1, { { 0, 10 } } },
    { "bytes=0-99999999999999999999999", 10, 1, { { 0, 10 } } },
    { "bytes=-99999999999999999999999", 10, 1, { { 0, 10 } } },
    { "bytes=0-1,4-5", 10, 2, { { 0, 2 }, { 4, 6 } } },
    { "bytes=0-1 ,\t4-5, ,-1", 10, 3, { { 0, 2 }, { 4, 6 }, { 9, 10 } } },
    { "bytes= 0-1", 10, 1, { { 0, 2 } } },
    { "bytes=4-5,0-1,0-9", 10, 3, { { 4, 6 }, { 0, 2 }, { 0, 10 } } },
    { "bytes=20-,0-1", 10, 1, { { 0, 2 } } },
    { "bytes=10-", 10, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=10-20,-0", 10, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=-0", 10, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=99999999999999999999999-", 10, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=9223372036854775807-", INT64_MAX, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=0-", 0, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=-1", 0, 0, { { 0 } } },
    { "bytes=-0", 0, SPOUT_ENOTFOUND, { { 0 } } },
    { "bytes=0-1,2-3,4-5,6-7", 10, 4, { { 0, 2 }, { 2, 4 }, { 4, 6 }, { 6, 8 } } },
    { "bytes=0-1,2-3,4-5,6-7,8-9", 10, SPOUT_ELIMIT, { { 0 } } },
    { "bytes=20-,20-,20-,20-,20-", 10, SPOUT_ELIMIT, { { 0 } } },
    { "", 10, 0, { { 0 } } },
    { "bytes", 10, 0, { { 0 } } },
    { "bytes=", 10, 0, { { 0 } } },
    { "bytes=,", 10, 0, { { 0 } } },
    { "bytes =0-1", 10, 0, { { 0 } } },
    { "items=0-1", 10, 0, { { 0 } } },
    { "bytes:0-1", 10, 0, { { 0 } } },
    { "bytes=-", 10, 0, { { 0 } } },
    { "bytes=5", 10, 0, { { 0 } } },
    { "bytes=5-4", 10, 0, { { 0 } } },
    { "bytes=0-1,5-4", 10, 0, { { 0 } } },
    { "bytes=a-b", 10, 0, { { 0 } } },
    { "bytes=0-b", 10, 0, { { 0 } } },
    { "bytes=+0-1", 10, 0, { { 0 } } },
    { "bytes=0 -1", 10, 0, { { 0 } } },
    { "bytes=0- 1", 10, 0, { { 0 } } },
    { "bytes=--1", 10, 0, { { 0 } } },
    { "bytes=0-1-2", 10, 0, { { 0 } } },
    { "bytes=0x1-2", 10, 0, { { 0 } } },
    { "bytes=0-1;2-3", 10, 0, { { 0 } } },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const range_case *c = &cases[i];
        spout_range ranges[4];
        int count = spout_parse_range(c->header, c->size, ranges, 4);
        if (count != c->count)
            fail_msg("%s: %d, not %d", c->header ? c->header : "NULL", count, c->count);
        for (int r = 0; r < count; r++) {
            assert_int_equal(ranges[r].start, c->ranges[r].start);
            assert_int_equal(ranges[r].end, c->ranges[r].end);
        }
    }
}

static void content_ranges_are_read(void **state)
{
    (void)state;
    spout_range range;
    int64_t size;
    assert_int_equal(spout_parse_content_range("bytes 0-499/1234", &range, &size), 0);
    assert_true(range.start == 0 && range.end == 500 && size == 1234);
    assert_int_equal(spout_parse_content_range("BYTES 734-1233/*", &range, &size), 0);
    assert_true(range.start == 734 && range.end == 1234 && size == -1);
    assert_int_equal(spout_parse_content_range("bytes */47", &range, &size), 0);
    assert_true(range.start == 0 && range.end == 0 && size == 47);
    static const char *const bad[] = { "", "bytes", "bytes ", "bytes 0-1", "bytes 2-1/5",
        "bytes 0-5/5", "bytes */*", "bytes */", "bytes -5/9", "bytes 0-1/2x", "items 0-1/2",
        "bytes=0-1/2", "bytes 0-1/ 2", "bytes 0-99999999999999999999/*", "bytes +0-1/2" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(spout_parse_content_range(bad[i], &range, &size), SPOUT_EPROTO);
    assert_int_equal(spout_parse_content_range(NULL, &range, &size), SPOUT_EPROTO);
    assert_int_equal(size, 47);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(content_ranges_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
