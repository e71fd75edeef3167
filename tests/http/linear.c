/* Takes apart one hostile text of a given size, for test_linear.py to count the instructions:
   linear CASE SIZE; with another argument it only makes the text. Fails if the memory for it is out
   of proportion. */
#include <spout/error.h>
#include <spout/escape.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "http/body.h"
#include "http/multipart.h"

enum { MEMORY_FACTOR = 80, MEMORY_START = 64 * 1024 };

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "linear: %s: %s\n", what, spout_error_message());
    exit(1);
}

/* `front`, then `piece` until there are `size` bytes, then `back`. */
static spout_bytes repeat(const char *front, const char *piece, size_t size, const char *back)
{
    spi_buffer text;
    spi_buffer_init(&text, SIZE_MAX / 4);
    size_t piece_len = strlen(piece);
    bool good = spi_buffer_append_text(&text, front) == 0;
    for (size_t len = 0; len + piece_len <= size; len += piece_len)
        good = good && spi_buffer_append(&text, piece, piece_len) == 0;
    must(good && spi_buffer_append_text(&text, back) == 0, "text");
    return (spout_bytes){ spi_buffer_text(&text), spi_buffer_len(&text) };
}

static spout_bytes lines_of(const char *line, size_t size)
{
    return repeat("GET / HTTP/1.1\r\nHost: a\r\n", line, size, "\r\n");
}

static void take_head(spout_bytes text)
{
    const spi_head_limits limits = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
    spi_arena *arena = spi_arena_new(0);
    spi_head_scanner scanner = { 0 };
    spi_request_head head;
    size_t at = 0;
    long found = 0;
    for (; found == 0 && at < text.len; at += 512) /* as it might come in */
        found = spi_head_scan(&scanner, text.data, at < text.len ? at : text.len, &limits);
    found = found ? found : spi_head_scan(&scanner, text.data, text.len, &limits);
    must(found == (long)text.len, "head");
    char *copy = spi_arena_memdup(arena, text.data, text.len);
    must(spi_request_head_parse(arena, copy, text.len, &limits, &head) == 0, "head");
    must(spi_field_lists(head.fields, head.field_count, "X", "nothing") == false, "list");
    spi_arena_free(arena);
}

static void take_cookies(spout_bytes text)
{
    spout_pair *pairs;
    must(spout_parse_cookies(text.data, &pairs) >= 0, "cookies");
}

static void take_query(spout_bytes text)
{
    spout_pair *pairs;
    must(spout_parse_query(text, SIZE_MAX - 1, &pairs) > 0, "query");
}

static void take_form(spout_bytes text)
{
    const spout_multipart_options options = { .max_parts = SIZE_MAX / 4 };
    spout_multipart form;
    (void)spout_parse_multipart("multipart/form-data; boundary=b", text, &options, &form);
}

/* The same as it streams. */
static void take_form_in_pieces(spout_bytes text)
{
    const spout_multipart_options options = { .max_parts = SIZE_MAX / 4 };
    spi_multipart multipart;
    must(spi_multipart_init(&multipart, "multipart/form-data; boundary=b", &options) == 0, "type");
    spi_multipart_event event = SPI_MULTIPART_MORE;
    for (size_t at = 0, used; at < text.len && event < SPI_MULTIPART_END; at += used) {
        size_t len = text.len - at < 100 ? text.len - at : 100;
        spout_bytes data;
        event = spi_multipart_feed(&multipart, text.data + at, len, &used, &data);
    }
    spi_multipart_finish(&multipart);
}

static void take_chunks(spout_bytes text)
{
    spi_body_decoder decoder;
    spi_body_decoder_init(&decoder, SPI_BODY_CHUNKED, 0, UINT64_MAX);
    spi_body_result result = SPI_BODY_MORE;
    for (size_t at = 0, used = 0; result != SPI_BODY_END; at += used) {
        int status;
        spout_bytes piece;
        result = spi_body_decode(&decoder, text.data + at, text.len - at, &used, &piece, &status);
        must(result == SPI_BODY_DATA || result == SPI_BODY_END, "chunks");
    }
}

