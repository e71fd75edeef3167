#include "http/frame.h"

#include "cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What happened, in words: "text(abc) ping(x) close(1000,bye)". Pieces of an unfinished message are
   left out, since how much of it was given out before an error depends on how it was cut. */
typedef struct record {
    size_t len;
    char text[128 * 1024];
    size_t message_len;
    char message[128 * 1024];
} record;

static void note(record *r, const char *word, const char *data, size_t len)
{
    r->len += (size_t)sprintf(r->text + r->len, "%s%s(", r->len ? " " : "", word);
    memcpy(r->text + r->len, data, len);
    r->len += len;
    strcpy(r->text + r->len, ")");
    r->len++;
}

static void note_message(record *r, const spi_frame_parser *p)
{
    const char *word = p->message_opcode == SPI_OP_TEXT ? "text" : "binary";
    char name[16];
    sprintf(name, "%s%s", p->compressed ? "z" : "", word);
    note(r, name, r->message, r->message_len);
    r->message_len = 0;
}

static void note_close(record *r, const spi_frame_parser *p, spout_bytes reason)
{
    char name[160];
    int len = sprintf(name, "%u,%.*s", p->close_code, (int)reason.len, reason.data);
    note(r, "close", name, (size_t)len);
}

/* False once the connection has failed. */
static bool take_event(
    record *r, spi_frame_parser *p, spi_frame_event event, spout_bytes data, const char *what)
{
    char code[16];
    switch (event) {
    case SPI_FRAME_MORE: return true;
    case SPI_FRAME_DATA:
        assert_true(data.len > 0 && r->message_len + data.len <= sizeof r->message);
        memcpy(r->message + r->message_len, data.data, data.len);
        r->message_len += data.len;
        return true;
    case SPI_FRAME_MESSAGE: note_message(r, p); return true;
    case SPI_FRAME_PING: note(r, "ping", data.data, data.len); return true;
    case SPI_FRAME_PONG: note(r, "pong", data.data, data.len); return true;
    case SPI_FRAME_CLOSE: note_close(r, p, data); return true;
    case SPI_FRAME_BAD:
        assert_non_null(what);
        sprintf(code, "%u", p->close_code);
        note(r, "bad", code, strlen(code));
        return false;
    }
    return false;
}

typedef struct setting {
    bool client, compressed;
    uint64_t max;
} setting;

static void run(const setting *s, const char *in, size_t len, uint32_t seed, record *r)
{
    spi_frame_parser parser;
    cutter c = { seed };
    bool alive = true;
    r->len = r->message_len = 0;
    r->text[0] = '\0';
    spi_frame_parser_init(&parser, !s->client, s->max ? s->max : 1000);
    parser.allow_compressed = s->compressed;
    for (size_t at = 0; alive && at < len;) {
        size_t piece = next_cut(&c, len - at), done = 0;
        char *copy = malloc(piece);
        memcpy(copy, in + at, piece);
        spi_frame_event event;
        do {
            size_t used;
            spout_bytes data = { NULL, 0 };
            const char *what = NULL;
            event = spi_frame_parse(&parser, copy + done, piece - done, &used, &data, &what);
            done += used;
            assert_true(done <= piece);
            alive = take_event(r, &parser, event, data, what);
        } while (alive && event != SPI_FRAME_MORE);
        if (event == SPI_FRAME_MORE)
            assert_int_equal(done, piece);
        free(copy);
        at += piece;
    }
    spi_frame_parser_finish(&parser);
}

/* Frames are written as text: first byte in hex, the payload, as a client would send them (masked)
   or a server. */
typedef struct wire {
    size_t len;
    char bytes[128 * 1024];
} wire;

static void put(wire *w, bool client, unsigned first, const void *payload, size_t len)
{
    static const uint8_t mask[4] = { 0x12, 0xF3, 0x00, 0x9A };
    char head[14];
    size_t head_len = spi_frame_head(head, SPI_OP_TEXT, true, false, len, client ? NULL : mask);
    head[0] = (char)first;
    memcpy(w->bytes + w->len, head, head_len);
    w->len += head_len;
    if (len)
        memcpy(w->bytes + w->len, payload, len);
    if (!client)
        spi_frame_mask(w->bytes + w->len, len, mask, 0);
    w->len += len;
}

typedef struct frame_spec {
    unsigned first;
    const char *payload;
    size_t len; /* 0: strlen */
} frame_spec;

typedef struct frame_case {
    frame_spec frames[6];
    const char *expected;
    setting setting;
} frame_case;

