#define ZLIB_CONST

#include "kit.h"

#include "base/text.h"
#include "web/encoder.h"

#if SPI_HAVE_BROTLI
#include <brotli/decode.h>
#endif
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { LEN = 5000 };

static char text[LEN + 1];

static int whole(spout_request *r)
{
    const char *type = spout_argument(r, "type", NULL);
    if (type && spout_set_header(r, "Content-Type", type) < 0)
        return -1;
    const char *name = spout_argument(r, "name", NULL);
    if (name && spout_set_header(r, name, spout_argument(r, "value", "")) < 0)
        return -1;
    if (spout_argument(r, "status", NULL))
        spout_set_status(r, 206, NULL);
    size_t len = spout_argument(r, "short", NULL) ? 1023 : LEN;
    return spout_write_bytes(r, (spout_bytes){ text, len });
}

static int parts(spout_request *r)
{
    for (int i = 0; i < LEN; i += 500) {
        if (spout_write_bytes(r, (spout_bytes){ text + i, 500 }) < 0 || spout_flush(r) < 0)
            return -1;
    }
    return 0;
}

static int empty_flush(spout_request *r)
{
    return spout_flush(r);
}

static int large(spout_request *r)
{
    for (int i = 0; i < 1000; i++)
        if (spout_write_bytes(r, (spout_bytes){ text, LEN }) < 0)
            return -1;
    return 0;
}

static int half(spout_request *r)
{
    if (spout_write(r, "half") < 0 || spout_flush(r) < 0)
        return -1;
    return spout_fail(r, 500, "broken");
}

static const spout_route routes[] = {
    { "/", &(const spout_handler){ .get = whole } },
    { "/parts", &(const spout_handler){ .get = parts } },
    { "/empty", &(const spout_handler){ .get = empty_flush } },
    { "/large", &(const spout_handler){ .get = large } },
    { "/half", &(const spout_handler){ .get = half } },
    { "/off", &(const spout_handler){ .get = whole, .compress_response = SPOUT_NONE } },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < LEN; i++)
        text[i] = "Hello, water! "[i % 14];
    kit_start(routes, &(spout_application_options){ .compress_response = true });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static spout_bytes inflate_all(spout_bytes body, char *out, size_t size)
{
    z_stream stream = { .next_in = (const unsigned char *)body.data,
        .avail_in = (uInt)body.len,
        .next_out = (unsigned char *)out,
        .avail_out = (uInt)size };
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
    return (spout_bytes){ out, size - stream.avail_out };
}

static void expect_text(const spi_memory_reply *reply)
{
    static char out[LEN * 2];
    spout_bytes plain = reply->body;
    assert_int_equal(reply->status, 200);
    assert_true(reply->finished);
    if (spi_memory_reply_field(reply, "Content-Encoding"))
        plain = inflate_all(reply->body, out, sizeof out);
    assert_int_equal(plain.len, LEN);
    assert_memory_equal(plain.data, text, LEN);
}

static const spi_memory_reply *get_with(const char *target, const char *encodings)
{
    return kit_get_with(target, "Accept-Encoding", encodings);
}

static void a_whole_reply(void **state)
{
    (void)state;
    const spi_memory_reply *reply = get_with("/", "gzip");
    kit_expect_field(reply, "Content-Encoding", "gzip");
    kit_expect_field(reply, "Vary", "Accept-Encoding");
    char length[24];
    snprintf(length, sizeof length, "%zu", reply->body.len);
    kit_expect_field(reply, "Content-Length", length);
    assert_true(reply->body.len < 500);
    expect_text(reply);
    char len[24];
    memcpy(len, length, sizeof len);
    const spi_field field = kit_field("Accept-Encoding", "gzip");
    reply = kit_send(&(spi_memory_request){
        .method = "HEAD", .target = "/", .fields = &field, .field_count = 1 });
    kit_expect_field(reply, "Content-Length", len);
    assert_int_equal(reply->body.len, 0);
}

static void expect_encoding(const char *accept, const char *encoding)
{
    const spi_memory_reply *reply = get_with("/", accept);
    kit_expect_field(reply, "Content-Encoding", encoding);
    kit_expect_field(reply, "Vary", "Accept-Encoding");
}

static void as_the_client_likes_it(void **state)
{
    (void)state;
    const char *best = SPI_HAVE_BROTLI ? "br" : "gzip";
    kit_expect_field(kit_get("/"), "Content-Encoding", NULL);
    expect_encoding("", NULL);
    expect_encoding("gzip;q=0", NULL);
    expect_encoding("gzip;q=0.000, *;q=0", NULL);
    expect_encoding("deflate", NULL);
    expect_encoding("notgzip", NULL);
    expect_encoding("identity;q=1, gzip;q=0.5", NULL);
    expect_encoding("deflate, GZIP ; q=0.1", "gzip");
    expect_encoding("gzip, br;q=0.5", "gzip");
    expect_encoding("gzip, br", best);
    expect_encoding("*", best);
    expect_encoding("br;q=0, *", "gzip");
}

