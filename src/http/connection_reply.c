#include "http/connection.h"

#include <spout/error.h>

#include <stdio.h>

#include "base/text.h"

static int fail_gone(void)
{
    return spout_error_set(SPOUT_ECLOSED, "the client has gone");
}

int spi_connection_write_head(spi_connection *connection, const spi_reply *reply,
    const spi_reply_head *head, spi_arena *arena)
{
    size_t bound = reply ? reply->bound : spi_reply_head_bound(head);
    spout_transport *transport = &connection->transport;
    if (bound <= SPI_GATHER_MAX) {
        char *out = spi_transport_reserve(transport, bound);
        if (!out)
            return spout_error_code_current();
        spi_transport_commit(transport,
            reply ? spi_reply_head_format(reply, head, out) : spi_upgrade_head_format(head, out));
        return 0;
    }
    char *text = spi_arena_chars(arena, bound);
    size_t len = reply ? spi_reply_head_format(reply, head, text)
                       : spi_upgrade_head_format(head, text);
    return spi_transport_write(transport, text, len);
}

bool spi_connection_ends_behind(
    const spi_connection *connection, const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    const spout_http_server *server = connection->server;
    return !base->head.keep_alive || exchange->failed || !server || server->ends_connections ||
           (base->half_closed && spi_connection_left_over_len(connection) == 0) ||
           (exchange->unread && !exchange->extras->continued);
}

static int send_head(spi_exchange *base, const spi_reply_head *head)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    int result = spi_reply_may_begin(base, head);
    if (result < 0)
        return result;
    spi_reply_begin(
        &exchange->reply, &base->head, head, spi_connection_ends_behind(connection, exchange));
    result = spi_connection_write_head(connection, &exchange->reply, head, base->arena);
    if (result < 0)
        return result;
    base->head_sent = true;
    return 0;
}

/* A piece that can't be sent leaves a hole in the body, so that the reply can't be completed. */
static int or_broken(spi_http1_exchange *exchange, int result)
{
    if (result < 0)
        exchange->reply.broken = true;
    return result;
}

static size_t format_chunk_size(char out[20], uint64_t len)
{
    static const char digits[] = "0123456789abcdef";
    char text[16];
    size_t count = 0;
    for (; len > 0; len >>= 4)
        text[count++] = digits[len & 15];
    for (size_t i = 0; i < count; i++)
        out[i] = text[count - 1 - i];
    out[count] = '\r';
    out[count + 1] = '\n';
    return count + 2;
}

static int send_chunk(spi_connection *connection, spout_bytes body)
{
    char size[20];
    size_t size_len = format_chunk_size(size, body.len);
    const spout_bytes pieces[] = { { size, size_len }, body, { "\r\n", 2 } };
    return spi_transport_writev(&connection->transport, pieces, 3);
}

static int send_body(spi_exchange *base, spout_bytes body)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    int result = spi_reply_may_send(base, &exchange->reply, body.len);
    if (result < 0 || exchange->reply.bodiless || body.len == 0)
        return result;
    if (exchange->reply.framing == SPI_FRAMING_CHUNKED)
        return or_broken(exchange, send_chunk(connection, body));
    return or_broken(exchange, spi_transport_write(&connection->transport, body.data, body.len));
}

static int send_file_bytes(
    spi_http1_exchange *exchange, spi_shared_file *file, int64_t offset, int64_t len)
{
    spout_transport *transport = &exchange->connection->transport;
    bool chunked = exchange->reply.framing == SPI_FRAMING_CHUNKED;
    char size[20];
    int result = 0;
    if (chunked)
        result = spi_transport_write(transport, size, format_chunk_size(size, (uint64_t)len));
    if (result < 0)
        return result;
    result = spi_transport_write_shared_file(transport, file, offset, len);
    if (result < 0 || !chunked)
        return result;
    return spi_transport_write(transport, "\r\n", 2);
}

static int send_file(spi_exchange *base, spi_shared_file *file, int64_t offset, int64_t len)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    int result = len < 0 || offset < 0
                     ? spout_error_set(SPOUT_EINVAL, "a file has no bytes before its start")
                     : spi_reply_may_send(base, &exchange->reply, (uint64_t)len);
    if (result < 0 || exchange->reply.bodiless || len == 0)
        return result;
    return or_broken(exchange, send_file_bytes(exchange, file, offset, len));
}

static void flush_outside(spi_connection *connection)
{
    if (connection->depth == 0) /* else the transport does it when its callback returns */
        spi_transport_flush(&connection->transport);
}

