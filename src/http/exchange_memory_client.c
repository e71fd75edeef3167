#include "http/exchange_memory_state.h"

#include <spout/error.h>

#include "base/bug.h"
#include "base/memory.h"
#include "loop/task.h"
#include "net/transport.h"

static bool is_settled(const spi_memory_exchange *exchange)
{
    return exchange->reply.released || exchange->reply.upgraded;
}

int spi_memory_exchange_wait(spi_memory_exchange *exchange)
{
    int result = 0;
    while (!is_settled(exchange) && result == 0)
        result = spi_wait(&exchange->clients, "reply");
    return result;
}

static int wait_in_task(void *arg)
{
    return spi_memory_exchange_wait(arg);
}

int spi_memory_exchange_run(spi_memory_exchange *exchange)
{
    if (is_settled(exchange))
        return 0;
    return spout_loop_run_sync(exchange->base.loop, wait_in_task, exchange, 0);
}

const spi_memory_reply *spi_memory_exchange_reply(spi_memory_exchange *exchange)
{
    exchange->reply.body.len = spi_buffer_len(&exchange->output);
    exchange->reply.body.data = spi_buffer_text(&exchange->output);
    return &exchange->reply;
}

const char *spi_memory_reply_field(const spi_memory_reply *reply, const char *name)
{
    const spi_field *field = spi_field_find(reply->fields, reply->field_count, name, strlen(name));
    return field ? field->value : NULL;
}

int spi_memory_upgrade(
    spi_exchange *base, const spi_reply_head *head, const spi_tunnel *tunnel, void *self)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (base->gone)
        return spout_error_set(SPOUT_ECLOSED, "the client has gone");
    if (base->head_sent)
        return spout_error_set(SPOUT_ESTATE, "the head was sent already");
    if (base->head.minor_version == 0 || exchange->unread || exchange->failed)
        return spout_error_set(SPOUT_EUNSUPPORTED, "this request can't be upgraded");
    exchange->tunnel = tunnel;
    exchange->tunnel_self = self;
    base->upgraded = base->head_sent = base->finished = true;
    exchange->eof_owed = base->half_closed;
    spi_memory_record_upgrade(exchange, head);
    if (exchange->eof_owed)
        spi_ready_schedule(base->loop, &exchange->ready);
    return 0;
}

int spi_memory_tunnel_write(spi_exchange *base, const spout_bytes *pieces, int count)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (exchange->closing || exchange->lost)
        return spout_error_set(SPOUT_ECLOSED, "the tunnel is closed");
    for (int i = 0; i < count; i++) {
        int result = spi_buffer_append(&exchange->output, pieces[i].data, pieces[i].len);
        if (result < 0)
            return result;
    }
    return 0;
}

int spi_memory_tunnel_write_blob(spi_exchange *base, struct spi_blob *blob)
{
    return spi_memory_tunnel_write(base, &(spout_bytes){ blob->data, blob->len }, 1);
}

void spi_memory_tunnel_pause(spi_exchange *base)
{
    spi_memory_of(base)->paused = true;
}

void spi_memory_tunnel_resume(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    exchange->paused = false;
    if (spi_buffer_len(&exchange->input) > 0 || exchange->eof_owed)
        spi_ready_schedule(base->loop, &exchange->ready);
}

void spi_memory_tunnel_flush(spi_exchange *base)
{
    (void)base; /* there is nothing between the two ends */
}

void spi_memory_tunnel_close(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (exchange->lost)
        return;
    exchange->closing = true;
    spi_ready_schedule(base->loop, &exchange->ready);
}

spi_exchange *spi_memory_drop_arena(spi_exchange *base)
{
    spi_arena *arena = base->arena;
    base->arena = NULL;
    base->head = (spi_request_head){ 0 };
    base->body = (spout_bytes){ "", 0 };
    spi_arena_pool_give(spi_loop_arenas(base->loop), arena);
    return base;
}

