#include "http/connection.h"

#include <spout/error.h>

#include "base/log.h"
#include "http/error_page.h"

static void log_refusal(const spi_connection *connection, int status, const char *words)
{
    char address[46];
    const char *ip = spout_endpoint_text(&connection->peer, address);
    const char *name = *ip ? ip : "a local socket";
    spi_loop_count(connection->transport.loop, "http_refused", 1);
    if (status != 503) /* 501 and 505 are the client's doing, too */
        spi_log_info("Malformed HTTP request from %s: %s", name, words);
    else
        spi_log_warning("HTTP request from %s refused (%d): %s", name, status, words);
}

/* Ends the connection behind it. */
static void send_page(spi_connection *connection, const spi_request_head *request, int status)
{
    spi_error_page page;
    spi_error_page_make(&page, connection->transport.loop, status);
    if (connection->server)
        spi_error_page_add(&page, &connection->server->error_fields);
    spi_reply reply;
    spi_reply_begin(&reply, request, &page.head, true);
    if (spi_connection_write_head(connection, &reply, &page.head, NULL) == 0 && !reply.bodiless)
        (void)spi_transport_write(&connection->transport, page.body.data, page.body.len);
}

static bool asks_for_head(spout_bytes text)
{
    size_t start = text.len > 2 && text.data[0] == '\r' ? 2 : 0;
    return text.len - start >= 5 && memcmp(text.data + start, "HEAD ", 5) == 0;
}

void spi_connection_refuse_head(
    spi_connection *connection, spout_bytes text, int status, const char *words)
{
    spi_request_head head = { .minor_version = 1 };
    if (asks_for_head(text))
        head.method = SPI_METHOD_HEAD;
    if (words)
        log_refusal(connection, status, words);
    send_page(connection, &head, status);
    spi_connection_close(connection);
}

void spi_connection_refuse(spi_connection *connection)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_exchange *base = &exchange->base;
    int status = exchange->error_status;
    if (base->service->on_error && base->service->on_error(base->service_self, base, status) == 0)
        return;
    log_refusal(connection, status, spout_error_message());
    send_page(connection, &base->head, status);
    connection->state = SPI_CONNECTION_BODY; /* the exchange is ours again */
    spi_connection_close(connection);
}

void spi_connection_arm_body(spi_connection *connection)
{
    const spi_exchange *base = &connection->exchange->base;
    const spout_http_server *server = connection->server;
    spi_timeout_class *timeouts = server->body_timeouts;
    if (base->body_timeout_ms != server->limits.body_timeout_ms)
        timeouts = base->body_timeout_ms < 0
                       ? NULL
                       : spi_timeout_class_get(
                             base->loop, base->body_timeout_ms, spi_connection_on_body_timeout);
    spi_connection_arm(connection, timeouts);
}

void spi_connection_begin_wait(spi_connection *connection)
{
    connection->exchange->extras->since_ms = spi_loop_now(connection->transport.loop);
}

bool spi_connection_drips(const spi_connection *connection, uint64_t received)
{
    enum { GRACE_MS = 10 * 1000 };
    const spi_http1_exchange *exchange = connection->exchange;
    int64_t rate = exchange->base.min_body_rate;
    int64_t waited_ms = spi_loop_now(connection->transport.loop) - exchange->extras->since_ms +
                        exchange->extras->waited_ms - GRACE_MS;
    return rate > 0 && waited_ms > 0 && received / (uint64_t)rate < (uint64_t)waited_ms / 1000;
}

/* The service is told as of a client that is gone: nobody waits for its reply any more. */
static void time_out_request(spi_connection *connection)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_exchange *base = &exchange->base;
    spi_log_warning("%s %s took longer than %lld ms", base->head.method_text,
        base->head.target.data, (long long)base->request_timeout_ms);
    if (base->head_sent) {
        spi_connection_cut(connection);
    } else {
        send_page(connection, &base->head, 503);
        base->head_sent = true;
        base->finished = true;
        spi_connection_close(connection);
    }
    base->gone = true;
    spi_http1_wake_readers(exchange);
    spi_http1_wake_writers(exchange);
    base->service->on_gone(base->service_self, base);
}

static void on_request_timeout(spi_timeout *timeout)
{
    spi_http1_exchange *exchange = spi_container(timeout, spi_http1_extras, timeout)->exchange;
    spi_connection *connection = exchange->connection;
    if (connection->state != SPI_CONNECTION_SERVING || exchange->base.gone ||
        exchange->base.finished)
        return;
    spi_connection_enter(connection);
    time_out_request(connection);
    spi_connection_leave(connection);
}

void spi_connection_arm_request(spi_connection *connection)
{
    spi_http1_exchange *exchange = connection->exchange;
    spi_timeout_start(spi_timeout_class_get(exchange->base.loop, exchange->base.request_timeout_ms,
                          on_request_timeout),
        &spi_http1_need_extras(exchange)->timeout);
}

static spi_connection *of_timeout(spi_timeout *timeout)
{
    return spi_container(timeout, spi_connection, timeout);
}

/* Whether the peer is at the other end of a queue: it is not the one that we wait for. The write
   timeout watches over it. */
static bool is_reading_ours(spi_connection *connection)
{
    return spi_transport_pending(&connection->transport) > 0;
}

static void time_out_head(spi_connection *connection)
{
    spi_buffer *came = &connection->left_over->buffer; /* not blank, so it is there */
    const spout_bytes text = { spi_buffer_head(came), spi_buffer_len(came) };
    spi_connection_refuse_head(connection, text, 408, "the head did not come in time");
}

void spi_connection_on_header_timeout(spi_timeout *timeout)
{
    spi_connection *connection = of_timeout(timeout);
    spi_connection_enter(connection);
    if (is_reading_ours(connection))
        spi_connection_arm(connection, connection->server->header_timeouts);
    else if (spi_connection_is_blank(connection))
        spi_connection_close_quietly(connection);
    else
        time_out_head(connection);
    spi_connection_leave(connection);
}

void spi_connection_on_idle_timeout(spi_timeout *timeout)
{
    spi_connection *connection = of_timeout(timeout);
    spi_connection_enter(connection);
    if (!is_reading_ours(connection)) /* else leaving starts it anew */
        spi_connection_close_quietly(connection);
    spi_connection_leave(connection);
}

static void time_out_body(spi_connection *connection)
{
    spi_http1_exchange *exchange = connection->exchange;
    spout_error_set(SPOUT_ETIMEDOUT, "the body did not come in time");
    exchange->error_status = 408;
    exchange->failed = true;
    connection->state = SPI_CONNECTION_SERVING;
    exchange->base.half_closed = connection->transport.eof;
    spi_connection_refuse(connection);
}

void spi_connection_on_body_timeout(spi_timeout *timeout)
{
    spi_connection *connection = of_timeout(timeout);
    spi_connection_enter(connection);
    if (connection->state == SPI_CONNECTION_BODY) {
        time_out_body(connection);
    } else if (connection->state == SPI_CONNECTION_SERVING) {
        connection->exchange->error_status = 408;
        connection->exchange->failed = true;
        spi_http1_wake_readers(connection->exchange);
    } else {
        spi_connection_close(connection);
    }
    spi_connection_leave(connection);
}