int spi_http1_write_continue(spi_http1_exchange *exchange)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    spi_connection *connection = exchange->connection;
    if (exchange->extras->continued)
        return 0;
    exchange->extras->continued = true;
    int result = spi_transport_write(&connection->transport, line, sizeof line - 1);
    flush_outside(connection);
    return result;
}

int spi_http1_send_continue(spi_exchange *base)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    if (base->gone)
        return fail_gone();
    if (base->head_sent || exchange->failed || !exchange->extras)
        return 0;
    if (exchange->unread && spi_connection_left_over_len(exchange->connection) == 0)
        return spi_http1_write_continue(exchange);
    exchange->extras->continued = true; /* of the body, something is here already */
    return 0;
}

/* The reply is out and the connection ends. A client that asked for that and has said all it had
   to say sends no more, so that there is no need to wait for it. */
static void end_behind(spi_connection *connection, const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    bool silent = !base->head.keep_alive || base->half_closed;
    if (silent && !exchange->unread && !exchange->failed &&
        spi_connection_left_over_len(connection) == 0) {
        connection->ending = true;
        spi_connection_close_quietly(connection);
    } else {
        spi_connection_close(connection);
    }
}

static void reset(spi_exchange *base)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    base->gone = true;
    spi_connection_cut(exchange->connection);
    spi_http1_wake_readers(exchange);
    spi_http1_wake_writers(exchange);
}

static int finish(spi_exchange *base)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    int result = spi_reply_may_finish(base);
    if (result < 0)
        return result;
    base->finished = true;
    result = spi_reply_end(&exchange->reply);
    if (result < 0) {
        reset(base);
        return result;
    }
    if (exchange->reply.framing == SPI_FRAMING_CHUNKED)
        result = spi_transport_write(&connection->transport, "0\r\n\r\n", 5);
    if (exchange->reply.close || spi_connection_ends_behind(connection, exchange))
        end_behind(connection, exchange);
    else
        flush_outside(connection);
    return result;
}

/* One that is short and just as long as it says goes out in one piece. */
__attribute__((noinline)) static int send_unusual(
    spi_exchange *base, const spi_reply_head *head, spout_bytes body)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    spi_reply *reply = &exchange->reply;
    int result = spi_reply_may_begin(base, head);
    if (result < 0)
        return result;
    spi_reply_begin(reply, &base->head, head, spi_connection_ends_behind(connection, exchange));
    if (reply->bodiless || reply->framing != SPI_FRAMING_LENGTH || reply->left != body.len ||
        body.len > SPI_GATHER_MAX - SPI_GATHER_MAX / 4 || reply->bound > SPI_GATHER_MAX / 4)
        return spi_reply_send_in_steps(base, head, body);
    char *out = spi_transport_reserve(&connection->transport, reply->bound + body.len);
    if (!out)
        return spout_error_code_current();
    char *end = out + spi_reply_head_format(reply, head, out);
    end = spi_put(end, body.data, body.len);
    spi_transport_commit(&connection->transport, (size_t)(end - out));
    reply->left = 0;
    base->head_sent = base->finished = true;
    if (reply->close)
        end_behind(connection, exchange);
    else
        flush_outside(connection);
    return 0;
}

/* Whether the straight way may be taken; else the other one says what is wrong or different. A server
   that is gone has taken its connections along. */
static inline bool is_usual(
    const spi_http1_exchange *exchange, const spi_reply_head *head, size_t body_len)
{
    static const spi_http1_exchange odd = { .failed = true,
        .unread = true,
        .base = { .gone = true, .head_sent = true, .half_closed = true } };
    const spi_exchange *base = &exchange->base;
    return !(base->state & odd.base.state) && !(exchange->state & odd.state) &&
           base->head.keep_alive && !exchange->connection->server->ends_connections &&
           head->content_length == (int64_t)body_len &&
           body_len <= SPI_GATHER_MAX - SPI_REPLY_USUAL_MAX;
}

static int send_reply(spi_exchange *base, const spi_reply_head *head, spout_bytes body)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    if (!is_usual(exchange, head, body.len))
        return send_unusual(base, head, body);
    spi_connection *connection = exchange->connection;
    char *out = spi_transport_reserve(&connection->transport, SPI_REPLY_USUAL_MAX + body.len);
    if (!out)
        return spout_error_code_current();
    char *end = spi_reply_put_usual(out, &base->head, head);
    if (!end)
        return send_unusual(base, head, body);
    end = spi_put(end, body.data, body.len);
    spi_transport_commit(&connection->transport, (size_t)(end - out));
    base->head_sent = base->finished = true;
    flush_outside(connection);
    return 0;
}

