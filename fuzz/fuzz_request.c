/* Requests as a connection reads them: scan, copy, parse, decode the body, go on with what follows.
   However the bytes are cut, the same must come out. */
#include "fuzz.h"

#include "http/body.h"
#include "http/head_try.h"

enum { MAX_BODY = 100000 };

static const spi_head_limits limits = { .max_line = 800, .max_head = 1000, .max_fields = 20 };

typedef struct connection {
    const char *data;
    size_t start, have; /* the unread bytes are data[start..have) */
    bool in_body, is_dead;
    spi_head_scanner scanner;
    spi_body_decoder decoder;
    digest digest;
} connection;

static void fail(connection *c, int status)
{
    digest_event(&c->digest, -status);
    c->is_dead = true;
}

static void check_fields(const spi_request_head *head)
{
    MUST(head->field_count <= limits.max_fields);
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        MUST(strlen(field->name) == field->name_len && strlen(field->value) == field->value_len);
        MUST(spi_is_token(field->name, field->name_len));
        MUST(spi_is_field_value(field->value, field->value_len));
    }
}

static void check_head(const spi_request_head *head)
{
    MUST(spi_is_token(head->method_text, strlen(head->method_text)));
    MUST(strlen(head->target.data) == head->target.len && head->target.len > 0);
    MUST(!strpbrk(head->target.data, " \t\r\n#"));
    MUST(head->path[0] == '/' || strcmp(head->path, "*") == 0 ||
         (head->path[0] == '\0' && head->method == SPI_METHOD_CONNECT));
    MUST(!strchr(head->path, '?'));
    MUST(!strpbrk(head->host, ",@/?\\ ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    MUST(head->minor_version == 0 || head->minor_version == 1);
    MUST(head->content_length <= INT64_MAX);
    MUST(head->body_kind != SPI_BODY_CHUNKED || head->minor_version == 1);
    check_fields(head);
}

static void note_head(digest *d, const spi_request_head *head)
{
    digest_text(d, head->method_text, strlen(head->method_text));
    digest_text(d, head->target.data, head->target.len);
    digest_text(d, head->path, strlen(head->path));
    digest_text(d, head->query, strlen(head->query));
    digest_text(d, head->host, strlen(head->host));
    for (size_t i = 0; i < head->field_count; i++) {
        digest_text(d, head->fields[i].name, head->fields[i].name_len);
        digest_text(d, head->fields[i].value, head->fields[i].value_len);
    }
    digest_event(d, head->method);
    digest_event(d, head->body_kind);
    digest_event(d, (int64_t)head->content_length);
    digest_event(d, head->minor_version | head->keep_alive << 1 | head->expect_continue << 2 |
                        head->upgrade << 3 | head->has_condition << 4);
}

static long try_quickly(spi_head_try *variant, const char *data, size_t len, long expected,
    const spi_request_head *head)
{
    spi_request_head quick;
    spi_arena *arena = spi_arena_new(0);
    long quick_len = variant(arena, data, len, &limits, &quick);
    if (quick_len != 0) {
        digest one = { 0 }, other = { 0 };
        MUST(quick_len == expected);
        check_head(&quick);
        note_head(&one, head);
        note_head(&other, &quick);
        MUST(one.hash == other.hash && one.events == other.events);
    }
    spi_arena_free(arena);
    return quick_len;
}

/* The quick ways must come to the same as the long one whenever they come to anything, and all of
   them to the same. */
static void check_try(const char *data, size_t len, long expected, const spi_request_head *head)
{
    spi_head_try *avx2 = spi_head_try_for_avx2();
    long quick_len = try_quickly(spi_head_try_base, data, len, expected, head);
    MUST(!avx2 || try_quickly(avx2, data, len, expected, head) == quick_len);
}

/* False if more bytes are needed, or nothing more is to be had. */
static bool read_head(connection *c)
{
    spi_request_head head;
    long len = spi_head_scan(&c->scanner, c->data + c->start, c->have - c->start, &limits);
    if (len <= 0)
        check_try(c->data + c->start, c->have - c->start, -1, NULL);
    if (len == 0)
        return false;
    if (len < 0) {
        MUST(len == -400 || len == -414 || len == -431);
        fail(c, (int)-len);
        return false;
    }
    spi_arena *arena = spi_arena_new(0);
    char *text = spi_arena_memdup(arena, c->data + c->start, (size_t)len);
    int status = spi_request_head_parse(arena, text, (size_t)len, &limits, &head);
    check_try(c->data + c->start, c->have - c->start, status == 0 ? len : -1, &head);
    if (status == 0) {
        check_head(&head);
        note_head(&c->digest, &head);
        c->start += (size_t)len;
        c->in_body = true;
        spi_body_decoder_init(&c->decoder, head.body_kind, head.content_length, MAX_BODY);
    } else {
        MUST(
            status == -400 || status == -417 || status == -431 || status == -501 || status == -505);
        fail(c, -status);
    }
    spi_arena_free(arena);
    return status == 0;
}

static bool read_body(connection *c)
{
    size_t used;
    spout_bytes data;
    int status = 0;
    size_t left = c->have - c->start;
    spi_body_result result = spi_body_decode(
        &c->decoder, c->data + c->start, left, &used, &data, &status);
    MUST(used <= left);
    c->start += used;
    if (result == SPI_BODY_DATA) {
        MUST(data.len > 0 && data.data + data.len <= c->data + c->start);
        digest_add(&c->digest, data.data, data.len);
    } else if (result == SPI_BODY_END) {
        digest_event(&c->digest, 1);
        c->in_body = false;
        c->scanner = (spi_head_scanner){ .scanned = 0 };
    } else if (result == SPI_BODY_BAD) {
        MUST(status == 400 || status == 413);
        fail(c, status);
    } else {
        MUST(used == left);
    }
    return result == SPI_BODY_DATA || result == SPI_BODY_END;
}

static digest run(const char *data, size_t size, uint32_t seed)
{
    connection c = { .data = data };
    while (c.have < size && !c.is_dead) {
        c.have += next_piece(&seed, size - c.have);
        while (!c.is_dead && (c.in_body ? read_body(&c) : read_head(&c)))
            continue;
    }
    return c.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    digest whole = run((const char *)data, size, 0);
    for (uint32_t seed = 1; seed < 4; seed++) {
        digest cut = run((const char *)data, size, seed == 1 ? 1 : seed * 7919 + (uint32_t)size);
        MUST(cut.hash == whole.hash && cut.events == whole.events);
    }
    return 0;
}
