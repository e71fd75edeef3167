#include "tunnel.h"

#include "http/websocket_deflate.h"

static const spi_deflate_setting usual = { 6, 8, 15 };
static spi_buffer packed, unpacked;

static int make_buffers(void **state)
{
    spi_buffer_init(&packed, 64 << 20);
    spi_buffer_init(&unpacked, 64 << 20);
    return set_up(state);
}

static int free_buffers(void **state)
{
    spi_buffer_release(&packed);
    spi_buffer_release(&unpacked);
    return tear_down(state);
}

/* A message with some sense in it, of any length. */
static char *text_of(size_t len)
{
    char *text = spi_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i * i / 7 % 11);
    text[len] = '\0';
    return text;
}

static void go_round(
    spi_deflater *deflater, spi_inflater *inflater, spout_bytes message, size_t cut)
{
    spi_buffer_clear(&packed);
    spi_buffer_clear(&unpacked);
    assert_int_equal(spi_deflater_run(deflater, message, &packed), 0);
    const char *head = spi_buffer_head(&packed);
    size_t len = spi_buffer_len(&packed);
    for (size_t at = 0; at < len; at += cut) {
        spout_bytes piece = { head + at, len - at < cut ? len - at : cut };
        assert_int_equal(spi_inflater_feed(inflater, piece, &unpacked), 0);
    }
    assert_int_equal(spi_inflater_end(inflater, &unpacked), 0);
    assert_int_equal(spi_buffer_len(&unpacked), message.len);
    assert_memory_equal(spi_buffer_head(&unpacked), message.data, message.len);
}

static void goes_round_in_any_setting(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 2, 63, 511, 512, 513, 4096, 65535, 65536, 300000 };
    for (uint8_t bits = 9; bits <= 15; bits++) {
        spi_deflater *deflater = spi_deflater_new(
            (spi_deflate_setting){ (uint8_t)(bits - 6), (uint8_t)(bits - 6), bits });
        spi_inflater *inflater = spi_inflater_new();
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            char *text = text_of(lengths[i]);
            go_round(deflater, inflater, (spout_bytes){ text, lengths[i] }, SIZE_MAX / 2);
            go_round(deflater, inflater, (spout_bytes){ text, lengths[i] }, 1 + i * 97);
            spi_free(text);
        }
        spi_deflater_free(deflater);
        spi_inflater_free(inflater);
    }
}

static void takes_the_context_over_or_forgets_it(void **state)
{
    (void)state;
    const spout_bytes hello = spout_bytes_of("Hello Hello, this is a message of some length");
    spi_deflater *deflater = spi_deflater_new(usual);
    spi_inflater *inflater = spi_inflater_new();
    go_round(deflater, inflater, hello, 3);
    size_t first = spi_buffer_len(&packed);
    go_round(deflater, inflater, hello, 3);
    assert_true(spi_buffer_len(&packed) < first / 2);
    spi_deflater_forget(deflater);
    go_round(deflater, inflater, hello, 3);
    assert_int_equal(spi_buffer_len(&packed), first);
    go_round(deflater, inflater, hello, 3);
    assert_true(spi_buffer_len(&packed) < first / 2);
    spi_deflater_free(deflater);
    spi_inflater_free(inflater);
}

static void refuses_empty_messages_and_bad_settings(void **state)
{
    (void)state;
    spi_deflater *deflater = spi_deflater_shared(loop, usual);
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ "", 0 }, &packed), SPOUT_EINVAL);
    assert_null(spi_deflater_new((spi_deflate_setting){ 6, 8, 8 }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    spi_deflater_free(NULL);
    spi_inflater_free(NULL);
}

static void forgets_after_a_failure(void **state)
{
    (void)state;
    spi_buffer tiny;
    spi_buffer_init(&tiny, 16);
    char *text = text_of(3000);
    spi_deflater *deflater = spi_deflater_new(usual);
    spi_inflater *inflater = spi_inflater_new();
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ text, 3000 }, &tiny), SPOUT_ELIMIT);
    go_round(deflater, inflater, (spout_bytes){ text, 3000 }, 100);
    spi_deflater_free(deflater);
    spi_inflater_free(inflater);
    spi_buffer_release(&tiny);
    spi_free(text);
}

static int inflate_bytes(spi_inflater *inflater, const char *data, size_t len)
{
    int result = spi_inflater_feed(inflater, (spout_bytes){ data, len }, &unpacked);
    return result < 0 ? result : spi_inflater_end(inflater, &unpacked);
}

