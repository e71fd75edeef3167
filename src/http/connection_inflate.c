#include "http/connection.h"

#include <spout/error.h>

static const char cut_short[] = "the body's gzip is cut short";

static spi_gunzip *need_inflater(spi_http1_exchange *exchange)
{
    spi_http1_extras *extras = spi_http1_need_extras(exchange);
    if (!extras->inflater)
        extras->inflater = spi_gunzip_new(exchange->base.max_body);
    return extras->inflater;
}

static int status_of(long result)
{
    return result == SPOUT_ELIMIT ? 413 : result == SPOUT_ESYSTEM ? 503 : 400;
}

static const char *words_of(int status)
{
    return status == 413   ? "the body is too large when inflated"
           : status == 503 ? "no memory to inflate the body"
                           : "the body's gzip is damaged";
}

/* All of `in`, appended. */
static long inflate_all(spi_gunzip *inflater, spout_bytes in, spi_buffer *out)
{
    enum { STEP = 16 * 1024 };
    long result;
    do {
        char *room = spi_buffer_reserve(out, STEP);
        if (!room)
            return SPOUT_ELIMIT;
        result = spi_gunzip_feed(inflater, &in, room, STEP);
        spi_buffer_commit(out, result > 0 ? (size_t)result : 0);
    } while (result > 0);
    if (result == 0 && !spi_gunzip_is_complete(inflater))
        return spout_error_set(SPOUT_EPROTO, "%s", cut_short);
    return result;
}

int spi_http1_inflate_body(spi_http1_exchange *exchange)
{
    spi_exchange *base = &exchange->base;
    spi_buffer out;
    spi_buffer_init(&out, SIZE_MAX / 4); /* the inflater has the limit */
    spi_gunzip *inflater = need_inflater(exchange);
    long result = inflater ? inflate_all(inflater, base->body, &out) : SPOUT_ESYSTEM;
    if (result < 0) {
        spi_buffer_release(&out);
        return status_of(result);
    }
    spi_buffer_release(&exchange->extras->content);
    exchange->extras->content = out;
    base->body.len = spi_buffer_len(&exchange->extras->content);
    base->body.data = spi_buffer_text(&exchange->extras->content);
    return 0;
}

static size_t piece_size(const spi_http1_exchange *exchange)
{
    enum { MOST = 64 * 1024 };
    const spout_http_server *server = exchange->connection->server;
    size_t size = server ? server->limits.chunk_size : MOST;
    return size < MOST ? size : MOST;
}

/* What the inflater can give of the bytes that are there: as spi_gunzip_feed, but a status set. */
static long inflate_more(spi_http1_exchange *exchange, spout_bytes *ret_piece)
{
    size_t room = piece_size(exchange);
    if (!exchange->extras->inflated)
        exchange->extras->inflated = spi_arena_chars(exchange->base.arena, room);
    long result = spi_gunzip_feed(
        need_inflater(exchange), &exchange->extras->compressed, exchange->extras->inflated, room);
    if (result < 0)
        return spi_http1_fail_body(exchange, status_of(result), words_of(status_of(result)));
    *ret_piece = (spout_bytes){ exchange->extras->inflated, (size_t)result };
    return result;
}

int spi_http1_inflate_piece(spi_http1_exchange *exchange,
    int (*next)(spi_http1_exchange *exchange, spout_bytes *ret_piece), spout_bytes *ret_piece)
{
    for (;;) {
        long result = exchange->extras->inflater && !exchange->failed && !exchange->base.gone
                          ? inflate_more(exchange, ret_piece)
                          : 0;
        if (result != 0)
            return result > 0 ? 1 : (int)result;
        int got = next(exchange, &exchange->extras->compressed);
        if (got < 0)
            return got;
        if (got == 0 && exchange->extras->inflater &&
            !spi_gunzip_is_complete(exchange->extras->inflater))
            return spi_http1_fail_body(exchange, 400, cut_short);
        if (got == 0)
            return 0;
        if (!need_inflater(exchange))
            return spi_http1_fail_body(exchange, 503, words_of(503));
    }
}
