#include "http/framing.h"

#include "base/text.h"

#include <spout/error.h>

static int refuse(int status, const char *what)
{
    spout_error_set(SPOUT_EPROTO, "%s", what);
    return -status;
}

static inline bool is_named(const spi_field *field, const char *lower, size_t len)
{
    return spi_is_word(field->name, lower, len);
}

static int add_length(spi_framing *framing, uint64_t length)
{
    if (framing->has_length && length != framing->content_length)
        return refuse(400, "two different Content-Lengths");
    framing->has_length = true;
    framing->content_length = length;
    return 0;
}

/* Digits, or a list of the same digits, as a careless proxy may have joined them. (What is rare is
   not inlined, so that the rest needs no frame.) */
__attribute__((noinline)) static int add_content_length(
    spi_framing *framing, const spi_field *field)
{
    const char *at = field->value, *end = at + field->value_len;
    uint64_t length;
    if (spi_parse_uint(at, field->value_len, INT64_MAX, &length))
        return add_length(framing, length);
    spout_bytes element;
    while (spi_list_next(&at, end, &element)) {
        if (!spi_parse_uint(element.data, element.len, INT64_MAX, &length))
            return refuse(400, "the Content-Length is no number");
        int status = add_length(framing, length);
        if (status < 0)
            return status;
    }
    return 0;
}

__attribute__((noinline)) static int add_transfer_encoding(
    spi_framing *framing, const spi_field *field)
{
    const char *at = field->value, *end = at + field->value_len;
    spout_bytes coding;
    framing->has_encoding = true;
    while (spi_list_next(&at, end, &coding)) {
        if (!spi_is_token(coding.data, coding.len))
            return refuse(400, "the Transfer-Encoding is malformed");
        if (framing->is_chunked)
            return refuse(400, "a transfer coding behind chunked");
        if (spi_equal_nocase(coding.data, coding.len, "chunked", 7))
            framing->is_chunked = true;
        else
            framing->has_unknown = true;
    }
    return 0;
}

__attribute__((noinline)) static void add_options(spi_framing *framing, const spi_field *field)
{
    const char *at = field->value, *end = at + field->value_len;
    spout_bytes option;
    while (spi_list_next(&at, end, &option)) {
        if (spi_equal_nocase(option.data, option.len, "keep-alive", 10))
            framing->keep_alive = true;
        else if (spi_equal_nocase(option.data, option.len, "close", 5))
            framing->close = true;
        else if (spi_equal_nocase(option.data, option.len, "upgrade", 7))
            framing->lists_upgrade = true;
    }
}

static void add_connection(spi_framing *framing, const spi_field *field)
{
    if (field->value_len == 10 && spi_is_word(field->value, "keep-alive", 10))
        framing->keep_alive = true;
    else
        add_options(framing, field);
}

static int add_host(spi_framing *framing, const spi_field *field)
{
    if (framing->host)
        return refuse(400, "more than one Host");
    framing->host = field;
    return 0;
}

__attribute__((noinline)) static void add_expect(spi_framing *framing, const spi_field *field)
{
    if (spi_equal_nocase(field->value, field->value_len, "100-continue", 12))
        framing->expect_continue = true;
    else
        framing->expect_other = true;
}

int spi_framing_add_known(spi_framing *framing, const spi_field *field)
{
    switch (field->name_len) {
    case 0: return refuse(400, "a header line without a name");
    case 4: return is_named(field, "host", 4) ? add_host(framing, field) : 0;
    case 6:
        if (is_named(field, "expect", 6))
            add_expect(framing, field);
        return 0;
    case 7: framing->has_upgrade |= is_named(field, "upgrade", 7); return 0;
    case 8: framing->has_condition |= is_named(field, "if-match", 8); return 0;
    case 10:
        if (is_named(field, "connection", 10))
            add_connection(framing, field);
        return 0;
    case 13: framing->has_condition |= is_named(field, "if-none-match", 13); return 0;
    case 14: return is_named(field, "content-length", 14) ? add_content_length(framing, field) : 0;
    case 17:
        return is_named(field, "transfer-encoding", 17) ? add_transfer_encoding(framing, field) : 0;
    default: return 0;
    }
}

/* RFC 9112 §6.3. A request whose end can't be known is 400 even where the coding's name would be
   worth a 501. */
static int decide_body(const spi_framing *framing, spi_request_head *head)
{
    head->content_length = framing->content_length;
    if (!framing->has_encoding) {
        head->body_kind = framing->has_length ? SPI_BODY_LENGTH : SPI_BODY_NONE;
        return 0;
    }
    if (framing->has_length)
        return refuse(400, "both Transfer-Encoding and Content-Length");
    if (framing->minor_version == 0)
        return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (!framing->is_chunked)
        return refuse(400, "the last transfer coding isn't chunked");
    if (framing->has_unknown)
        return refuse(501, "a transfer coding other than chunked");
    head->body_kind = SPI_BODY_CHUNKED;
    return 0;
}

int spi_framing_finish(const spi_framing *framing, spi_request_head *head)
{
    int status = decide_body(framing, head);
    if (status < 0)
        return status;
    bool is_new = framing->minor_version > 0;
    if (framing->expect_other && is_new)
        return refuse(417, "an expectation other than 100-continue");
    bool has_body = head->body_kind == SPI_BODY_CHUNKED || head->content_length > 0;
    head->expect_continue = framing->expect_continue && is_new && has_body;
    head->keep_alive = !framing->close && (is_new || framing->keep_alive);
    head->upgrade = framing->lists_upgrade && framing->has_upgrade && is_new;
    head->has_condition = framing->has_condition;
    return 0;
}
