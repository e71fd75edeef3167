/*
 * The life of a stream: a transport, a buffer, and two queues of waiting coroutines. Reads are in
 * stream_read.c, writes in stream_write.c.
 *
 * The transport is only read while a coroutine waits for input, or to notice the end for a close
 * callback. Otherwise bytes stay with the system (so a slow reader slows down its peer), and what
 * the last read returned stays where it is.
 */
#define _GNU_SOURCE
#include "net/stream_state.h"

#include <spout/error.h>
#include <spout/memory.h>

#include "base/bug.h"
#include "base/memory.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { DEFAULT_MAX_INPUT = 100 * 1024 * 1024, DEFAULT_MAX_OUTPUT = 64 * 1024 };

static spout_stream *stream_of(spout_transport *transport)
{
    return spi_container(transport, spout_stream, transport);
}

static void call_on_close(spout_stream *stream)
{
    spout_callback *fn = stream->on_close;
    stream->on_close = NULL;
    if (fn && spout_loop_post(stream->transport.loop, fn, stream->on_close_arg) < 0)
        fn(stream->on_close_arg);
}

/* What the last read returned must stay where it is while more comes in: it keeps the buffer's
   memory, and the buffer starts anew with the rest. */
static void set_aside(spout_stream *stream)
{
    if (stream->handed == 0)
        return;
    spi_buffer before = stream->input;
    size_t rest = spi_buffer_len(&before) - stream->handed;
    spi_buffer_init(&stream->input, before.max);
    int result = rest > 0 ? spi_buffer_append(
                                &stream->input, spi_buffer_head(&before) + stream->handed, rest)
                          : 0;
    SPI_BUG_IF(result < 0, "a part of a buffer does not fit into one like it");
    spi_free(stream->aside);
    stream->aside = before.data;
    stream->handed = 0;
}

void spi_stream_tell_if_over(spout_stream *stream)
{
    if (!stream->on_close)
        return;
    bool unread = spi_buffer_len(&stream->input) > stream->handed;
    if (stream->lost || (stream->eof && !unread))
        call_on_close(stream);
    if (!stream->on_close || stream->eof || unread)
        return;
    set_aside(stream);
    spi_transport_resume(&stream->transport);
}

static void release(spout_stream *stream)
{
    spi_buffer_release(&stream->input);
    spi_free(stream->aside);
    spi_regex_free(stream->regex);
    spi_free(stream);
}

static void free_if_over(spout_stream *stream)
{
    if (!stream->abandoned || !stream->lost || stream->inside > 0)
        return;
    spi_net_disown(&stream->owned);
    release(stream);
}

static void on_data(spout_transport *transport, char *data, size_t len)
{
    spout_stream *stream = stream_of(transport);
    if (spi_buffer_append(&stream->input, data, len) < 0) {
        spi_transport_lose(transport, SPOUT_ELIMIT, 0, "the stream's buffer is full");
        return;
    }
    if (stream->reading && spi_buffer_len(&stream->input) < stream->wake_at)
        return;
    spi_transport_pause(transport);
    spi_wake_all(&stream->readers);
}

static void on_eof(spout_transport *transport)
{
    spout_stream *stream = stream_of(transport);
    stream->eof = true;
    spi_wake_all(&stream->readers);
    spi_stream_tell_if_over(stream);
}

static void on_drain(spout_transport *transport)
{
    spi_wake_all(&stream_of(transport)->writers);
}

static void lose(spout_stream *stream, int code, const char *message)
{
    stream->lost = true;
    stream->lost_code = code;
    snprintf(stream->lost_message, sizeof stream->lost_message, "%s", message);
}

/* What happened, and the system's word for it where ours says little. */
static void keep_reason(spout_stream *stream)
{
    const spout_error *error = spout_error_current(), *cause = spout_error_get_cause(error);
    int errnum = spout_error_get_errno(cause);
    char message[sizeof stream->lost_message];
    bool plain = errnum == 0 || errnum == ECONNRESET || errnum == EPIPE || errnum == ETIMEDOUT;
    snprintf(message, sizeof message, "%s%s%s%s", spout_error_get_message(error), plain ? "" : " (",
        plain ? "" : spout_error_get_message(cause), plain ? "" : ")");
    lose(stream, spout_error_get_code(error), message);
}