static const frame_case cases[] = {
    { { { 0x81, "hello", 0 } }, "text(hello)", { 0 } },
    { { { 0x82, "hello", 0 } }, "binary(hello)", { 0 } },
    { { { 0x81, "", 0 }, { 0x82, "", 0 } }, "text() binary()", { 0 } },
    { { { 0x81, "\xC3\xA4", 0 } }, "text(\xC3\xA4)", { 0 } },
    { { { 0x01, "a", 0 }, { 0x00, "b", 0 }, { 0x80, "c", 0 } }, "text(abc)", { 0 } },
    { { { 0x01, "", 0 }, { 0x00, "", 0 }, { 0x80, "", 0 } }, "text()", { 0 } },
    { { { 0x01, "\xC3", 0 }, { 0x80, "\xA4", 0 } }, "text(\xC3\xA4)", { 0 } },
    { { { 0x01, "a", 0 }, { 0x89, "p", 0 }, { 0x80, "b", 0 } }, "ping(p) text(ab)", { 0 } },
    { { { 0x01, "\xF0\x9F", 0 }, { 0x8A, "\xFF", 0 }, { 0x80, "\x98\x80", 0 } },
        "pong(\xFF) text(\xF0\x9F\x98\x80)", { 0 } },
    { { { 0x89, "", 0 }, { 0x8A, "", 0 } }, "ping() pong()", { 0 } },
    { { { 0x89, "0123456789", 0 }, { 0x89, "abc", 0 } }, "ping(0123456789) ping(abc)", { 0 } },
    { { { 0x88, "", 0 } }, "close(1005,)", { 0 } },
    { { { 0x88, "\x03\xE8", 0 } }, "close(1000,)", { 0 } },
    { { { 0x88, "\x03\xE9going \xC3\xA4", 0 } }, "close(1001,going \xC3\xA4)", { 0 } },
    { { { 0x88, "\x0F\xA0x", 0 }, { 0x81, "late", 0 } }, "close(4000,x)", { 0 } },
    { { { 0x01, "a", 0 }, { 0x88, "\x03\xE8", 0 } }, "close(1000,)", { 0 } },
    { { { 0x88, "\x03", 0 } }, "bad(1002)", { 0 } },
    { { { 0x88, "\x03\xE7", 0 } }, "bad(1002)", { 0 } }, /* 999 */
    { { { 0x88, "\x03\xED", 0 } }, "bad(1002)", { 0 } }, /* 1005 */
    { { { 0x88, "\x03\xE8\xFF", 0 } }, "bad(1007)", { 0 } },
    { { { 0x88, "\x03\xE8\xC3", 0 } }, "bad(1007)", { 0 } },
    { { { 0x81, "\xFF", 0 } }, "bad(1007)", { 0 } },
    { { { 0x81, "\xC3", 0 } }, "bad(1007)", { 0 } },
    { { { 0x81, "\xED\xA0\x80", 0 } }, "bad(1007)", { 0 } },
    { { { 0x81, "\xC0\x80", 0 } }, "bad(1007)", { 0 } },
    { { { 0x81, "\xF4\x90\x80\x80", 0 } }, "bad(1007)", { 0 } },
    { { { 0x01, "\xC3", 0 }, { 0x80, "", 0 } }, "bad(1007)", { 0 } },
    { { { 0x01, "\xC3", 0 }, { 0x80, "a", 0 } }, "bad(1007)", { 0 } },
    { { { 0x01, "\xFF", 0 } }, "bad(1007)", { 0 } }, /* before the message ends */
    { { { 0x82, "\xFF", 0 } }, "binary(\xFF)", { 0 } },
    { { { 0x91, "a", 0 } }, "bad(1002)", { 0 } },
    { { { 0xA1, "a", 0 } }, "bad(1002)", { 0 } },
    { { { 0xC1, "a", 0 } }, "bad(1002)", { 0 } },
    { { { 0x83, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x87, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x8B, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x8F, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x09, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x08, "", 0 } }, "bad(1002)", { 0 } },
    { { { 0x80, "a", 0 } }, "bad(1002)", { 0 } },
    { { { 0x00, "a", 0 } }, "bad(1002)", { 0 } },
    { { { 0x81, "a", 0 }, { 0x80, "b", 0 } }, "text(a) bad(1002)", { 0 } },
    { { { 0x01, "a", 0 }, { 0x81, "b", 0 } }, "bad(1002)", { 0 } },
    { { { 0x01, "a", 0 }, { 0x02, "b", 0 } }, "bad(1002)", { 0 } },
    /* maximum */
    { { { 0x82, "1234", 0 }, { 0x82, "12345", 0 } }, "binary(1234) bad(1009)", { .max = 4 } },
    { { { 0x02, "12", 0 }, { 0x89, "123456", 0 }, { 0x00, "34", 0 }, { 0x80, "5", 0 } },
        "ping(123456) bad(1009)", { .max = 4 } },
    { { { 0x02, "12", 0 }, { 0x80, "34", 0 } }, "binary(1234)", { .max = 4 } },
    /* compression */
    { { { 0xC1, "\xFF\xFE", 0 } }, "ztext(\xFF\xFE)", { .compressed = true } },
    { { { 0xC2, "x", 0 } }, "zbinary(x)", { .compressed = true } },
    { { { 0x41, "\xFF", 0 }, { 0x89, "p", 0 }, { 0x80, "\xFE", 0 } }, "ping(p) ztext(\xFF\xFE)",
        { .compressed = true } },
    { { { 0xC1, "x", 0 }, { 0x81, "\xFF", 0 } }, "ztext(x) bad(1007)", { .compressed = true } },
    { { { 0x41, "x", 0 }, { 0xC0, "y", 0 } }, "bad(1002)", { .compressed = true } },
    { { { 0xC9, "x", 0 } }, "bad(1002)", { .compressed = true } },
    { { { 0xC8, "", 0 } }, "bad(1002)", { .compressed = true } },
    { { { 0xE1, "x", 0 } }, "bad(1002)", { .compressed = true } },
};

