#include "http/body.h"

#include "cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct outcome {
    spi_body_result result; /* MORE, END or BAD */
    int status;
    size_t used; /* until END */
    size_t len;
    char content[64 * 1024];
} outcome;

/* Decodes in pieces, each in memory of its own. */
static void decode(spi_body_kind kind, uint64_t length, uint64_t max, const char *in, size_t len,
    uint32_t seed, outcome *ret)
{
    spi_body_decoder decoder;
    cutter c = { seed };
    ret->used = ret->len = 0;
    ret->status = 0;
    spi_body_decoder_init(&decoder, kind, length, max);
    do {
        size_t piece = next_cut(&c, len - ret->used), at = 0;
        char *copy = malloc(piece ? piece : 1);
        if (piece)
            memcpy(copy, in + ret->used, piece);
        do {
            size_t used;
            spout_bytes data;
            ret->result = spi_body_decode(
                &decoder, copy + at, piece - at, &used, &data, &ret->status);
            assert_true(used <= piece - at);
            at += used;
            if (ret->result == SPI_BODY_DATA) {
                assert_true(data.len > 0 && data.data >= copy && data.data + data.len <= copy + at);
                assert_true(ret->len + data.len <= sizeof ret->content);
                memcpy(ret->content + ret->len, data.data, data.len);
                ret->len += data.len;
            }
        } while (ret->result == SPI_BODY_DATA);
        if (ret->result == SPI_BODY_MORE)
            assert_int_equal(at, piece);
        free(copy);
        ret->used += at;
    } while (ret->result == SPI_BODY_MORE && ret->used < len);
}

typedef struct chunk_case {
    const char *in;
    spi_body_result result;
    int status;
    const char *content;
    long used; /* -1: all */
} chunk_case;

