/* A client's socket: messages that coroutines ask for, frames with masks, and what ends with it. */
#include <spout/error.h>

#include "base/memory.h"
#include "http/websocket_client.h"
#include "http/websocket_socket.h"
#include "net/transport.h"

enum { SMALL_FRAME = 2048 };

void spi_websocket_client_free(spi_websocket_client *client)
{
    if (!client)
        return;
    spi_buffer_release(&client->next);
    spi_buffer_release(&client->taken);
    spi_free(client);
}

static spi_websocket_client *new_client(const spout_websocket_connect_options *options)
{
    spi_websocket_client *client = spi_calloc(sizeof *client);
    if (options->handler)
        client->handler = *options->handler;
    if (client->handler.compression) {
        client->compression = *client->handler.compression;
        client->handler.compression = &client->compression;
    }
    client->data = options->data;
    client->pulls = !client->handler.message && !client->handler.piece && !client->handler.run;
    spi_buffer_init(&client->next, SIZE_MAX / 2);
    spi_buffer_init(&client->taken, SIZE_MAX / 2);
    spi_list_init(&client->readers);
    return client;
}

spout_websocket *spi_websocket_client_new(spout_stream *stream, spout_bytes rest,
    const spout_websocket_connect_options *options, const char *subprotocol)
{
    spi_exchange *exchange = spi_client_end_new(stream, &spi_websocket_tunnel);
    if (!exchange)
        return NULL;
    spi_websocket_client *client = new_client(options);
    spout_websocket *ws = spi_websocket_new(exchange, &client->handler);
    ws->client = client;
    spi_client_end_set_owner(exchange, ws);
    spout_websocket_ref(ws); /* the user's */
    spi_websocket_begin(ws, subprotocol, NULL);
    if (rest.len > 0) {
        char *copy = spi_memdup(rest.data, rest.len);
        spi_websocket_receive(ws, copy, rest.len);
        spi_free(copy);
    }
    return ws;
}

/* Small ones are put together here, large ones where they can wait without another copy. */
static int send_pieces(
    spout_websocket *ws, spout_bytes head, const uint8_t mask[4], spout_bytes payload)
{
    const spi_exchange_ops *ops = ws->exchange->ops;
    char small[SMALL_FRAME];
    size_t len = head.len + payload.len;
    spi_blob *blob = len > sizeof small ? spi_blob_new(len) : NULL;
    char *frame = blob ? blob->data : small;
    memcpy(frame, head.data, head.len);
    spi_frame_mask_to(frame + head.len, payload.data, payload.len, mask);
    if (!blob)
        return ops->tunnel_write(ws->exchange, &(spout_bytes){ frame, len }, 1);
    int result = ops->tunnel_write_blob(ws->exchange, blob);
    spi_blob_unref(blob);
    return result;
}

int spi_websocket_send_masked(
    spout_websocket *ws, spi_opcode opcode, bool fin, bool compressed, spout_bytes payload)
{
    char head[14];
    uint8_t mask[4];
    uint64_t number = spi_loop_random(ws->loop);
    memcpy(mask, &number, sizeof mask);
    size_t head_len = spi_frame_head(head, opcode, fin, compressed, payload.len, mask);
    return send_pieces(ws, (spout_bytes){ head, head_len }, mask, payload);
}

void spi_websocket_client_wake(spout_websocket *ws)
{
    spi_wake_all(&ws->client->readers);
}

void spi_websocket_client_settle(spout_websocket *ws)
{
    /* What waits for its reader doesn't hold up the end. */
    bool is_handled = ws->inbox && ws->inbox->task;
    if (ws->client->pulls && ws->phase != SPI_WEBSOCKET_OPEN && ws->started && !is_handled)
        ws->running = false;
}

void spi_websocket_offer(spout_websocket *ws, spi_buffer *message, bool is_binary)
{
    spi_websocket_client *client = ws->client;
    size_t max = message->max;
    spi_buffer_release(&client->next);
    client->next = *message;
    spi_buffer_init(message, max);
    client->is_binary = is_binary;
    client->has_message = true;
    ws->running = ws->suspended = true;
    spi_wake_all(&client->readers);
}

static void take(spout_websocket *ws, spout_message *ret_message)
{
    spi_websocket_client *client = ws->client;
    client->taken = client->next;
    spi_buffer_init(&client->next, client->taken.max);
    client->has_message = false;
    *ret_message = (spout_message){ spi_buffer_text(&client->taken), spi_buffer_len(&client->taken),
        client->is_binary };
    ws->running = ws->suspended = false;
    if (ws->exchange) /* else the loop may be gone */
        spi_websocket_settle_later(ws);
}

static int wait_for_message(spout_websocket *ws)
{
    spi_websocket_client *client = ws->client;
    int result = 0;
    while (result == 0 && !client->has_message && ws->phase != SPI_WEBSOCKET_CLOSED)
        result = spi_wait(&client->readers, "WebSocket message");
    return result < 0 ? result : client->has_message;
}

int spi_websocket_client_await_end(spout_websocket *ws)
{
    int result = 0;
    spout_websocket_ref(ws);
    while (result == 0 && ws->phase != SPI_WEBSOCKET_CLOSED)
        result = spi_wait(&ws->client->readers, "WebSocket end");
    spout_websocket_unref(ws);
    return result;
}

int spi_websocket_pull(spout_websocket *ws, spout_message *ret_message)
{
    spi_websocket_client *client = ws->client;
    if (client->waits)
        return spout_error_set(SPOUT_ESTATE, "another coroutine reads from this WebSocket");
    spout_websocket_ref(ws);
    spi_buffer_release(&client->taken);
    client->waits = true;
    int result = wait_for_message(ws);
    client->waits = false;
    if (result > 0)
        take(ws, ret_message);
    spout_websocket_unref(ws);
    return result;
}

void spi_websocket_client_dropped(spout_websocket *ws)
{
    /* The one that is left is the library's own: nobody can read any more. */
    if (ws->refs == 1 && ws->client->pulls && ws->started)
        spi_websocket_start_close(ws, SPI_CLOSE_GOING_AWAY, (spout_bytes){ NULL, 0 });
}

void spi_websocket_client_closed_here(spout_websocket *ws)
{
    if (ws->phase == SPI_WEBSOCKET_OPEN)
        ws->client->closed_here = true;
}

void *spout_websocket_data(const spout_websocket *ws)
{
    return ws->client ? ws->client->data : NULL;
}