static int wait_writable(spi_exchange *base)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spout_transport *transport = &exchange->connection->transport;
    while (!base->gone && spi_transport_is_writable(transport)) {
        spi_transport_flush(transport);
        if (!spi_transport_is_pressed(transport))
            return 0;
        int result = spi_wait(&spi_http1_need_extras(exchange)->writers, "writable");
        if (result < 0)
            return result;
    }
    return fail_gone();
}

static size_t pending(const spi_exchange *base)
{
    const spi_http1_exchange *exchange = (const spi_http1_exchange *)(const void
            *)((const char *)base - offsetof(spi_http1_exchange, base));
    return spi_transport_pending(&exchange->connection->transport);
}

static bool is_worth_skipping(const spi_http1_exchange *exchange)
{
    return exchange->base.head.body_kind != SPI_BODY_LENGTH ||
           exchange->extras->decoder.left <= SPI_SKIP_MAX;
}

/* The connection gets its exchange back. Sets the state that it goes on with. */
static void take_back(spi_connection *connection)
{
    spi_http1_exchange *exchange = connection->exchange;
    if (!exchange->base.finished)
        spi_connection_cut(connection);
    if (spi_transport_is_closed(&connection->transport)) {
        connection->state = SPI_CONNECTION_LOST;
        spi_connection_drop_exchange(connection);
    } else if (connection->ending) {
        connection->state = SPI_CONNECTION_CLOSING;
        spi_connection_drop_exchange(connection);
    } else if (exchange->unread) {
        connection->state = SPI_CONNECTION_SKIPPING;
        spi_connection_unread(connection, exchange);
        exchange->extras->waited_ms = 0;
        spi_connection_begin_wait(connection);
        if (is_worth_skipping(exchange))
            spi_connection_arm_body(connection);
        else
            spi_connection_close(connection);
    } else {
        connection->state = SPI_CONNECTION_IDLE;
        spi_connection_drop_exchange(connection);
    }
}

__attribute__((noinline)) void spi_http1_release_slowly(spi_exchange *base)
{
    spi_connection *connection = spi_connection_of(base);
    if (connection->state == SPI_CONNECTION_LOST)
        return; /* from a tunnel's on_lost, which ends it anyway */
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_TUNNEL)
        spi_tunnel_drop(connection);
    else
        take_back(connection);
    spi_connection_leave(connection);
}

/* From within its connection, with a reply that is complete and nothing left to read: whoever leaves
   the connection last sees to the rest. */
static inline bool is_done(const spi_connection *connection, const spi_http1_exchange *exchange)
{
    return connection->depth > 0 && connection->state == SPI_CONNECTION_SERVING &&
           exchange->base.finished && !exchange->unread && !connection->ending &&
           !spi_transport_is_closed(&connection->transport);
}

static void release(spi_exchange *base)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    if (is_done(connection, exchange)) {
        connection->state = SPI_CONNECTION_IDLE;
        spi_connection_end_exchange(connection, exchange);
    } else {
        spi_http1_release_slowly(base);
    }
}

static int tls_info(spi_exchange *base, struct spout_tls_info *ret_info)
{
    const spi_connection *connection = spi_http1_of(base)->connection;
    if (base->gone || !connection)
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    return spi_tls_info(&connection->transport, ret_info);
}

const spi_exchange_ops spi_http1_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_file = send_file,
    .send_continue = spi_http1_send_continue,
    .finish = finish,
    .send_reply = send_reply,
    .reset = reset,
    .wait_writable = wait_writable,
    .read_more = spi_http1_read_more,
    .pending = pending,
    .upgrade = spi_http1_upgrade,
    .tunnel_write = spi_http1_tunnel_write,
    .tunnel_write_blob = spi_http1_tunnel_write_blob,
    .tunnel_pause = spi_http1_tunnel_pause,
    .tunnel_resume = spi_http1_tunnel_resume,
    .tunnel_flush = spi_http1_tunnel_flush,
    .tunnel_drop_blobs = spi_http1_tunnel_drop_blobs,
    .tunnel_set_nodelay = spi_http1_tunnel_set_nodelay,
    .tunnel_peer = spi_http1_tunnel_peer,
    .tunnel_close = spi_http1_tunnel_close,
    .tunnel_abort = spi_http1_tunnel_abort,
    .drop_arena = spi_http1_drop_arena,
    .tls_info = tls_info,
    .detach = spi_http1_detach,
    .release = release,
};