static const chunk_case chunked[] = {
    { "0\r\n\r\n", SPI_BODY_END, 0, "", -1 },
    { "5\r\nhello\r\n0\r\n\r\n", SPI_BODY_END, 0, "hello", -1 },
    { "5\r\nhello\r\n0\r\n\r\nGET /", SPI_BODY_END, 0, "hello", 15 },
    { "1\r\na\r\n2\r\nbc\r\n00\r\n\r\n", SPI_BODY_END, 0, "abc", -1 },
    { "a\r\n0123456789\r\n0\r\n\r\n", SPI_BODY_END, 0, "0123456789", -1 },
    { "A\r\n0123456789\r\n0\r\n\r\n", SPI_BODY_END, 0, "0123456789", -1 },
    { "000000000000000a\r\n0123456789\r\n0\r\n\r\n", SPI_BODY_END, 0, "0123456789", -1 },
    { "2\r\n\r\n\r\n0\r\n\r\n", SPI_BODY_END, 0, "\r\n", -1 },
    { "", SPI_BODY_MORE, 0, "", -1 },
    { "5\r\nhel", SPI_BODY_MORE, 0, "hel", -1 },
    { "5\r\nhello\r\n0\r\n\r", SPI_BODY_MORE, 0, "hello", -1 },
    /* extensions */
    { "1;a\r\nx\r\n0;b\r\n\r\n", SPI_BODY_END, 0, "x", -1 },
    { "1;a=b;c;d=e\r\nx\r\n0\r\n\r\n", SPI_BODY_END, 0, "x", -1 },
    { "1 ; a = b\t;c\r\nx\r\n0\r\n\r\n", SPI_BODY_END, 0, "x", -1 },
    { "1;a=\"q;\\\"\\\\ \t\xE4\"\r\nx\r\n0\r\n\r\n", SPI_BODY_END, 0, "x", -1 },
    { "1;a=\"q\" ;b\r\nx\r\n0\r\n\r\n", SPI_BODY_END, 0, "x", -1 },
    { "1;\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1; \r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;=b\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=b c\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a b\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a \r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=\"b\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=\"b\n\"\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=\"b\\\r\"\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a=\"b\"c\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a\nx\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a\rx\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1;a\x0B\r\n", SPI_BODY_BAD, 400, "", 0 },
    /* sizes */
    { "\r\n", SPI_BODY_BAD, 400, "", 0 },
    { ";a\r\n", SPI_BODY_BAD, 400, "", 0 },
    { " 1\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1 \r\n", SPI_BODY_BAD, 400, "", 0 },
    { "+1\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "-1\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0x1\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1_0\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "g\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1g\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "\xD9\xA5\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1\nx\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "1\rx\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "00000000000000001\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "10000000000000000\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "ffffffffffffffff\r\n", SPI_BODY_BAD, 413, "", 0 },
    { "3e9\r\n", SPI_BODY_BAD, 413, "", 0 }, /* 1,001 */
    { "3\r\nabc\r\n3e6\r\n", SPI_BODY_BAD, 413, "abc", 0 },
    /* ends of chunks */
    { "1\r\nxy\r\n", SPI_BODY_BAD, 400, "x", 0 },
    { "1\r\nx\n0\r\n", SPI_BODY_BAD, 400, "x", 0 },
    { "1\r\nx\r0\r\n", SPI_BODY_BAD, 400, "x", 0 },
    { "1\r\nx0\r\n\r\n", SPI_BODY_BAD, 400, "x", 0 },
    /* trailers */
    { "0\r\nA: b\r\nC:\r\n\r\n", SPI_BODY_END, 0, "", -1 },
    { "0\r\nA:\tb\xE4\r\n\r\nX", SPI_BODY_END, 0, "", 12 },
    { "0\r\nA b\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA : b\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\n: b\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA: b\r\n c\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA: b\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA: b\rc\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\nA: b\x01\r\n\r\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\n\n", SPI_BODY_BAD, 400, "", 0 },
    { "0\r\n\rX", SPI_BODY_BAD, 400, "", 0 },
    { "0\n\n", SPI_BODY_BAD, 400, "", 0 },
};

static void test_chunked(void **state)
{
    (void)state;
    static outcome o;
    for (size_t i = 0; i < sizeof chunked / sizeof chunked[0]; i++) {
        const chunk_case *c = &chunked[i];
        size_t len = strlen(c->in);
        for (uint32_t seed = 0; seed < CUTS; seed++) {
            decode(SPI_BODY_CHUNKED, 0, 1000, c->in, len, seed, &o);
            if (o.result != c->result || o.status != c->status || o.len != strlen(c->content) ||
                memcmp(o.content, c->content, o.len) != 0)
                fail_msg("\"%s\" cut %u: result %d, status %d, %zu bytes", c->in, (unsigned)seed,
                    (int)o.result, o.status, o.len);
            if (o.result == SPI_BODY_END)
                assert_int_equal(o.used, c->used < 0 ? (long)len : c->used);
        }
    }
}

/* A text around `count` times `c`. */
static size_t fill(char *out, const char *before, char c, size_t count, const char *after)
{
    size_t len = strlen(before);
    memcpy(out, before, len);
    memset(out + len, c, count);
    strcpy(out + len + count, after);
    return len + count + strlen(after);
}

static void test_bounds(void **state)
{
    (void)state;
    static outcome o;
    static char in[32 * 1024];
    size_t len = fill(in, "0;", 'a', 4092, "\r\n\r\n"); /* a line of 4,096 bytes with its end */
    decode(SPI_BODY_CHUNKED, 0, 10, in, len, 0, &o);
    assert_int_equal(o.result, SPI_BODY_END);
    fill(in, "0;", 'a', 4095, "");
    decode(SPI_BODY_CHUNKED, 0, 10, in, 4097, 1, &o);
    assert_int_equal(o.result, SPI_BODY_BAD);
    assert_int_equal(o.status, 400);

    len = fill(in, "0\r\nA:", 'a', 16000, "\r\n\r\n");
    decode(SPI_BODY_CHUNKED, 0, 10, in, len, 0, &o);
    assert_int_equal(o.result, SPI_BODY_END);
    len = fill(in, "0\r\nA:", 'a', 16384, "");
    decode(SPI_BODY_CHUNKED, 0, 10, in, len, 0, &o);
    assert_int_equal(o.result, SPI_BODY_BAD);
}

static void test_maximum(void **state)
{
    (void)state;
    static outcome o;
    static const char in[] = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    decode(SPI_BODY_CHUNKED, 0, 5, in, sizeof in - 1, 0, &o);
    assert_int_equal(o.result, SPI_BODY_END);
    decode(SPI_BODY_CHUNKED, 0, 4, in, sizeof in - 1, 1, &o);
    assert_int_equal(o.result, SPI_BODY_BAD);
    assert_int_equal(o.status, 413);
    assert_int_equal(o.len, 3);
    decode(SPI_BODY_CHUNKED, 0, UINT64_MAX, "1\r\na\r\nffffffffffffffff\r\n", 24, 0, &o);
    assert_int_equal(o.status, 413);
    decode(SPI_BODY_CHUNKED, 0, 0, "0\r\n\r\n", 5, 0, &o);
    assert_int_equal(o.result, SPI_BODY_END);
}

static void test_length(void **state)
{
    (void)state;
    static outcome o;
    for (uint32_t seed = 0; seed < CUTS; seed++) {
        decode(SPI_BODY_LENGTH, 5, 5, "helloGET", 8, seed, &o);
        assert_int_equal(o.result, SPI_BODY_END);
        assert_int_equal(o.used, 5);
        assert_int_equal(o.len, 5);
        assert_memory_equal(o.content, "hello", 5);
        decode(SPI_BODY_LENGTH, 5, 5, "hel", 3, seed, &o);
        assert_int_equal(o.result, SPI_BODY_MORE);
        decode(SPI_BODY_LENGTH, 0, 5, "GET", 3, seed, &o);
        assert_int_equal(o.result, SPI_BODY_END);
        assert_int_equal(o.used, 0);
        decode(SPI_BODY_NONE, 0, 5, "GET", 3, seed, &o);
        assert_int_equal(o.result, SPI_BODY_END);
        assert_int_equal(o.used, 0);
    }
}

static void test_results_stay(void **state)
{
    (void)state;
    spi_body_decoder decoder;
    size_t used;
    spout_bytes data;
    int status = 0;
    spi_body_decoder_init(&decoder, SPI_BODY_CHUNKED, 0, 10);
    assert_int_equal(spi_body_decode(&decoder, "x", 1, &used, &data, &status), SPI_BODY_BAD);
    assert_int_equal(spi_body_decode(&decoder, "0\r\n", 3, &used, &data, &status), SPI_BODY_BAD);
    assert_int_equal(used, 0);
    spi_body_decoder_init(&decoder, SPI_BODY_NONE, 0, 10);
    assert_int_equal(spi_body_decode(&decoder, NULL, 0, &used, &data, &status), SPI_BODY_END);
    assert_int_equal(spi_body_decode(&decoder, "x", 1, &used, &data, &status), SPI_BODY_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_results_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