static void end_tunnel(spi_memory_exchange *exchange)
{
    spi_memory_drop_arena(&exchange->base);
    exchange->reply.released = true;
    if (exchange->abandoned)
        spi_memory_destroy(exchange);
    else
        spi_wake_all(&exchange->clients);
}

static void lose_tunnel(spi_memory_exchange *exchange)
{
    if (exchange->lost)
        return;
    exchange->lost = true;
    exchange->base.gone = true;
    exchange->reply.close = true;
    exchange->tunnel->on_lost(exchange->tunnel_self);
    if (!exchange->reply.released && !exchange->base.keep_arena)
        end_tunnel(exchange);
}

spi_exchange *spi_memory_tunnel_drop_arena(spi_exchange *base)
{
    spi_memory_exchange *exchange = spi_memory_of(base);
    if (exchange->lost && base->keep_arena) {
        end_tunnel(exchange);
        return NULL;
    }
    base->keep_arena = false;
    return spi_memory_drop_arena(base);
}

static void deliver(spi_memory_exchange *exchange)
{
    spi_buffer buffer = exchange->input;
    spi_buffer_init(&exchange->input, buffer.max);
    exchange->tunnel->on_data(
        exchange->tunnel_self, spi_buffer_head(&buffer), spi_buffer_len(&buffer));
    spi_buffer_release(&buffer);
}

/* The client's bytes reach the tunnel from a turn of the loop, as they would on a socket. */
void spi_memory_tunnel_turn(spi_ready *ready)
{
    spi_memory_exchange *exchange = spi_container(ready, spi_memory_exchange, ready);
    if (!exchange->closing && !exchange->paused && spi_buffer_len(&exchange->input) > 0)
        deliver(exchange);
    if (exchange->reply.released)
        return;
    if (!exchange->closing && !exchange->paused && exchange->eof_owed) {
        exchange->eof_owed = false;
        exchange->tunnel->on_eof(exchange->tunnel_self);
    }
    if (exchange->closing)
        lose_tunnel(exchange);
}

void spi_memory_exchange_send(spi_memory_exchange *exchange, spout_bytes bytes)
{
    if (!exchange->tunnel || exchange->closing || exchange->lost)
        return;
    int result = spi_buffer_append(&exchange->input, bytes.data, bytes.len);
    SPI_BUG_IF(result < 0, "a tunnel in memory holds more than memory");
    spi_ready_schedule(exchange->base.loop, &exchange->ready);
}

static void tell_gone(spi_memory_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    if (base->gone || exchange->reply.released)
        return;
    base->gone = true;
    spi_wake_all(&exchange->readers);
    spi_wake_all(&exchange->writers);
    if (exchange->served && !base->finished)
        base->service->on_gone(base->service_self, base);
}

void spi_memory_exchange_half_close(spi_memory_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    base->half_closed = true;
    spi_wake_all(&exchange->readers);
    if (exchange->tunnel && !exchange->lost) {
        exchange->eof_owed = true;
        spi_ready_schedule(base->loop, &exchange->ready);
    } else if (base->hang_up_on_eof) {
        tell_gone(exchange);
    }
}

void spi_memory_exchange_hang_up(spi_memory_exchange *exchange)
{
    if (exchange->tunnel)
        spi_memory_tunnel_close(&exchange->base);
    else
        tell_gone(exchange);
}

void spi_memory_destroy(spi_memory_exchange *exchange)
{
    spi_ready_cancel(&exchange->ready);
    spi_buffer_release(&exchange->input);
    spi_buffer_release(&exchange->output);
    spi_arena_free(exchange->kept);
    spi_free(exchange);
}

void spi_memory_exchange_free(spi_memory_exchange *exchange)
{
    if (!exchange)
        return;
    bool held = exchange->served && !exchange->reply.released;
    if (!exchange->served)
        spi_memory_drop_arena(&exchange->base);
    if (!held) {
        spi_memory_destroy(exchange);
        return;
    }
    exchange->abandoned = true;
    if (exchange->tunnel)
        lose_tunnel(exchange);
    else
        tell_gone(exchange);
}
