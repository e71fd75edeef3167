/* What goes out: messages, pings, close frames; and who waits while a peer reads slowly. */
#include <spout/error.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/json.h"
#include "http/websocket_client.h"
#include "http/websocket_socket.h"

enum { MAX_CONTROL = 125, MAX_HEAD = 14, MAX_STRAIGHT = 16 * 1024 - MAX_HEAD };

static int closed_error(void)
{
    return spout_error_set(SPOUT_ECLOSED, "the WebSocket is closed");
}

int spi_websocket_send_frame(
    spout_websocket *ws, spi_opcode opcode, bool fin, bool compressed, spout_bytes payload)
{
    if (!ws->exchange)
        return closed_error();
    if (ws->client)
        return spi_websocket_send_masked(ws, opcode, fin, compressed, payload);
    char head[14];
    size_t head_len = spi_frame_head(head, opcode, fin, compressed, payload.len, NULL);
    spout_bytes pieces[] = { { head, head_len }, payload };
    return ws->exchange->ops->tunnel_write(ws->exchange, pieces, payload.len > 0 ? 2 : 1);
}

int spi_websocket_send(spout_websocket *ws, spi_opcode opcode, spout_bytes payload)
{
    return spi_websocket_send_frame(ws, opcode, true, false, payload);
}

bool spi_websocket_compresses(const spout_websocket *ws, size_t len)
{
    enum { DEFAULT_MIN_SIZE = 64 };
    if (!ws->compressed || len == 0)
        return false;
    int min = ws->handler->compression->min_size;
    return min < 0 || len >= (size_t)(min == 0 ? DEFAULT_MIN_SIZE : min);
}

static spi_deflate_setting setting_of(const spout_websocket *ws)
{
    const spout_websocket_compression *wanted = ws->handler->compression;
    int level = wanted->level == 0 ? 6 : wanted->level;
    int mem_level = wanted->mem_level == 0 ? 8 : wanted->mem_level;
    return (spi_deflate_setting){ .level = (uint8_t)(level < 1   ? 1
                                                     : level > 9 ? 9
                                                                 : level),
        .mem_level = (uint8_t)(mem_level < 1   ? 1
                               : mem_level > 9 ? 9
                                               : mem_level),
        .window_bits = ws->send_bits };
}

spi_deflater *spi_websocket_shared_deflater(const spout_websocket *ws)
{
    spi_deflater *deflater = spi_deflater_shared(ws->loop, setting_of(ws));
    if (deflater)
        spi_deflater_forget(deflater);
    return deflater;
}

static spi_deflater *deflater_of(spout_websocket *ws)
{
    if (!ws->send_takeover)
        return spi_websocket_shared_deflater(ws);
    if (!ws->extra->deflater)
        spi_websocket_need_extra(ws)->deflater = spi_deflater_new(setting_of(ws));
    return ws->extra->deflater;
}

static int send_compressed(spout_websocket *ws, spi_opcode opcode, spout_bytes payload)
{
    spi_deflater *deflater = deflater_of(ws);
    if (!deflater)
        return spi_websocket_send(ws, opcode, payload);
    spi_buffer *out = spi_deflate_scratch(ws->loop);
    int result = spi_deflater_run(deflater, payload, out);
    if (result == 0 && (ws->send_takeover || spi_buffer_len(out) < payload.len)) {
        result = spi_websocket_send_frame(
            ws, opcode, true, true, (spout_bytes){ spi_buffer_head(out), spi_buffer_len(out) });
    } else if (result == 0) {
        result = spi_websocket_send(ws, opcode, payload);
    }
    if (result < 0)
        spi_deflater_forget(deflater); /* of what the peer will never see */
    spi_deflate_scratch_done(ws->loop);
    return result;
}

int spi_websocket_send_message(spout_websocket *ws, spout_message message)
{
    spi_opcode opcode = message.binary ? SPI_OP_BINARY : SPI_OP_TEXT;
    const spout_bytes payload = { message.data, message.len };
    if (ws->exchange && spi_websocket_compresses(ws, payload.len))
        return send_compressed(ws, opcode, payload);
    return spi_websocket_send(ws, opcode, payload);
}

int spi_websocket_send_close(spout_websocket *ws, int code, spout_bytes reason)
{
    char payload[MAX_CONTROL];
    size_t len = 0;
    if (code != 0) {
        payload[len++] = (char)(code >> 8);
        payload[len++] = (char)(code & 0xFF);
        if (reason.len > 0)
            memcpy(payload + len, reason.data, reason.len);
        len += reason.len;
    }
    return spi_websocket_send(ws, SPI_OP_CLOSE, (spout_bytes){ payload, len });
}

size_t spi_websocket_max_queue(const spout_websocket *ws)
{
    int64_t max = ws->handler->max_queue_size;
    if (max == 0)
        return 1024 * 1024;
    if (max == SPOUT_NONE)
        return SIZE_MAX;
    return max > 0 ? (size_t)max : 0;
}

