/*
 * Streams: a transport, a buffer, and two queues of waiting coroutines.
 *
 * The transport is only read while a coroutine waits for input. Until then bytes stay with the
 * system (so a slow reader slows down its peer), and what the last read returned stays where it is.
 */
#define _GNU_SOURCE
#include "net/stream.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

enum {
    DEFAULT_MAX_INPUT = 100 * 1024 * 1024,
    DEFAULT_MAX_OUTPUT = 64 * 1024,
    KEPT_BUFFER = 16 *
                  1024 /* a stream that waits with nothing in its buffer keeps no more than this */
};

struct spout_stream {
    spout_transport transport;
    spi_net_owned owned;
    spi_buffer input;
    size_t handed;  /* bytes at the front that the last read returned; the next one drops them */
    size_t wake_at; /* bytes that the waiting reader needs */
    size_t max_input, max_output;
    spi_list readers, writers;
    unsigned
        inside; /* coroutines that wait in a call: the last one out frees an abandoned stream */
    bool reading, eof, lost, abandoned;
    int lost_code;
    char lost_message[128];
    spout_endpoint peer;
    char ip[46];
};

static spout_stream *stream_of(spout_transport *transport)
{
    return spi_container(transport, spout_stream, transport);
}

static void free_if_over(spout_stream *stream)
{
    if (!stream->abandoned || !stream->lost || stream->inside > 0)
        return;
    spi_net_disown(&stream->owned);
    spi_buffer_release(&stream->input);
    spi_free(stream);
}

static void on_data(spout_transport *transport, char *data, size_t len)
{
    spout_stream *stream = stream_of(transport);
    if (spi_buffer_append(&stream->input, data, len) < 0) {
        spi_transport_lose(transport, SPOUT_ELIMIT, 0, "the stream's buffer is full");
        return;
    }
    if (spi_buffer_len(&stream->input) < stream->wake_at)
        return;
    spi_transport_pause(transport);
    spi_wake_all(&stream->readers);
}

static void on_eof(spout_transport *transport)
{
    spout_stream *stream = stream_of(transport);
    stream->eof = true;
    spi_wake_all(&stream->readers);
}

static void on_drain(spout_transport *transport)
{
    spi_wake_all(&stream_of(transport)->writers);
}

static void on_lost(spout_transport *transport)
{
    spout_stream *stream = stream_of(transport);
    stream->lost = true;
    stream->eof = stream->eof || transport->eof;
    stream->lost_code = spout_error_code_current();
    snprintf(stream->lost_message, sizeof stream->lost_message, "%s", spout_error_message());
    spi_wake_all(&stream->readers);
    spi_wake_all(&stream->writers);
    free_if_over(stream);
}

/* The owner may have it a while longer. */
static void end_with_loop(spi_net_owned *owned)
{
    spout_stream *stream = spi_container(owned, spout_stream, owned);
    spi_transport_abort(&stream->transport);
    stream->lost = true;
    stream->lost_code = SPOUT_ECLOSED;
    snprintf(stream->lost_message, sizeof stream->lost_message, "the loop has ended");
    free_if_over(stream);
}

static const spout_consumer stream_consumer = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_lost = on_lost,
};

static void set_sizes(spout_stream *stream, const spout_stream_options *options)
{
    size_t max_pending = stream->transport.net->limits.max_pending;
    stream->max_input = options && options->max_buffer_size ? options->max_buffer_size
                                                            : DEFAULT_MAX_INPUT;
    stream->max_output = options && options->max_write_buffer_size ? options->max_write_buffer_size
                                                                   : DEFAULT_MAX_OUTPUT;
    if (stream->max_output >= max_pending)
        stream->max_output = max_pending - 1;
    spi_buffer_init(&stream->input, stream->max_input + SPI_RECEIVE_SIZE);
}

