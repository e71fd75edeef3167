#include "http/connection.h"

#include <spout/error.h>

/* The request can't be completed any more; the connection ends behind the reply. */
int spi_http1_fail_body(spi_http1_exchange *exchange, int status, const char *words)
{
    exchange->error_status = status;
    exchange->failed = true;
    return spout_error_set_status(status, "%s", words);
}

static int fail_again(const spi_http1_exchange *exchange)
{
    return spout_error_set_status(exchange->error_status,
        exchange->error_status == 408 ? "the body did not come in time" : "the body is unusable");
}

static bool is_too_large(const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    return exchange->extras->decoder.total > base->max_body ||
           (base->head.body_kind == SPI_BODY_LENGTH && base->head.content_length > base->max_body);
}

/* What came meanwhile becomes what is decoded next. False if nothing came. */
static bool swap_in(spi_connection *connection, spi_http1_exchange *exchange)
{
    if (spi_connection_left_over_len(connection) == 0)
        return false;
    spi_buffer used_up = exchange->extras->content;
    spi_buffer_clear(&used_up);
    exchange->extras->content = connection->left_over->buffer;
    connection->left_over->buffer = used_up;
    return true;
}

static int end_wait(spi_connection *connection, spi_http1_exchange *exchange)
{
    uint64_t received = exchange->extras->decoder.total + spi_connection_left_over_len(connection);
    if (!exchange->failed && spi_connection_drips(connection, received))
        return spi_http1_fail_body(exchange, 408, "the body comes too slowly");
    exchange->extras->waited_ms += spi_loop_now(exchange->base.loop) - exchange->extras->since_ms;
    return 0;
}

/* Parks the coroutine until bytes, the end of input, the loss of the peer or the time limit. */
static int wait_for_bytes(spi_connection *connection, spi_http1_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    if (base->half_closed)
        return spi_http1_fail_body(exchange, 400, "the body ends too early");
    int result = spi_http1_send_continue(base);
    if (result < 0)
        return result;
    spi_connection_enter(connection); /* reading may have paused */
    exchange->reading = true;
    spi_connection_begin_wait(connection);
    spi_connection_arm_body(connection);
    spi_connection_leave(connection);
    result = spi_wait(&exchange->extras->readers, "request body");
    exchange->reading = false;
    spi_timeout_stop(&connection->timeout);
    return result < 0 || base->gone ? result : end_wait(connection, exchange);
}

static int reach_end(spi_connection *connection, spi_http1_exchange *exchange)
{
    exchange->unread = false;
    spi_connection_enter(connection);
    spi_connection_unread(connection, exchange);
    spi_connection_leave(connection);
    return 0;
}

/* 1: a piece, 0: the end, < 0: failed. */
static int next_piece(spi_http1_exchange *exchange, spout_bytes *ret_piece)
{
    spi_connection *connection = exchange->connection;
    size_t most = connection->server ? connection->server->limits.chunk_size : SIZE_MAX;
    if (!exchange->unread)
        return 0;
    for (;;) {
        if (exchange->base.gone)
            return spout_error_set(SPOUT_ECLOSED, "the client has gone");
        if (exchange->failed)
            return fail_again(exchange);
        size_t len = spi_buffer_len(&exchange->extras->content), used = 0;
        const char *data = len > 0 ? spi_buffer_head(&exchange->extras->content) : "";
        int status = 400;
        spi_body_result result = spi_body_decode(
            &exchange->extras->decoder, data, len < most ? len : most, &used, ret_piece, &status);
        if (result == SPI_BODY_BAD)
            return spi_http1_fail_body(exchange, status, "the body's chunks are malformed");
        if (is_too_large(exchange))
            return spi_http1_fail_body(exchange, 413, "the body is too large");
        spi_buffer_consume(&exchange->extras->content, used);
        if (result == SPI_BODY_DATA)
            return 1;
        if (result == SPI_BODY_END)
            return reach_end(connection, exchange);
        if (len > most)
            continue;
        if (swap_in(connection, exchange))
            continue;
        int waited = wait_for_bytes(connection, exchange);
        if (waited < 0)
            return waited;
    }
}

int spi_http1_read_more(spi_exchange *base, spout_bytes *ret_piece)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    if (base->body_mode != SPI_BODY_STREAM)
        return spout_error_set(SPOUT_ESTATE, "the body was read as a whole");
    if (exchange->reading)
        return spout_error_set(SPOUT_ESTATE, "another coroutine is reading the body");
    spout_bytes piece = { "", 0 };
    bool inflates = exchange->is_gzip && exchange->extras;
    int result = inflates ? spi_http1_inflate_piece(exchange, next_piece, &piece)
                          : next_piece(exchange, &piece);
    if (result < 0)
        return result;
    *ret_piece = result > 0 ? piece : (spout_bytes){ "", 0 };
    return result;
}