static void on_lost(spout_transport *transport)
{
    spout_stream *stream = stream_of(transport);
    keep_reason(stream);
    stream->eof = stream->eof || transport->eof;
    spi_wake_all(&stream->readers);
    spi_wake_all(&stream->writers);
    spi_stream_tell_if_over(stream);
    free_if_over(stream);
}

/* The owner may have it a while longer. */
static void end_with_loop(spi_net_owned *owned)
{
    spout_stream *stream = spi_container(owned, spout_stream, owned);
    spi_transport_abort(&stream->transport);
    stream->on_close = NULL;
    lose(stream, SPOUT_ECLOSED, "the loop has ended");
    if (stream->diverted)
        stream->diverted->on_lost(&stream->transport);
    else
        free_if_over(stream);
}

static const spout_consumer stream_consumer = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_lost = on_lost,
};

static void divert_data(spout_transport *transport, char *data, size_t len)
{
    stream_of(transport)->diverted->on_data(transport, data, len);
}

static void divert_eof(spout_transport *transport)
{
    stream_of(transport)->eof = true;
    stream_of(transport)->diverted->on_eof(transport);
}

static void divert_drain(spout_transport *transport)
{
    stream_of(transport)->diverted->on_drain(transport);
}

static void divert_lost(spout_transport *transport)
{
    keep_reason(stream_of(transport));
    stream_of(transport)->diverted->on_lost(transport);
}

static const spout_consumer diverted_consumer = {
    .on_data = divert_data,
    .on_eof = divert_eof,
    .on_drain = divert_drain,
    .on_lost = divert_lost,
};

int spi_stream_divert(spout_stream *stream, const spout_consumer *consumer, void *owner)
{
    if (stream->lost)
        return spi_stream_lost_error(stream);
    if (stream->inside > 0 || spi_buffer_len(&stream->input) > stream->handed)
        return spout_error_set(SPOUT_ESTATE, "the stream is being read");
    spi_stream_begin_read(stream);
    spi_buffer_release(&stream->input);
    spi_transport_pause(&stream->transport);
    stream->diverted = consumer;
    stream->owner = owner;
    stream->transport.consumer = &diverted_consumer;
    return 0;
}

spout_transport *spi_stream_transport(spout_stream *stream)
{
    return &stream->transport;
}

void *spi_stream_owner(spout_transport *transport)
{
    return stream_of(transport)->owner;
}

static void set_sizes(spout_stream *stream, const spi_net *net, const spout_stream_options *options)
{
    size_t max_pending = net->limits.max_pending;
    stream->max_input = options && options->max_buffer_size ? options->max_buffer_size
                                                            : DEFAULT_MAX_INPUT;
    stream->max_output = options && options->max_write_buffer_size ? options->max_write_buffer_size
                                                                   : DEFAULT_MAX_OUTPUT;
    if (stream->max_output >= max_pending)
        stream->max_output = max_pending - 1;
    spi_buffer_init(&stream->input, stream->max_input + SPI_RECEIVE_SIZE);
}

/* Without its transport. */
static spout_stream *make(
    spi_net *net, const spout_endpoint *peer, const spout_stream_options *options)
{
    spout_stream *stream = spi_calloc(sizeof *stream);
    stream->peer = *peer;
    spi_list_init(&stream->owned.node);
    spi_list_init(&stream->readers);
    spi_list_init(&stream->writers);
    set_sizes(stream, net, options);
    return stream;
}

spout_stream *spi_stream_new_kind(spout_loop *loop, int fd, const spi_transport_ops *ops,
    const spout_endpoint *peer, const spout_stream_options *options)
{
    spi_net *net = spi_net_get(loop);
    spout_stream *stream = make(net, peer, options);
    if (spi_transport_open(&stream->transport, loop, fd, ops, &stream_consumer) < 0) {
        release(stream);
        return NULL;
    }
    spi_net_own(net, &stream->owned, end_with_loop);
    return stream;
}

spout_stream *spi_stream_new(
    spout_loop *loop, int fd, const spout_endpoint *peer, const spout_stream_options *options)
{
    return spi_stream_new_kind(loop, fd, &spi_transport_plain, peer, options);
}

spout_stream *spi_stream_from_transport(spout_transport *transport, spout_bytes rest,
    const spout_endpoint *peer, const spout_stream_options *options)
{
    spi_net *net = transport->net;
    spout_stream *stream = make(net, peer, options);
    if ((rest.len > 0 && spi_buffer_append(&stream->input, rest.data, rest.len) < 0) ||
        spi_transport_move(transport, &stream->transport, &stream_consumer) < 0) {
        release(stream);
        return NULL;
    }
    spi_net_own(net, &stream->owned, end_with_loop);
    stream->eof = stream->transport.eof;
    return stream;
}