spout_stream *spi_stream_new(
    spout_loop *loop, int fd, const spout_endpoint *peer, const spout_stream_options *options)
{
    spout_stream *stream = spi_calloc(sizeof *stream);
    if (spi_transport_open(&stream->transport, loop, fd, &spi_transport_plain, &stream_consumer) <
        0) {
        spi_free(stream);
        return NULL;
    }
    stream->peer = *peer;
    spi_net_own(stream->transport.net, &stream->owned, end_with_loop);
    spi_list_init(&stream->readers);
    spi_list_init(&stream->writers);
    set_sizes(stream, options);
    return stream;
}

spout_stream *spout_stream_open(int fd, const spout_stream_options *options)
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
    spout_endpoint peer;
    spi_endpoint_of_peer(&peer, fd);
    return spi_stream_new(loop, fd, &peer, options);
}

const spout_endpoint *spi_stream_peer(const spout_stream *stream)
{
    return &stream->peer;
}

static int end_error(const spout_stream *stream)
{
    if (stream->eof)
        return spout_error_set(SPOUT_ECLOSED, "the peer has closed the connection");
    return spout_error_set(
        stream->lost_code ? stream->lost_code : SPOUT_ECLOSED, "%s", stream->lost_message);
}

/* After a wait. The stream may be gone if this fails. */
static int leave(spout_stream *stream, int result)
{
    stream->inside--;
    if (!stream->abandoned)
        return result;
    free_if_over(stream);
    return result < 0 ? result : spout_error_set(SPOUT_ECLOSED, "the stream was closed meanwhile");
}

/* Waits for input until `len` bytes are there, or the end comes. */
static int fill(spout_stream *stream, size_t len)
{
    if (stream->eof || stream->lost)
        return end_error(stream);
    if (spi_buffer_len(&stream->input) == 0 && stream->input.capacity > KEPT_BUFFER)
        spi_buffer_release(&stream->input);
    stream->wake_at = len;
    stream->reading = true;
    stream->inside++;
    spi_transport_resume(&stream->transport);
    int result = spi_wait(&stream->readers, "stream input");
    spi_transport_pause(&stream->transport);
    stream->reading = false;
    return leave(stream, result);
}

static int begin_read(spout_stream *stream)
{
    if (stream->reading)
        return spout_error_set(SPOUT_ESTATE, "another coroutine reads from this stream");
    spi_buffer_consume(&stream->input, stream->handed);
    stream->handed = 0;
    return 0;
}

static int hand_out(spout_stream *stream, size_t len, spout_bytes *ret_bytes)
{
    *ret_bytes = (spout_bytes){ len ? spi_buffer_head(&stream->input) : "", len };
    stream->handed = len;
    return 0;
}

static size_t limit_of(const spout_stream *stream, size_t max)
{
    return max == 0 || max > stream->max_input ? stream->max_input : max;
}

int spout_stream_read(spout_stream *stream, size_t len, spout_bytes *ret_bytes)
{
    int result = begin_read(stream);
    if (result == 0 && len > stream->max_input)
        result = spout_error_set(SPOUT_ELIMIT,
            "%zu bytes don't fit into the stream's buffer of %zu", len, stream->max_input);
    while (result == 0 && spi_buffer_len(&stream->input) < len)
        result = fill(stream, len);
    return result == 0 ? hand_out(stream, len, ret_bytes) : result;
}

int spout_stream_read_some(spout_stream *stream, size_t max, spout_bytes *ret_bytes)
{
    int result = begin_read(stream);
    while (result == 0 && spi_buffer_len(&stream->input) == 0)
        result = fill(stream, 1);
    if (result < 0)
        return result;
    size_t len = spi_buffer_len(&stream->input), most = limit_of(stream, max);
    return hand_out(stream, len < most ? len : most, ret_bytes);
}

/* The end of the delimiter's first occurrence at or after `from`, or 0. */
static size_t find_end(
    const spi_buffer *input, size_t from, const char *delimiter, size_t delimiter_len)
{
    size_t len = spi_buffer_len(input);
    if (len < from + delimiter_len)
        return 0;
    const char *head = spi_buffer_head(input);
    const char *found = memmem(head + from, len - from, delimiter, delimiter_len);
    return found ? (size_t)(found - head) + delimiter_len : 0;
}

