/* Heads of responses, as a client reads them. However the bytes are cut, the same must come out. */
#include "fuzz.h"

#include "http/response_head.h"

#include <spout/error.h>

static const spi_head_limits limits = { .max_line = 200, .max_head = 1000, .max_fields = 20 };

static void check_head(const spi_response_head *head)
{
    MUST(head->status >= 100 && head->status <= 599);
    MUST(head->minor_version == 0 || head->minor_version == 1);
    MUST(!strpbrk(head->reason, "\r\n"));
    MUST(head->content_length <= INT64_MAX);
    MUST(head->body_kind != SPI_RESPONSE_CHUNKED || head->minor_version == 1);
    MUST(head->status >= 200 || head->body_kind == SPI_RESPONSE_NO_BODY);
    MUST(!head->keep_alive || head->body_kind != SPI_RESPONSE_UNTIL_CLOSE);
    MUST(head->field_count <= limits.max_fields);
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        MUST(strlen(field->name) == field->name_len && strlen(field->value) == field->value_len);
        MUST(spi_is_token(field->name, field->name_len));
        MUST(spi_is_field_value(field->value, field->value_len));
    }
}

static void note_head(digest *d, const spi_response_head *head)
{
    digest_event(d, head->status);
    digest_event(d, head->minor_version | head->keep_alive << 1);
    digest_event(d, head->body_kind);
    digest_event(d, (int64_t)head->content_length);
    digest_text(d, head->reason, strlen(head->reason));
    for (size_t i = 0; i < head->field_count; i++) {
        digest_text(d, head->fields[i].name, head->fields[i].name_len);
        digest_text(d, head->fields[i].value, head->fields[i].value_len);
    }
}

static void parse(const char *data, size_t len, digest *d)
{
    spi_response_head head;
    spi_arena *arena = spi_arena_new(0);
    char *text = spi_arena_memdup(arena, data, len);
    int result = spi_response_head_parse(arena, text, len, &limits, &head);
    MUST(result == 0 || result == SPOUT_EPROTO || result == SPOUT_ELIMIT);
    digest_event(d, result);
    if (result == 0) {
        check_head(&head);
        note_head(d, &head);
    }
    spi_arena_free(arena);
}

static digest run(const char *data, size_t size, uint32_t seed)
{
    digest d = { 0 };
    spi_head_scanner scanner = { .scanned = 0 };
    long found = 0;
    for (size_t have = 0; have < size && found == 0;) {
        have += next_piece(&seed, size - have);
        found = spi_response_head_scan(&scanner, data, have, &limits);
        MUST(found <= (long)have);
        MUST(found >= 0 || found == SPOUT_EPROTO || found == SPOUT_ELIMIT);
    }
    digest_event(&d, found);
    if (found > 0)
        parse(data, (size_t)found, &d);
    return d;
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
