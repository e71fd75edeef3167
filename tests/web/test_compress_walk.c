/* Compressed replies where there is no memory for the encoder: they go as they are. */
#include "../http/memory_walk.h"

#include "kit.h"

#include <string.h>

enum { LEN = 5000 };

static const char *target, *encodings;

static int write_much(spout_request *r)
{
    for (int i = 0; i < LEN / 10; i++)
        if (spout_write(r, "ten bytes ") < 0)
            return -1;
    return 0;
}

static int write_parts(spout_request *r)
{
    return write_much(r) < 0 || spout_flush(r) < 0 ? -1 : write_much(r);
}

static const spout_route routes[] = {
    { "/", &(const spout_handler){ .get = write_much } },
    { "/parts", &(const spout_handler){ .get = write_parts } },
    { 0 },
};

static bool get(void)
{
    kit_start(routes, &(spout_application_options){ .compress_response = true });
    const spi_memory_reply *reply = kit_get_with(target, "Accept-Encoding", encodings);
    bool good = spi_memory_reply_field(reply, "Content-Encoding");
    assert_int_equal(reply->status, 200);
    assert_true(reply->finished);
    kit_expect_field(reply, "Vary", "Accept-Encoding");
    if (good) {
        assert_true(reply->body.len < 500);
    } else {
        bool in_parts = target[1];
        assert_int_equal(reply->body.len, in_parts ? 2 * LEN : LEN);
        assert_memory_equal(reply->body.data, "ten bytes ten bytes ", 20);
        kit_expect_field(reply, "Content-Length", in_parts ? NULL : "5000");
        assert_non_null(strstr(kit_log(), "no memory to compress a reply"));
        const char *etag = in_parts ? "W/" : spi_memory_reply_field(reply, "Etag");
        assert_ptr_equal(strstr(etag, "W/"), etag);
    }
    kit_stop();
    return good;
}

static int walk_over(const char *path, const char *accepted)
{
    int failed;
    target = path;
    encodings = accepted;
    int count = walk(get, &failed);
    assert_int_equal(failed, count);
    return count;
}

static void gzip(void **state)
{
    (void)state;
    assert_int_equal(walk_over("/", "gzip"), 5);
    assert_int_equal(walk_over("/parts", "gzip"), 5);
}

#if SPI_HAVE_BROTLI
static void brotli(void **state)
{
    (void)state;
    assert_int_equal(walk_over("/", "br"), 1);
    assert_int_equal(walk_over("/parts", "br"), 1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip),
#if SPI_HAVE_BROTLI
        cmocka_unit_test(brotli),
#endif
    };
    return cmocka_run_group_tests(tests, count_blocks, NULL);
}