static void build(const frame_case *c, bool client, wire *w)
{
    w->len = 0;
    for (size_t i = 0; i < 6 && c->frames[i].payload; i++)
        put(w, client, c->frames[i].first, c->frames[i].payload,
            c->frames[i].len ? c->frames[i].len : strlen(c->frames[i].payload));
}

static wire w;
static record r;

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int client = 0; client < 2; client++) {
            setting s = cases[i].setting;
            s.client = client;
            build(&cases[i], client, &w);
            for (uint32_t seed = 0; seed < CUTS; seed++) {
                run(&s, w.bytes, w.len, seed, &r);
                if (strcmp(r.text, cases[i].expected) != 0)
                    fail_msg("case %zu cut %u: %s, not %s", i, (unsigned)seed, r.text,
                        cases[i].expected);
            }
        }
    }
}

typedef struct raw_case {
    const char *in;
    size_t len;
    const char *expected;
    setting setting;
} raw_case;

#define RAW(text) text, sizeof text - 1

static const raw_case raws[] = {
    { RAW("\x81\x01"
          "a"),
        "bad(1002)", { 0 } }, /* unmasked */
    { RAW("\x81\x81\1\2\3\4"
          "a"),
        "bad(1002)", { .client = true } },   /* masked */
    { RAW("\x89\xFE"), "bad(1002)", { 0 } }, /* a ping of 126 bytes */
    { RAW("\x89\xFF"), "bad(1002)", { 0 } },
    { RAW("\x82\x7E\x00\x7D"), "bad(1002)", { .client = true } },
    { RAW("\x82\xFE\x00\x00"), "bad(1002)", { 0 } },
    { RAW("\x82\x7F\0\0\0\0\0\0\xFF\xFF"), "bad(1002)", { .client = true } },
    { RAW("\x82\x7F\0\0\0\0\0\0\0\x05"), "bad(1002)", { .client = true } },
    { RAW("\x82\x7F\x80\0\0\0\0\0\0\0"), "bad(1002)", { .client = true } },
    { RAW("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "bad(1002)", { 0 } },
    { RAW("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "bad(1009)", { 0 } },
    { RAW("\x82\xFE\x03\xE9"), "bad(1009)", { 0 } },
    { RAW("\x82\xFE\x03\xE8"), "", { 0 } },
    { RAW("\x02\x81\0\0\0\0"
          "a\x00\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        "", { .max = UINT64_MAX } },
    { RAW("\x02\x81\0\0\0\0"
          "a\x00\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        "bad(1009)", { .max = INT64_MAX } },
    { RAW("GET / HTTP/1.1\r\n"), "bad(1002)", { 0 } },
};

static void test_raw_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
        for (uint32_t seed = 0; seed < CUTS; seed++) {
            run(&raws[i].setting, raws[i].in, raws[i].len, seed, &r);
            if (strcmp(r.text, raws[i].expected) != 0)
                fail_msg(
                    "case %zu cut %u: %s, not %s", i, (unsigned)seed, r.text, raws[i].expected);
        }
    }
}

/* Lengths around each change of form, there and back. */
static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537 };
    static const size_t head_lens[] = { 2, 2, 2, 2, 4, 4, 4, 4, 4, 10, 10 };
    static char payload[65537];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (int client = 0; client < 2; client++) {
            setting s = { .client = client, .max = 1 << 20 };
            w.len = 0;
            put(&w, client, 0x82, payload, lengths[i]);
            assert_int_equal(w.len, lengths[i] + head_lens[i] + (client ? 0 : 4));
            for (uint32_t seed = 0; seed < 4; seed++) {
                run(&s, w.bytes, w.len, seed, &r);
                assert_int_equal(r.len, lengths[i] + 8);
                assert_memory_equal(r.text, "binary(", 7);
                assert_memory_equal(r.text + 7, payload, lengths[i]);
            }
        }
    }
}

static void test_control_payload_of_125(void **state)
{
    (void)state;
    char payload[125], expected[132];
    memset(payload, 'x', sizeof payload);
    memcpy(expected, "ping(", 5);
    memset(expected + 5, 'x', 125);
    strcpy(expected + 130, ")");
    w.len = 0;
    put(&w, false, 0x89, payload, sizeof payload);
    for (uint32_t seed = 0; seed < CUTS; seed++) {
        run(&(setting){ .max = 10 }, w.bytes, w.len, seed, &r);
        assert_string_equal(r.text, expected);
    }
}

static void test_frame_heads(void **state)
{
    (void)state;
    static const uint8_t mask[4] = { 1, 2, 3, 4 };
    char out[14];
    assert_int_equal(spi_frame_head(out, SPI_OP_TEXT, true, true, 5, NULL), 2);
    assert_memory_equal(out, "\xC1\x05", 2);
    assert_int_equal(spi_frame_head(out, SPI_OP_BINARY, false, false, 0x1234, mask), 8);
    assert_memory_equal(out, "\x02\xFE\x12\x34\1\2\3\4", 8);
    assert_int_equal(spi_frame_head(out, SPI_OP_CONTINUATION, true, false, 0x123456789, mask), 14);
    assert_memory_equal(out, "\x80\xFF\0\0\0\x01\x23\x45\x67\x89\1\2\3\4", 14);
}

/* All lengths at all alignments, in memory that ends where the data does. */
static void test_mask_stays_inside(void **state)
{
    (void)state;
    static const uint8_t mask[4] = { 0xA5, 0x00, 0xFF, 0x3C };
    for (size_t len = 0; len <= 64; len++) {
        for (size_t offset = 0; offset < 16; offset++) {
            for (unsigned at = 0; at < 4; at++) {
                char *block = malloc(offset + len + (len + offset == 0));
                memset(block, 0x77, offset);
                for (size_t i = 0; i < len; i++)
                    block[offset + i] = (char)(i * 7);
                spi_frame_mask(block + offset, len, mask, at);
                for (size_t i = 0; i < offset; i++)
                    assert_int_equal(block[i], 0x77);
                for (size_t i = 0; i < len; i++)
                    assert_int_equal(
                        (uint8_t)block[offset + i], (uint8_t)(i * 7) ^ mask[(at + i) % 4]);
                free(block);
            }
        }
    }
}

static void test_mask_into_another_place(void **state)
{
    (void)state;
    static const uint8_t mask[4] = { 0xA5, 0x00, 0xFF, 0x3C };
    for (size_t len = 0; len < 200; len++) {
        char *in = malloc(len + 1), *out = malloc(len + 1); /* exact, for sanitizers */
        for (size_t i = 0; i < len; i++)
            in[i] = (char)(i * 11);
        assert_ptr_equal(spi_frame_mask_to(out, in, len, mask), out + len);
        for (size_t i = 0; i < len; i++)
            assert_int_equal((uint8_t)out[i], (uint8_t)(i * 11) ^ mask[i % 4]);
        free(in);
        free(out);
    }
}

/* What may be taken as a whole is what the parser takes as a message, with nothing left over. */
static void expect_same(const char *in, size_t len, uint64_t max, bool is_whole)
{
    char copy[256];
    size_t used;
    spout_bytes data = { "", 0 }, end;
    const char *what;
    spi_frame_parser parser;
    spi_whole_message found;
    assert_int_equal(spi_frame_try_whole(in, len, max, &found), is_whole);
    if (!is_whole)
        return;
    memcpy(copy, in, len);
    spi_frame_parser_init(&parser, true, max);
    if (found.payload.len > 0)
        assert_int_equal(spi_frame_parse(&parser, copy, len, &used, &data, &what), SPI_FRAME_DATA);
    assert_int_equal(
        spi_frame_parse(&parser, copy, found.payload.len > 0 ? 0 : len, &used, &end, &what),
        SPI_FRAME_MESSAGE);
    assert_int_equal(data.len, found.payload.len);
    assert_int_equal(found.is_text, parser.message_opcode == SPI_OP_TEXT);
    char unmasked[256];
    spi_frame_mask_to(unmasked, found.payload.data, found.payload.len, found.mask);
    assert_memory_equal(unmasked, data.data, data.len);
    assert_ptr_equal(found.payload.data + found.payload.len, in + found.frame_len);
}

static void test_whole_messages(void **state)
{
    (void)state;
    char in[256];
    memset(in, 'x', sizeof in);
    for (int first = 0; first < 256; first++) {
        bool is_message = first == 0x81 || first == 0x82;
        for (int second = 0; second < 256; second++) {
            in[0] = (char)first;
            in[1] = (char)second;
            expect_same(in, 140, 1000, is_message && second >= 0x80 && second < 0x80 + 126);
        }
    }
}

static void test_whole_messages_at_their_limits(void **state)
{
    (void)state;
    char in[256] = "\x81\xFE\x00\x7E";
    expect_same(in, 8 + 126, 126, true);
    expect_same(in, 9 + 126, 127, true);
    expect_same(in, 7 + 126, 126, false); /* not all there */
    expect_same(in, 8 + 126, 125, false); /* too big */
    in[3] = 0x7D;                         /* not the shortest form */
    expect_same(in, 200, 126, false);
    memcpy(in, "\x82\x82", 2);
    expect_same(in, 8, 2, true);
    expect_same(in, 8, 1, false);
    for (size_t len = 0; len < 8; len++)
        expect_same(in, len, 2, false);
}

static void test_close_codes(void **state)
{
    (void)state;
    static const unsigned valid[] = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
        1013, 1014, 3000, 3999, 4000, 4999 };
    static const unsigned invalid[] = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
        5000, 65535 };
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        assert_true(spi_close_code_is_valid(valid[i]));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        assert_false(spi_close_code_is_valid(invalid[i]));
}

/* Random frames, mostly right: whole and in pieces they give the same events. */
static void test_random_streams(void **state)
{
    (void)state;
    static record other;
    uint32_t random = 12345;
    for (int round = 0; round < 300; round++) {
        static const unsigned firsts[] = { 0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0xC1 };
        w.len = 0;
        for (int frame = 0; frame < 8; frame++) {
            char payload[200];
            random = random * 1664525u + 1013904223u;
            size_t len = (random >> 8) % (frame % 2 ? 200 : 20);
            for (size_t i = 0; i < len; i++)
                payload[i] = (char)((random >> 20) % 7 ? 'a' : '\xC3');
            put(&w, false, firsts[(random >> 24) % 8], payload, len);
        }
        if (round % 3 == 0)
            w.bytes[(random >> 4) % w.len] ^= (char)(random >> 16);
        setting s = { .compressed = round % 2 };
        run(&s, w.bytes, w.len, 0, &r);
        for (uint32_t seed = 1; seed < CUTS; seed++) {
            run(&s, w.bytes, w.len, seed, &other);
            assert_int_equal(other.len, r.len);
            assert_memory_equal(other.text, r.text, r.len);
        }
    }
}

static void test_bad_is_final(void **state)
{
    (void)state;
    spi_frame_parser parser;
    char bad[] = "\xF1", good[] = "\x81\x80\1\2\3\4";
    size_t used;
    spout_bytes data;
    const char *what;
    spi_frame_parser_init(&parser, true, 10);
    assert_int_equal(spi_frame_parse(&parser, bad, 1, &used, &data, &what), SPI_FRAME_BAD);
    assert_int_equal(spi_frame_parse(&parser, good, 6, &used, &data, &what), SPI_FRAME_BAD);
    assert_int_equal(parser.close_code, 1002);
    spi_frame_parser_finish(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_raw_heads),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_control_payload_of_125),
        cmocka_unit_test(test_frame_heads),
        cmocka_unit_test(test_mask_stays_inside),
        cmocka_unit_test(test_mask_into_another_place),
        cmocka_unit_test(test_whole_messages),
        cmocka_unit_test(test_whole_messages_at_their_limits),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_bad_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