int spout_stream_read_until(
    spout_stream *stream, const char *delimiter, size_t max, spout_bytes *ret_bytes)
{
    size_t delimiter_len = strlen(delimiter), scanned = 0, most = limit_of(stream, max);
    if (delimiter_len == 0)
        return spout_error_set(SPOUT_EINVAL, "an empty delimiter");
    int result = begin_read(stream);
    while (result == 0) {
        size_t len = spi_buffer_len(&stream->input);
        size_t end = find_end(&stream->input, scanned, delimiter, delimiter_len);
        if (end > 0 && end <= most)
            return hand_out(stream, end, ret_bytes);
        if (end > 0 || len >= most)
            return spout_error_set(
                SPOUT_ELIMIT, "the delimiter did not come within %zu bytes", most);
        scanned = len >= delimiter_len ? len - delimiter_len + 1 : 0;
        result = fill(stream, len + 1);
    }
    return result;
}

int spout_stream_read_into(spout_stream *stream, void *out, size_t len)
{
    spout_bytes bytes;
    int result = spout_stream_read(stream, len, &bytes);
    if (result == 0 && len > 0)
        memcpy(out, bytes.data, len);
    return result;
}

int spout_stream_read_until_close(spout_stream *stream, size_t max, spout_bytes *ret_bytes)
{
    size_t most = limit_of(stream, max);
    int result = begin_read(stream);
    while (result == 0 && !stream->eof && spi_buffer_len(&stream->input) <= most)
        result = fill(stream, most + 1);
    if (result < 0)
        return result;
    size_t len = spi_buffer_len(&stream->input);
    if (len > most)
        return spout_error_set(SPOUT_ELIMIT, "the peer sent more than %zu bytes", most);
    return hand_out(stream, len, ret_bytes);
}

/* Until at most `most` bytes are gathered or queued. */
static int wait_for_output(spout_stream *stream, size_t most, const char *what)
{
    spout_transport *transport = &stream->transport;
    if (spi_transport_pending(transport) > most)
        spi_transport_flush(transport);
    while (spi_transport_pending(transport) > most) {
        stream->inside++;
        int result = leave(stream, spi_wait(&stream->writers, what));
        if (result < 0)
            return result;
    }
    if (stream->lost)
        return spout_error_set(
            stream->lost_code ? stream->lost_code : SPOUT_ECLOSED, "%s", stream->lost_message);
    if (spi_transport_is_closed(transport))
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    return 0;
}

int spout_stream_write(spout_stream *stream, spout_bytes bytes)
{
    int result = wait_for_output(stream, stream->max_output, "stream output");
    return result < 0 ? result : spi_transport_write(&stream->transport, bytes.data, bytes.len);
}

int spout_stream_flush(spout_stream *stream)
{
    return wait_for_output(stream, 0, "stream flush");
}

int spout_stream_shutdown(spout_stream *stream)
{
    if (!spi_transport_is_writable(&stream->transport))
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    spi_transport_shutdown(&stream->transport);
    return 0;
}

bool spout_stream_is_closed(const spout_stream *stream)
{
    return spi_transport_is_closed(&stream->transport);
}

int spout_stream_set_nodelay(spout_stream *stream, bool on)
{
    if (spi_transport_is_closed(&stream->transport))
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    int value = on;
    if (stream->peer.family != 0 && setsockopt(spi_transport_fd(&stream->transport), IPPROTO_TCP,
                                        TCP_NODELAY, &value, sizeof value) < 0)
        return spout_error_set_errno(errno, "TCP_NODELAY can't be set");
    return 0;
}

const char *spout_stream_remote_ip(spout_stream *stream)
{
    return spout_endpoint_text(&stream->peer, stream->ip);
}

void spout_stream_close(spout_stream *stream)
{
    if (!stream)
        return;
    stream->abandoned = true;
    spi_wake_all(&stream->readers);
    spi_wake_all(&stream->writers);
    if (stream->lost) {
        free_if_over(stream);
        return;
    }
    if (stream->inside == 0)
        spi_buffer_release(&stream->input);
    spi_transport_close(&stream->transport);
}
