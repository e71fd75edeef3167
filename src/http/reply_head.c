#include "http/reply_head.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"

enum { HEAD_EXTRA = 160 }; /* status line, framing, Connection, blank line */

static bool is_named(const spi_field *field, const char *name, size_t len)
{
    return field->name_len == len && spi_equal_nocase(field->name, len, name, len);
}

bool spi_reply_owns_field(const spi_field *field)
{
    switch (field->name_len) {
    case 10: return is_named(field, "Connection", 10);
    case 14: return is_named(field, "Content-Length", 14);
    case 17: return is_named(field, "Transfer-Encoding", 17);
    default: return false;
    }
}

/* One pass over the fields: how long the head may get, and whether one of them ends the
   connection. */
static bool measure(const spi_reply_head *head, size_t *ret_bound)
{
    size_t bound = HEAD_EXTRA + (head->reason ? strlen(head->reason) : 0);
    bool close = head->close;
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        bound += (size_t)field->name_len + field->value_len + 4;
        if (field->name_len == 10 && is_named(field, "Connection", 10))
            close |= spi_field_lists(field, 1, "Connection", "close");
    }
    *ret_bound = bound;
    return close;
}

static spi_framing choose_framing(
    const spi_reply *reply, const spi_request_head *request, const spi_reply_head *head)
{
    if (head->status < 200 || head->status == 204)
        return SPI_FRAMING_NONE;
    if (head->content_length >= 0)
        return SPI_FRAMING_LENGTH;
    if (reply->bodiless)
        return SPI_FRAMING_NONE;
    return request->minor_version >= 1 ? SPI_FRAMING_CHUNKED : SPI_FRAMING_CLOSE;
}

void spi_reply_begin(
    spi_reply *reply, const spi_request_head *request, const spi_reply_head *head, bool close)
{
    *reply = (spi_reply){ 0 };
    reply->bodiless = request->method == SPI_METHOD_HEAD || head->status < 200 ||
                      head->status == 204 || head->status == 304;
    reply->framing = choose_framing(reply, request, head);
    if (reply->framing == SPI_FRAMING_LENGTH)
        reply->left = (uint64_t)head->content_length;
    reply->close = measure(head, &reply->bound) || close || reply->framing == SPI_FRAMING_CLOSE;
    reply->keep_alive = !reply->close && request->minor_version == 0;
}

size_t spi_reply_head_bound(const spi_reply_head *head)
{
    size_t bound;
    measure(head, &bound);
    return bound;
}

static inline char *put(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

#define PUT_LITERAL(out, literal) put(out, literal, sizeof(literal) - 1)

static char *put_status_line(char *out, const spi_reply_head *head)
{
    if (head->status == 200 && !head->reason)
        return PUT_LITERAL(out, "HTTP/1.1 200 OK\r\n");
    const char *reason = head->reason ? head->reason : spout_status_phrase(head->status);
    out = PUT_LITERAL(out, "HTTP/1.1 ");
    out += spi_format_uint(out, (uint64_t)head->status);
    *out++ = ' ';
    out = put(out, reason, strlen(reason));
    return PUT_LITERAL(out, "\r\n");
}

static char *put_fields(char *out, const spi_reply_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (spi_reply_owns_field(field))
            continue;
        out = put(out, field->name, field->name_len);
        out = PUT_LITERAL(out, ": ");
        out = put(out, field->value, field->value_len);
        out = PUT_LITERAL(out, "\r\n");
    }
    return out;
}

size_t spi_reply_head_format(const spi_reply *reply, const spi_reply_head *head, char *out)
{
    char *at = put_fields(put_status_line(out, head), head);
    if (reply->framing == SPI_FRAMING_LENGTH) {
        at = PUT_LITERAL(at, "Content-Length: ");
        at += spi_format_uint(at, (uint64_t)head->content_length);
        at = PUT_LITERAL(at, "\r\n");
    } else if (reply->framing == SPI_FRAMING_CHUNKED) {
        at = PUT_LITERAL(at, "Transfer-Encoding: chunked\r\n");
    }
    if (reply->close)
        at = PUT_LITERAL(at, "Connection: close\r\n");
    else if (reply->keep_alive)
        at = PUT_LITERAL(at, "Connection: Keep-Alive\r\n");
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

size_t spi_upgrade_head_format(const spi_reply_head *head, char *out)
{
    char *at = put_fields(put_status_line(out, head), head);
    at = PUT_LITERAL(at, "Connection: Upgrade\r\n\r\n");
    return (size_t)(at - out);
}

int spi_reply_take(spi_reply *reply, uint64_t len)
{
    if (reply->bodiless || reply->framing != SPI_FRAMING_LENGTH)
        return 0;
    if (len > reply->left) {
        reply->broken = true;
        return spout_error_set(SPOUT_EPROTO, "more body than Content-Length announced");
    }
    reply->left -= len;
    return 0;
}

int spi_reply_end(const spi_reply *reply)
{
    if (reply->broken)
        return spout_error_set(SPOUT_EPROTO, "the body differs from what Content-Length announced");
    if (!reply->bodiless && reply->left > 0)
        return spout_error_set(SPOUT_EPROTO, "%llu bytes less body than Content-Length announced",
            (unsigned long long)reply->left);
    return 0;
}