static void only_what_shrinks(void **state)
{
    (void)state;
    static const char *const yes[] = { "text/plain", "application/json;charset=x",
        "image/svg%2Bxml", "TEXT/CSS", "application/atom%2Bxml" };
    static const char *const no[] = { "image/png", "application/octet-stream", "text",
        "textual/x" };
    char target[128];
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        snprintf(target, sizeof target, "/?type=%s", yes[i]);
        kit_expect_field(get_with(target, "gzip"), "Content-Encoding", "gzip");
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        snprintf(target, sizeof target, "/?type=%s", no[i]);
        expect_text(get_with(target, "gzip"));
        kit_expect_field(get_with(target, "gzip"), "Content-Encoding", NULL);
    }
    kit_expect_field(get_with("/?short=1", "gzip"), "Content-Encoding", NULL);
    kit_expect_field(get_with("/?short=1", "gzip"), "Vary", "Accept-Encoding");
    kit_expect_field(get_with("/?status=206", "gzip"), "Content-Encoding", NULL);
    kit_expect_field(get_with("/?name=Content-Encoding&value=x", "gzip"), "Content-Encoding", "x");
    kit_expect_field(get_with("/?name=Cache-Control&value=private,no-transform", "gzip"),
        "Content-Encoding", NULL);
    kit_expect_field(get_with("/off", "gzip"), "Content-Encoding", NULL);
    kit_expect_field(get_with("/off", "gzip"), "Vary", NULL);
}

static void vary_is_extended(void **state)
{
    (void)state;
    kit_expect_field(
        get_with("/?name=Vary&value=Cookie", "gzip"), "Vary", "Cookie, Accept-Encoding");
    kit_expect_field(get_with("/?name=Vary&value=Cookie,%20accept-encoding", "gzip"), "Vary",
        "Cookie, accept-encoding");
    kit_expect_field(get_with("/?name=Vary&value=*", "gzip"), "Vary", "*");
}

static void each_coding_has_its_tag(void **state)
{
    (void)state;
    char plain[64], packed[64];
    snprintf(plain, sizeof plain, "%s", spi_memory_reply_field(kit_get("/"), "Etag"));
    snprintf(packed, sizeof packed, "%s", spi_memory_reply_field(get_with("/", "gzip"), "Etag"));
    assert_string_not_equal(plain, packed);
    assert_non_null(strstr(packed, "-gzip\""));
    const spi_field fields[] = { kit_field("Accept-Encoding", "gzip"),
        kit_field("If-None-Match", packed) };
    const spi_memory_reply *reply = kit_send(
        &(spi_memory_request){ .target = "/", .fields = fields, .field_count = 2 });
    assert_int_equal(reply->status, 304);
    kit_expect_field(reply, "Vary", "Accept-Encoding");
    kit_expect_field(reply, "Content-Encoding", NULL);
    kit_expect_field(reply, "Etag", packed);
    assert_int_equal(kit_get_with("/", "If-None-Match", packed)->status, 200);
    reply = get_with("/?name=Etag&value=%22mine%22", "gzip");
    kit_expect_field(reply, "Etag", "W/\"mine\"");
}

static void parts_can_be_read_as_they_come(void **state)
{
    (void)state;
    const spi_memory_reply *reply = get_with("/parts", "gzip");
    kit_expect_field(reply, "Content-Encoding", "gzip");
    kit_expect_field(reply, "Content-Length", NULL);
    expect_text(reply);
    reply = get_with("/empty", "gzip");
    char out[8];
    assert_int_equal(inflate_all(reply->body, out, sizeof out).len, 0);
    const spi_field field = kit_field("Accept-Encoding", "gzip");
    reply = kit_send(&(spi_memory_request){
        .method = "HEAD", .target = "/parts", .fields = &field, .field_count = 1 });
    assert_int_equal(reply->status, 200);
    assert_int_equal(reply->body.len, 0);
    assert_true(reply->finished);
    reply = get_with("/half", "gzip");
    assert_true(reply->reset);
}

static void a_declared_length_is_still_checked(void **state)
{
    (void)state;
    expect_text(get_with("/?name=Content-Length&value=5000", "gzip"));
    assert_int_equal(get_with("/?name=Content-Length&value=4999", "gzip")->status, 500);
}

static void large_ones_take_turns(void **state)
{
    (void)state;
    const spi_memory_reply *reply = get_with("/large", "gzip");
    char *out = spout_alloc(LEN * 1000 + 1);
    spout_bytes plain = inflate_all(reply->body, out, LEN * 1000 + 1);
    assert_int_equal(plain.len, LEN * 1000);
    assert_memory_equal(plain.data + LEN * 999, text, LEN);
    spout_free(out);
}

static void brotli(void **state)
{
    (void)state;
#if SPI_HAVE_BROTLI
    static const char *const targets[] = { "/", "/parts" };
    for (int i = 0; i < 2; i++) {
        const spi_memory_reply *reply = get_with(targets[i], "br");
        kit_expect_field(reply, "Content-Encoding", "br");
        uint8_t out[LEN + 1];
        size_t len = sizeof out;
        assert_int_equal(
            BrotliDecoderDecompress(reply->body.len, (const uint8_t *)reply->body.data, &len, out),
            BROTLI_DECODER_RESULT_SUCCESS);
        assert_int_equal(len, LEN);
        assert_memory_equal(out, text, LEN);
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_the_client_likes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_what_shrinks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vary_is_extended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_coding_has_its_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_can_be_read_as_they_come, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_declared_length_is_still_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_ones_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(brotli, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
