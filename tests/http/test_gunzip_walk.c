/* Bodies in gzip where there is no memory to inflate them: 503 and a line in the log. */
#include "memory_walk.h"

#include "kit.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { PLAIN = 200 * 1000, PACKED = 64 * 1024 };

static char packed[PACKED];
static size_t packed_len;
static const char *target;

static int pack_body(void **state)
{
    static unsigned char plain[PLAIN];
    unsigned seed = 1;
    for (size_t i = 0; i < PLAIN; i++) {
        seed = seed * 1103515245u + 12345u;
        plain[i] = (unsigned char)('a' + (seed >> 16 & 1));
    }
    z_stream stream = { .next_in = plain,
        .avail_in = PLAIN,
        .next_out = (unsigned char *)packed,
        .avail_out = PACKED };
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        return -1;
    packed_len = PACKED - stream.avail_out;
    deflateEnd(&stream);
    return count_blocks(state);
}

static bool is_refusal(test_kit *kit, const char *reply)
{
    assert_ptr_equal(strstr(reply, "HTTP/1.1 503 "), reply);
    /* A body that is read in pieces is the reader's to fail with. */
    const char *words = kit->service.last_error;
    if (*words)
        assert_string_equal(words, "no memory to inflate the body");
    else
        assert_non_null(strstr(spi_buffer_text(&kit->log),
            "refused (503): the body's gzip can't be taken off: cannot allocate memory"));
    return true;
}

static bool post(void)
{
    test_kit kit;
    kit_start(&kit);
    kit.options.decompress_request = true;
    kit.options.chunk_size = 5000;
    kit_peer *peer = kit_connect(&kit, 0);
    char head[200];
    snprintf(head, sizeof head,
        "POST %s HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
        target, packed_len);
    kit_send(&kit, peer, spout_bytes_of(head));
    kit_send(&kit, peer, (spout_bytes){ packed, packed_len });
    kit_pump(&kit);
    const char *reply = kit_take(&kit, peer);
    const char *body = strstr(reply, "\r\n\r\n");
    bool good = strstr(reply, "HTTP/1.1 200 ") == reply;
    assert_non_null(body);
    assert_true(good ? strlen(body + 4) == PLAIN || strcmp(body + 4, "200000 bytes") == 0
                     : is_refusal(&kit, reply));
    kit_stop(&kit);
    return good;
}

static void whole_bodies(void **state)
{
    (void)state;
    int failed;
    target = "/echo";
    int count = walk(post, &failed);
    assert_int_equal(count, 2); /* zlib's state and its window */
    assert_int_equal(failed, count);
}

static void streamed_bodies(void **state)
{
    (void)state;
    int failed;
    target = "/stream-count";
    int count = walk(post, &failed);
    assert_int_equal(count, 2);
    assert_int_equal(failed, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_bodies),
        cmocka_unit_test(streamed_bodies),
    };
    return cmocka_run_group_tests(tests, pack_body, NULL);
}