/* Waits, in a task that may, until the queue has fallen to the mark. */
int spi_websocket_wait_for_room(spout_websocket *ws, size_t len)
{
    size_t max = spi_websocket_max_queue(ws);
    size_t mark = max < SPI_WEBSOCKET_MARK ? max : SPI_WEBSOCKET_MARK;
    while (ws->phase == SPI_WEBSOCKET_OPEN) {
        size_t pending = ws->exchange->ops->pending(ws->exchange);
        if (pending <= mark && len <= max - pending)
            return 0;
        if (!spi_task_current() || spi_websocket_is_others_task(ws)) {
            if (pending <= max && len <= max - pending)
                return 0;
            return spout_error_set(
                SPOUT_ELIMIT, "more than %zu bytes would wait for the WebSocket's peer", max);
        }
        if (pending <= mark)
            return 0;
        /* What is only gathered goes out without anybody being told. */
        ws->exchange->ops->tunnel_flush(ws->exchange);
        if (!ws->exchange || ws->exchange->ops->pending(ws->exchange) <= mark)
            continue;
        int result = spi_wait(&spi_websocket_need_extra(ws)->writers, "WebSocket writable");
        if (result < 0)
            return result;
    }
    return closed_error();
}

static int check_text(spout_message message)
{
    if (message.binary || spi_is_utf8(message.data, message.len))
        return 0;
    return spout_error_set(SPOUT_EINVAL, "a WebSocket text must be UTF-8");
}

/* Where nothing has to be waited for, or to be kept in order: straight to what goes out with the
   event that is being handled. */
static bool write_straight(spout_websocket *ws, spout_message message)
{
    size_t max = spi_websocket_max_queue(ws);
    if (ws->phase != SPI_WEBSOCKET_OPEN || ws->extra->outbox || ws->client ||
        message.len > MAX_STRAIGHT || !ws->exchange->ops->tunnel_reserve ||
        spi_websocket_compresses(ws, message.len))
        return false;
    char *out = ws->exchange->ops->tunnel_reserve(
        ws->exchange, message.len + MAX_HEAD, max < SPI_WEBSOCKET_MARK ? max : SPI_WEBSOCKET_MARK);
    if (!out)
        return false;
    size_t len = spi_frame_head(
        out, message.binary ? SPI_OP_BINARY : SPI_OP_TEXT, true, false, message.len, NULL);
    if (message.len > 0)
        memcpy(out + len, message.data, message.len);
    ws->exchange->ops->tunnel_commit(ws->exchange, len + message.len);
    return true;
}

/* What may have to wait. */
__attribute__((noinline)) static int write_when_possible(spout_websocket *ws, spout_message message)
{
    int result;
    spout_websocket_ref(ws);
    do {
        result = ws->extra->outbox ? spi_websocket_await_outbox(ws) : 0;
        if (result == 0)
            result = spi_websocket_wait_for_room(ws, message.len);
    } while (result == 0 && ws->extra->outbox);
    if (result == 0)
        result = spi_websocket_send_message(ws, message);
    if (result == 0)
        spi_loop_count(ws->loop, "websocket_sent", 1);
    spout_websocket_unref(ws);
    return result;
}

int spout_websocket_write(spout_websocket *ws, spout_message message)
{
    int result = check_text(message);
    if (result < 0)
        return result;
    if (!write_straight(ws, message))
        return write_when_possible(ws, message);
    spi_loop_count(ws->loop, "websocket_sent", 1);
    return 0;
}

int spout_websocket_write_text(spout_websocket *ws, const char *text)
{
    return spout_websocket_write(ws, spout_message_of(text));
}

int spout_websocket_write_json(spout_websocket *ws, json_t *value)
{
    size_t len;
    char *text = spi_json_dump(value, &len);
    if (value)
        json_decref(value);
    if (!text)
        return spout_error_code_current();
    int result = spout_websocket_write(ws, (spout_message){ text, len, false });
    spi_free(text);
    return result;
}

int spout_websocket_ping(spout_websocket *ws, spout_bytes data)
{
    if (data.len > MAX_CONTROL)
        return spout_error_set(SPOUT_EINVAL, "a ping carries at most %d bytes", MAX_CONTROL);
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return closed_error();
    if (ws->exchange->ops->pending(ws->exchange) > spi_websocket_max_queue(ws))
        return spout_error_set(SPOUT_ELIMIT, "the WebSocket's queue is full");
    return spi_websocket_send(ws, SPI_OP_PING, data);
}

int spout_websocket_set_nodelay(spout_websocket *ws, bool on)
{
    if (ws->phase != SPI_WEBSOCKET_OPEN)
        return closed_error();
    const spi_exchange_ops *ops = ws->exchange->ops;
    return ops->tunnel_set_nodelay ? ops->tunnel_set_nodelay(ws->exchange, on) : 0;
}

/* As much as fits into a close frame, cut at the end of a character. */
static spout_bytes cut_reason(const char *reason)
{
    spout_bytes cut = spout_bytes_of(reason ? reason : "");
    if (cut.len <= SPI_WEBSOCKET_MAX_REASON)
        return cut;
    cut.len = SPI_WEBSOCKET_MAX_REASON;
    while (cut.len > 0 && ((unsigned char)cut.data[cut.len] & 0xC0) == 0x80)
        cut.len--;
    return cut;
}

int spout_websocket_close(spout_websocket *ws, int code, const char *reason)
{
    if (code == 0 && reason && *reason)
        code = SPI_CLOSE_NORMAL;
    if (code != 0 && (code < 0 || !spi_close_code_is_valid((unsigned)code)))
        return spout_error_set(SPOUT_EINVAL, "%d can't be sent as a close code", code);
    if (reason && !spi_is_utf8(reason, strlen(reason)))
        return spout_error_set(SPOUT_EINVAL, "a close reason must be UTF-8");
    if (ws->client)
        spi_websocket_client_closed_here(ws);
    spi_websocket_start_close(ws, code, cut_reason(reason));
    return 0;
}
