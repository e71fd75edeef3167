#include "http/reply_head.h"

#include <spout/error.h>
#include <spout/httputil.h>

#include "base/text.h"

enum { HEAD_EXTRA = 160 }; /* status line, framing, Connection, blank line */

static bool is_named(const spi_field *field, const char *name, size_t len)
{
    return field->name_len == len && spi_equal_nocase(field->name, len, name, len);
}

__attribute__((noinline)) static bool is_really_ours(const spi_field *field)
{
    return is_named(field, "Connection", 10) || is_named(field, "Content-Length", 14) ||
           is_named(field, "Transfer-Encoding", 17);
}

/* Mostly the length says that it isn't. */
static inline bool may_be_ours(const spi_field *field)
{
    enum { LENGTHS = 1 << 10 | 1 << 14 | 1 << 17 };
    return field->name_len <= 17 && (LENGTHS >> field->name_len & 1);
}

static inline bool is_ours(const spi_field *field)
{
    return may_be_ours(field) && is_really_ours(field);
}

bool spi_reply_owns_field(const spi_field *field)
{
    return is_ours(field);
}

/* One pass over the fields: how long the head may get, and whether one of them ends the
   connection. */
static inline bool measure(const spi_reply_head *head, size_t *ret_bound)
{
    size_t bound = HEAD_EXTRA + (head->reason ? strlen(head->reason) : 0) + head->ready_len;
    bool close = head->close;
    for (size_t i = head->ready_count; i < head->field_count; i++) {
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
    if (head->status != 200 && (head->status < 200 || head->status == 204))
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
    reply->bodiless = request->method == SPI_METHOD_HEAD || spi_status_is_bodiless(head->status);
    reply->broken = false;
    reply->framing = choose_framing(reply, request, head);
    reply->left = reply->framing == SPI_FRAMING_LENGTH ? (uint64_t)head->content_length : 0;
    reply->close = measure(head, &reply->bound) || close || reply->framing == SPI_FRAMING_CLOSE;
    reply->keep_alive = !reply->close && request->minor_version == 0;
}

size_t spi_reply_head_bound(const spi_reply_head *head)
{
    size_t bound;
    measure(head, &bound);
    return bound;
}

static char *put_status_line(char *out, const spi_reply_head *head)
{
    if (head->status == 200 && !head->reason)
        return SPI_PUT_LITERAL(out, SPI_STATUS_LINE_200);
    const char *reason = head->reason ? head->reason : spout_status_phrase(head->status);
    out = SPI_PUT_LITERAL(out, "HTTP/1.1 ");
    out += spi_format_uint(out, (uint64_t)head->status);
    *out++ = ' ';
    out = spi_put(out, reason, strlen(reason));
    return SPI_PUT_LITERAL(out, "\r\n");
}

/* The status line, and what was written out before. */
static inline char *put_start(char *out, const spi_reply_head *head)
{
    enum { LINE = sizeof SPI_STATUS_LINE_200 - 1 };
    if (!head->ready)
        return put_status_line(out, head);
    if (head->status == 200 && !head->reason)
        return spi_put(out, head->ready, head->ready_len);
    return spi_put(put_status_line(out, head), head->ready + LINE, head->ready_len - LINE);
}

static inline char *put_field(char *out, const spi_field *field)
{
    out = spi_put_short(out, field->name, field->name_len);
    out = SPI_PUT_LITERAL(out, ": ");
    out = spi_put_short(out, field->value, field->value_len);
    return SPI_PUT_LITERAL(out, "\r\n");
}

static inline char *put_fields(char *out, const spi_reply_head *head)
{
    for (size_t i = head->ready_count; i < head->field_count; i++) {
        if (!is_ours(&head->fields[i]))
            out = put_field(out, &head->fields[i]);
    }
    return out;
}

static inline bool is_usual(const spi_request_head *request, const spi_reply_head *head)
{
    return head->status == 200 && head->ready && !head->reason && !head->close &&
           head->content_length >= 0 && request->method != SPI_METHOD_HEAD &&
           request->minor_version > 0;
}

char *spi_reply_put_usual(
    char out[SPI_REPLY_USUAL_MAX], const spi_request_head *request, const spi_reply_head *head)
{
    const char *last = out + SPI_REPLY_USUAL_MAX - HEAD_EXTRA;
    if (!is_usual(request, head) || head->ready_len > SPI_REPLY_USUAL_MAX - HEAD_EXTRA)
        return NULL;
    /* a call: compilers unroll a memcpy of bounded length into something slower */
    memmove(out, head->ready, head->ready_len);
    char *at = out + head->ready_len;
    for (size_t i = head->ready_count; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        size_t len = (size_t)field->name_len + field->value_len + 4;
        if (may_be_ours(field) || len > (size_t)(last - at))
            return NULL;
        at = put_field(at, field);
    }
    at = SPI_PUT_LITERAL(at, "Content-Length: ");
    at += spi_format_uint(at, (uint64_t)head->content_length);
    return SPI_PUT_LITERAL(at, "\r\n\r\n");
}

size_t spi_reply_head_format(const spi_reply *reply, const spi_reply_head *head, char *out)
{
    char *at = put_fields(put_start(out, head), head);
    if (reply->framing == SPI_FRAMING_LENGTH) {
        at = SPI_PUT_LITERAL(at, "Content-Length: ");
        at += spi_format_uint(at, (uint64_t)head->content_length);
        at = SPI_PUT_LITERAL(at, "\r\n");
    } else if (reply->framing == SPI_FRAMING_CHUNKED) {
        at = SPI_PUT_LITERAL(at, "Transfer-Encoding: chunked\r\n");
    }
    if (head->status == 426) /* RFC 9110 §7.8: Upgrade is never sent without it */
        at = SPI_PUT_LITERAL(at, "Connection: Upgrade\r\n");
    if (reply->close)
        at = SPI_PUT_LITERAL(at, "Connection: close\r\n");
    else if (reply->keep_alive)
        at = SPI_PUT_LITERAL(at, "Connection: Keep-Alive\r\n");
    at = SPI_PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

size_t spi_upgrade_head_format(const spi_reply_head *head, char *out)
{
    char *at = put_fields(put_start(out, head), head);
    at = SPI_PUT_LITERAL(at, "Connection: Upgrade\r\n\r\n");
    return (size_t)(at - out);
}

static int fail_gone(void)
{
    return spout_error_set(SPOUT_ECLOSED, "the client has gone");
}

int spi_reply_may_begin(const spi_exchange *exchange, const spi_reply_head *head)
{
    if (exchange->gone)
        return fail_gone();
    if (exchange->head_sent)
        return spout_error_set(SPOUT_ESTATE, "the head was sent already");
    if (head->status < 200)
        return spout_error_set(SPOUT_EINVAL, "%d is no status of a final reply", head->status);
    return 0;
}

int spi_reply_may_finish(const spi_exchange *exchange)
{
    if (exchange->gone)
        return fail_gone();
    if (exchange->finished)
        return spout_error_set(SPOUT_ESTATE, "the reply is finished already");
    return exchange->head_sent ? 0 : spout_error_set(SPOUT_ESTATE, "the reply has no head");
}

int spi_reply_may_send(const spi_exchange *exchange, spi_reply *reply, uint64_t len)
{
    int result = spi_reply_may_finish(exchange);
    return result < 0 ? result : spi_reply_take(reply, len);
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

int spi_reply_send_in_steps(spi_exchange *exchange, const spi_reply_head *head, spout_bytes body)
{
    const spi_exchange_ops *ops = exchange->ops;
    int result = ops->send_head(exchange, head);
    if (result == 0)
        result = ops->send_body(exchange, body);
    return result == 0 ? ops->finish(exchange) : result;
}
