#include "http/response_head.h"

#include "base/text.h"
#include "http/framing.h"

#include <spout/error.h>

enum { VERSION_LEN = 8, STATUS_AT = VERSION_LEN + 1, REASON_AT = STATUS_AT + 4 };

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "%s", what);
}

/* The scanner speaks in statuses, which are a server's. */
static int code_of(long status)
{
    int code = status == -400 ? SPOUT_EPROTO : SPOUT_ELIMIT;
    return spout_error_set(code, "%s", spout_error_message());
}

long spi_response_head_scan(
    spi_head_scanner *scanner, const char *data, size_t len, const spi_head_limits *limits)
{
    scanner->is_response = true;
    long found = spi_head_scan(scanner, data, len, limits);
    return found < 0 ? code_of(found) : found;
}

static int parse_version(const char *line, spi_response_head *head)
{
    if (memcmp(line, "HTTP/", 5) != 0 || !spi_is_digit(line[5]) || line[6] != '.' ||
        !spi_is_digit(line[7]) || line[VERSION_LEN] != ' ')
        return refuse("the status line doesn't begin with HTTP/digit.digit");
    if (line[5] != '1')
        return refuse("the response is in another version than HTTP/1");
    head->minor_version = line[7] != '0';
    return 0;
}

static int parse_status_line(char *line, size_t len, spi_response_head *head)
{
    uint64_t status = 0;
    if (len < STATUS_AT + 3)
        return refuse("the status line is too short");
    int result = parse_version(line, head);
    if (result < 0)
        return result;
    if (!spi_parse_uint(line + STATUS_AT, 3, 599, &status) || status < 100)
        return refuse("the status isn't a number from 100 to 599");
    if (len >= REASON_AT && line[REASON_AT - 1] != ' ')
        return refuse("the status has more than three digits");
    line[len] = '\0';
    head->status = (int)status;
    head->reason = len >= REASON_AT ? line + REASON_AT : "";
    return 0;
}

/* The fields are in line[0..end), and end[0] begins the blank line. */
static int parse_fields(spi_arena *arena, char *line, const char *end,
    const spi_head_limits *limits, spi_framing *framing, spi_response_head *head)
{
    size_t count = spi_field_lines(line, end);
    if (count > limits->max_fields)
        return spout_error_set(
            SPOUT_ELIMIT, "the response has more than %zu header lines", limits->max_fields);
    spi_field *field = spi_arena_alloc(arena, (count ? count : 1) * sizeof *field);
    head->field_count = count;
    head->fields = field;
    for (; line < end; field++) {
        char *line_end = memchr(line, '\r', (size_t)(end - line));
        if (spi_field_parse(line, line_end, field) < 0)
            return SPOUT_EPROTO;
        /* A Host means nothing here. */
        if (field->name_len != 4 && spi_framing_add(framing, field) < 0)
            return SPOUT_EPROTO;
        line = line_end + 2;
    }
    return 0;
}

/* RFC 9112 §6.3. */
static int decide_body(const spi_framing *framing, spi_response_head *head)
{
    bool has_none = head->status < 200 || head->status == 204 || head->status == 304;
    if (framing->has_encoding && framing->has_length)
        return refuse("both Transfer-Encoding and Content-Length");
    if (framing->has_encoding && head->minor_version == 0)
        return refuse("Transfer-Encoding in HTTP/1.0");
    if (framing->has_encoding && (!framing->is_chunked || framing->has_unknown))
        return refuse("a transfer coding other than chunked");
    head->content_length = framing->content_length;
    head->body_kind = has_none              ? SPI_RESPONSE_NO_BODY
                      : framing->is_chunked ? SPI_RESPONSE_CHUNKED
                      : framing->has_length ? SPI_RESPONSE_LENGTH
                                            : SPI_RESPONSE_UNTIL_CLOSE;
    head->keep_alive = !framing->close && head->body_kind != SPI_RESPONSE_UNTIL_CLOSE &&
                       (head->minor_version > 0 || framing->keep_alive);
    return 0;
}

int spi_response_head_parse(spi_arena *arena, char *text, size_t len, const spi_head_limits *limits,
    spi_response_head *ret_head)
{
    spi_head_scanner scanner = { .scanned = 0 };
    spi_response_head head = { .status = 0 };
    if (len > UINT32_MAX)
        return spout_error_set(SPOUT_ELIMIT, "the header is too large");
    long end = spi_response_head_scan(&scanner, text, len, limits);
    if (end < 0)
        return (int)end;
    if (end == 0 || (size_t)end != len)
        return refuse("not one complete head");
    int result = parse_status_line(text, scanner.line_end, &head);
    if (result < 0)
        return result;
    spi_framing framing = { .minor_version = head.minor_version };
    result = parse_fields(
        arena, text + scanner.line_end + 2, text + len - 2, limits, &framing, &head);
    if (result == 0)
        result = decide_body(&framing, &head);
    if (result == 0)
        *ret_head = head;
    return result;
}