static void take_preferences(spout_bytes text)
{
    must(spout_accept_quality(text.data, "text/html") >= 0, "accept");
}

static void take_forwarded(spout_bytes text)
{
    spout_forwarded *hops;
    must(spout_parse_forwarded(text.data, &hops) > 0, "forwarded");
}

static void take_x_forwarded(spout_bytes text)
{
    const char *const all[] = { "0.0.0.0/0", NULL };
    must(spout_client_ip("127.0.0.1", text.data, all) != NULL, "client");
}

static void take_links(spout_bytes text)
{
    must(spout_linkify(text.data, &(spout_linkify_options){ .shorten = true }) != NULL, "linkify");
}

static void take_references(spout_bytes text)
{
    must(spout_xhtml_unescape(text.data) != NULL, "unescape");
}

static void take_ranges(spout_bytes text)
{
    spout_range ranges[16];
    (void)spout_parse_range(text.data, 1000, ranges, 16);
}

#define PART_HEAD "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
#define PART PART_HEAD "x\r\n"

static const struct {
    const char *name;
    void (*take)(spout_bytes text);
    const char *front, *piece, *back;
} cases[] = {
    { "fields", take_head, NULL, "X: y\r\n", NULL },
    { "values", take_head, NULL, "X: a, b;c=\"d\", e\r\n", NULL },
    { "cookie-quotes", take_cookies, "a=\"", "\\\"\\\\", "\"" },
    { "cookie-octals", take_cookies, "a=\"", "\\012", "\"" },
    { "cookie-open-quotes", take_cookies, "", "\"=\"\\", "" },
    { "cookies", take_cookies, "", "a=\"b\";", "" },
    { "query", take_query, "", "a=%41&", "" },
    { "query-names", take_query, "", "&a", "" },
    { "boundaries", take_form, "", "--b\r\n", "--b--\r\n" },
    { "boundary-beginnings", take_form, "", "\r\n--", "--b--\r\n" },
    { "parts", take_form, "", PART, "--b--\r\n" },
    { "boundaries-in-pieces", take_form_in_pieces, "", "--b\r\n", "--b--\r\n" },
    { "beginnings-in-pieces", take_form_in_pieces, PART_HEAD, "\r\n--", "\r\n--b--\r\n" },
    { "padding-in-pieces", take_form_in_pieces, PART_HEAD, "\r\n--b   x", "\r\n--b--\r\n" },
    { "parts-in-pieces", take_form_in_pieces, "", PART, "--b--\r\n" },
    { "part-parameters", take_form, "--b\r\nContent-Disposition: form-data; name=a", ";b=\"\\\"\"",
        "\r\n\r\n\r\n--b--\r\n" },
    { "chunks", take_chunks, "", "1;a=\"b\"\r\nx\r\n", "0\r\n\r\n" },
    { "preferences", take_preferences, "", "text/*;q=0.5,", "*/*" },
    { "preference-quotes", take_preferences, "a/b;c=", "\"\\\"\",", "" },
    { "forwarded", take_forwarded, "for=a", ",for=\"_b\"", "" },
    { "x-forwarded-for", take_x_forwarded, "1.2.3.4", ", 10.0.0.1", "" },
    { "links", take_links, "", "www.a(http://b", "" },
    { "link-parentheses", take_links, "http://a", "(b)", "" },
    { "link-marks", take_links, "", "www.!&", "" },
    { "references", take_references, "", "&amp&#x26;&", "" },
    { "ranges", take_ranges, "bytes=", "0-0,", "" },
};

int main(int argc, char **argv)
{
    size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc == 1)
            puts(cases[i].name);
        if (argc < 3 || strcmp(cases[i].name, argv[1]) != 0)
            continue;
        spout_bytes text = cases[i].front
                               ? repeat(cases[i].front, cases[i].piece, size, cases[i].back)
                               : lines_of(cases[i].piece, size);
        size_t before = spi_arena_total_bytes();
        if (argc == 3)
            cases[i].take(text);
        must(spi_arena_total_bytes() - before <= MEMORY_FACTOR * text.len + MEMORY_START,
            "too much memory");
        return 0;
    }
    return argc == 1 ? 0 : 1;
}