/* The descriptor, made non-blocking. */
static spout_stream *open_kind(
    int fd, const spi_transport_ops *ops, const spout_stream_options *options)
{
    spout_loop *loop = spout_loop_current();
    if (!loop) {
        spout_error_set(SPOUT_ESTATE, "a stream needs a loop");
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)) {
        spout_error_set_errno(errno, "descriptor %d can't become a stream", fd);
        return NULL;
    }
    spout_endpoint peer = { 0 };
    if (ops == &spi_transport_plain)
        spi_endpoint_of_peer(&peer, fd);
    return spi_stream_new_kind(loop, fd, ops, &peer, options);
}

spout_stream *spout_stream_open(int fd, const spout_stream_options *options)
{
    return open_kind(fd, &spi_transport_plain, options);
}

spout_stream *spout_stream_open_pipe(int fd, const spout_stream_options *options)
{
    spout_stream *stream = open_kind(fd, &spi_transport_pipe, options);
    if (stream)
        spi_transport_set_pipe_direction(&stream->transport);
    return stream;
}

const spout_endpoint *spi_stream_peer(const spout_stream *stream)
{
    return &stream->peer;
}

void spi_stream_set_peer(spout_stream *stream, const spout_endpoint *peer)
{
    stream->peer = *peer;
}

int spi_stream_lost_error(const spout_stream *stream)
{
    return spout_error_set(stream->lost_code ? stream->lost_code : SPOUT_ECLOSED, "%s",
        stream->lost_message[0] ? stream->lost_message : "the stream is closed");
}

int spout_stream_error(const spout_stream *stream)
{
    return stream->lost && stream->lost_code < 0 ? spi_stream_lost_error(stream) : 0;
}

int spi_stream_leave(spout_stream *stream, int result)
{
    stream->inside--;
    if (!stream->abandoned)
        return result;
    free_if_over(stream);
    return result < 0 ? result : spout_error_set(SPOUT_ECLOSED, "the stream was closed meanwhile");
}

bool spout_stream_is_closed(const spout_stream *stream)
{
    return spi_transport_is_closed(&stream->transport);
}

void spout_stream_set_close_callback(spout_stream *stream, spout_callback *fn, void *arg)
{
    stream->on_close = fn;
    stream->on_close_arg = arg;
    spi_stream_tell_if_over(stream);
}

void spout_stream_close(spout_stream *stream)
{
    if (!stream)
        return;
    stream->abandoned = true;
    stream->diverted = NULL;
    stream->transport.consumer = &stream_consumer;
    spi_wake_all(&stream->readers);
    spi_wake_all(&stream->writers);
    call_on_close(stream);
    if (stream->reset_on_close && !stream->lost) {
        spi_transport_abort(&stream->transport);
        lose(stream, SPOUT_ECLOSED, "the stream was closed");
    }
    if (stream->lost) {
        free_if_over(stream);
        return;
    }
    if (stream->inside == 0)
        spi_buffer_release(&stream->input);
    spi_transport_close(&stream->transport);
}

int spout_stream_detach(spout_stream *stream, spout_bytes *ret_rest)
{
    if (stream->inside > 0)
        return spout_error_set(SPOUT_ESTATE, "a coroutine waits in the stream");
    if (!spi_transport_is_plain(stream->transport.ops) &&
        stream->transport.ops != &spi_transport_pipe)
        return spout_error_set(
            SPOUT_EUNSUPPORTED, "a stream that encrypts can't become a descriptor");
    size_t unread = spi_buffer_len(&stream->input) - stream->handed;
    if (unread > 0 && !ret_rest)
        return spout_error_set(SPOUT_ESTATE, "%zu bytes were received and not read", unread);
    spi_transport_flush(&stream->transport);
    int fd = spi_transport_detach(&stream->transport);
    if (fd < 0)
        return SPOUT_ESTATE;
    if (ret_rest) {
        const spout_bytes rest = { spi_buffer_head(&stream->input) + stream->handed, unread };
        *ret_rest = (spout_bytes){ unread ? spout_scope_bytes(rest) : "", unread };
    }
    stream->on_close = NULL;
    spi_net_disown(&stream->owned);
    release(stream);
    return fd;
}