/* The payloads of RFC 7692 §7.2.3. */
static void reads_the_examples(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
    } examples[] = {
        { "\xf2\x48\xcd\xc9\xc9\x07\x00", 7 },
        { "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11 },         /* no compression */
        { "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8 },                      /* a final block */
        { "\xf3\x48\xcd\xc9\xc9\x07\x00", 7 },                          /* and nothing behind it */
        { "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13 }, /* two blocks */
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        spi_inflater *inflater = spi_inflater_new();
        for (int round = 0; round < 2; round++) {
            spi_buffer_clear(&unpacked);
            assert_int_equal(inflate_bytes(inflater, examples[i].data, examples[i].len), 0);
            assert_string_equal(spi_buffer_text(&unpacked), "Hello");
        }
        /* The window outlives final blocks: a reference to five bytes before. */
        spi_buffer_clear(&unpacked);
        assert_int_equal(inflate_bytes(inflater, "\xf2\x00\x11\x00\x00", 5), 0);
        assert_string_equal(spi_buffer_text(&unpacked), "Hello");
        spi_inflater_free(inflater);
    }
}

static void refuses_what_is_not_deflate(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        { "\xff", 1 },                       /* no type of block */
        { "\x00\x05\x00\x00\x00Hello", 10 }, /* a length and its complement differ */
        { "\xf2\x48\xcd\xc9", 4 },           /* cut */
        { "\x00\x05\x00\xfa\xff\x48", 6 },   /* cut in a stored block */
        { "\xf2\x00\x11\x00\x00", 5 },       /* a distance beyond the start */
        { "", 0 },                           /* not even the header of a block */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spi_inflater *inflater = spi_inflater_take(loop);
        assert_int_equal(inflate_bytes(inflater, bad[i].data, bad[i].len), SPOUT_EPROTO);
        spi_inflater_give(loop, inflater); /* as good as new */
    }
    spi_inflater *inflater = spi_inflater_take(loop);
    spi_buffer_clear(&unpacked);
    assert_int_equal(inflate_bytes(inflater, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7), 0);
    assert_string_equal(spi_buffer_text(&unpacked), "Hello");
    spi_inflater_give(loop, inflater);
}

static void stops_at_the_limit(void **state)
{
    (void)state;
    enum { HUGE_LEN = 4 << 20 };
    char *zeros = spi_calloc(HUGE_LEN);
    spi_deflater *deflater = spi_deflater_shared(loop, usual);
    assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ zeros, HUGE_LEN }, &packed), 0);
    static const size_t limits[] = { 0, 1, 1000, 65536, HUGE_LEN - 1, HUGE_LEN };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        spi_buffer out;
        spi_buffer_init(&out, limits[i]);
        spi_inflater *inflater = spi_inflater_take(loop);
        int result = spi_inflater_feed(
            inflater, (spout_bytes){ spi_buffer_head(&packed), spi_buffer_len(&packed) }, &out);
        assert_int_equal(result, limits[i] < HUGE_LEN ? SPOUT_ELIMIT : 0);
        assert_true(spi_buffer_len(&out) <= limits[i]);
        if (result == 0)
            assert_int_equal(spi_inflater_end(inflater, &out), 0);
        spi_inflater_give(loop, inflater);
        spi_buffer_release(&out);
    }
    spi_free(zeros);
}

static void shares_by_setting(void **state)
{
    (void)state;
    spi_deflater *first = spi_deflater_shared(loop, usual);
    assert_ptr_equal(spi_deflater_shared(loop, usual), first);
    assert_ptr_not_equal(spi_deflater_shared(loop, (spi_deflate_setting){ 6, 8, 14 }), first);
    assert_ptr_not_equal(spi_deflater_shared(loop, (spi_deflate_setting){ 5, 8, 15 }), first);
    spi_inflater *one = spi_inflater_take(loop), *two = spi_inflater_take(loop);
    assert_ptr_not_equal(one, two);
    spi_inflater_give(loop, one);
    spi_inflater_give(loop, two); /* one is enough */
    spi_inflater_give(loop, NULL);
    assert_ptr_equal(spi_inflater_take(loop), one);
    spi_inflater_give(loop, one);
}

int main(void)
{
#define with_loop(name) cmocka_unit_test_setup_teardown(name, make_buffers, free_buffers)
    const struct CMUnitTest tests[] = {
        with_loop(goes_round_in_any_setting),
        with_loop(takes_the_context_over_or_forgets_it),
        with_loop(refuses_empty_messages_and_bad_settings),
        with_loop(forgets_after_a_failure),
        with_loop(reads_the_examples),
        with_loop(refuses_what_is_not_deflate),
        with_loop(stops_at_the_limit),
        with_loop(shares_by_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
