#include "http/connection.h"

#include <spout/error.h>
#include <spout/task.h>

#include "net/stream.h"

static int check(const spi_http1_exchange *exchange)
{
    const spi_exchange *base = &exchange->base;
    const spi_connection *connection = exchange->connection;
    if (base->gone)
        return spout_error_set(SPOUT_ECLOSED, "the client has gone");
    if (base->head_sent)
        return spout_error_set(SPOUT_ESTATE, "the head was sent already");
    if (exchange->unread || exchange->failed)
        return spout_error_set(SPOUT_ESTATE, "the request has a body that was not read");
    if (connection->ending || spi_transport_pending(&connection->transport) > 0)
        return spout_error_set(
            SPOUT_ESTATE, "the connection ends, or the replies before are still on their way");
    return 0;
}

static spout_bytes left_over(const spi_connection *connection)
{
    size_t len = spi_connection_left_over_len(connection);
    return (spout_bytes){ len > 0 ? spi_buffer_head(&connection->left_over->buffer) : "", len };
}

/* The connection is an empty shell from then on, until its exchange is released. */
int spi_http1_detach(
    spi_exchange *base, const spi_reply_head *head, struct spout_stream **ret_stream)
{
    spi_http1_exchange *exchange = spi_http1_of(base);
    spi_connection *connection = exchange->connection;
    int result = check(exchange);
    if (result == 0 && connection->depth > 0) {
        result = spout_yield(); /* what came behind the request is not put away yet */
        result = result < 0 ? result : check(exchange);
    }
    if (result == 0 && head)
        result = spi_connection_write_head(connection, NULL, head, base->arena);
    if (result < 0)
        return result;
    spout_stream *stream = spi_stream_from_transport(
        &connection->transport, left_over(connection), &connection->peer, NULL);
    if (!stream) { /* it has just been lost */
        spi_connection_cut(connection);
        return spout_error_code_current();
    }
    spi_http1_stop_timeout(exchange);
    spi_timeout_stop(&connection->timeout);
    spi_connection_drop_left_over(connection);
    base->upgraded = base->head_sent = base->finished = true;
    *ret_stream = stream;
    return 0;
}
