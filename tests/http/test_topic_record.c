#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http/topic_record.h"

/* The bytes of a record, of exactly their size, so that a sanitizer sees who reads beyond. */
static spout_bytes make(const spi_record *record)
{
    size_t len = SPI_RECORD_HEAD + record->name.len + record->rest.len;
    char *bytes = malloc(len);
    spi_record_head(bytes, record);
    memcpy(bytes + SPI_RECORD_HEAD, record->name.data, record->name.len);
    memcpy(bytes + SPI_RECORD_HEAD + record->name.len, record->rest.data, record->rest.len);
    return (spout_bytes){ bytes, len };
}

static bool is_record(spi_record_kind kind, const char *name, const char *rest)
{
    const spi_record record = { kind, false, 1, spout_bytes_of(name), spout_bytes_of(rest) };
    spout_bytes bytes = make(&record);
    spi_record parsed;
    bool good = spi_record_parse(bytes, &parsed);
    free((char *)(uintptr_t)bytes.data);
    return good;
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    char name[SPI_TOPIC_MAX_NAME], info[SPI_TOPIC_MAX_INFO];
    memset(name, 'n', sizeof name);
    memset(info, 'i', sizeof info);
    const spi_record records[] = {
        { SPI_RECORD_JOIN, false, 1, { "a/b", 3 }, { "", 0 } },
        { SPI_RECORD_JOIN, true, UINT64_MAX, { name, sizeof name }, { info, sizeof info } },
        { SPI_RECORD_LEAVE, false, 0x0123456789ABCDEF, { "", 0 }, { "", 0 } },
        { SPI_RECORD_PUBLISH, false, 0, { "t", 1 }, { "\xC3\xA4", 2 } },
        { SPI_RECORD_PUBLISH, true, 7, { "t", 1 }, { "\xFF\0\xFF", 3 } },
    };
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        spout_bytes bytes = make(&records[i]);
        spi_record r;
        assert_true(spi_record_parse(bytes, &r));
        assert_int_equal(r.kind, records[i].kind);
        assert_int_equal(r.flag, records[i].flag);
        assert_true(r.number == records[i].number);
        assert_int_equal(r.name.len, records[i].name.len);
        assert_memory_equal(r.name.data, records[i].name.data, r.name.len);
        assert_int_equal(r.rest.len, records[i].rest.len);
        assert_memory_equal(r.rest.data, records[i].rest.data, r.rest.len);
        free((char *)(uintptr_t)bytes.data);
    }
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    char long_name[SPI_TOPIC_MAX_NAME + 2], long_info[SPI_TOPIC_MAX_INFO + 2];
    memset(long_name, 'n', sizeof long_name - 1);
    memset(long_info, 'i', sizeof long_info - 1);
    long_name[sizeof long_name - 1] = long_info[sizeof long_info - 1] = 0;
    assert_false(is_record(SPI_RECORD_JOIN, "", "info"));
    assert_false(is_record(SPI_RECORD_JOIN, long_name, ""));
    assert_false(is_record(SPI_RECORD_JOIN, "a", long_info));
    assert_false(is_record(SPI_RECORD_JOIN, "\xFF", ""));
    assert_false(is_record(SPI_RECORD_JOIN, "a", "\xC3"));
    assert_false(is_record(SPI_RECORD_LEAVE, "a", ""));
    assert_false(is_record(SPI_RECORD_LEAVE, "", "a"));
    assert_false(is_record(SPI_RECORD_PUBLISH, "", "a"));
    assert_false(is_record(SPI_RECORD_PUBLISH, "a", "\xFF"));
    assert_false(is_record((spi_record_kind)0, "a", ""));
    assert_false(is_record((spi_record_kind)4, "a", ""));
}

/* Cut anywhere it is no record, or one that is shorter; never anything beyond. */
static void reads_no_further_than_it_may(void **state)
{
    (void)state;
    const spi_record record = { SPI_RECORD_PUBLISH, false, 1, { "name", 4 }, { "rest", 4 } };
    spout_bytes bytes = make(&record);
    for (size_t len = 0; len < bytes.len; len++) {
        char *cut = malloc(len ? len : 1);
        memcpy(cut, bytes.data, len);
        spi_record r;
        bool good = spi_record_parse((spout_bytes){ cut, len }, &r);
        assert_int_equal(good, len >= SPI_RECORD_HEAD + 4);
        if (good)
            assert_int_equal(r.rest.len, len - SPI_RECORD_HEAD - 4);
        free(cut);
    }
    free((char *)(uintptr_t)bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(reads_no_further_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
