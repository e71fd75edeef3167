/* Reads: each waits until the buffer has what it wants, then hands out its front. */
#define _GNU_SOURCE
#include "net/stream_state.h"

#include <spout/error.h>

#include "base/memory.h"
#include "loop/task.h"

/* A stream that waits with nothing in its buffer keeps no more than this. */
enum { KEPT_BUFFER = 16 * 1024 };

static int end_error(const spout_stream *stream)
{
    if (stream->eof)
        return spout_error_set(SPOUT_ECLOSED, "the peer has closed the connection");
    return spi_stream_lost_error(stream);
}

int spi_stream_fill(spout_stream *stream, size_t len)
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
    spi_stream_tell_if_over(stream);
    return spi_stream_leave(stream, result);
}

int spi_stream_begin_read(spout_stream *stream)
{
    if (stream->reading)
        return spout_error_set(SPOUT_ESTATE, "another coroutine reads from this stream");
    spi_buffer_consume(&stream->input, stream->handed);
    stream->handed = 0;
    spi_free(stream->aside);
    stream->aside = NULL;
    return 0;
}

int spi_stream_hand_out(spout_stream *stream, size_t len, spout_bytes *ret_bytes)
{
    *ret_bytes = (spout_bytes){ len ? spi_buffer_head(&stream->input) : "", len };
    stream->handed = len;
    spi_stream_tell_if_over(stream);
    return 0;
}

size_t spi_stream_limit(const spout_stream *stream, size_t max)
{
    return max == 0 || max > stream->max_input ? stream->max_input : max;
}

int spout_stream_read(spout_stream *stream, size_t len, spout_bytes *ret_bytes)
{
    int result = spi_stream_begin_read(stream);
    if (result == 0 && len > stream->max_input)
        result = spout_error_set(SPOUT_ELIMIT,
            "%zu bytes don't fit into the stream's buffer of %zu", len, stream->max_input);
    while (result == 0 && spi_buffer_len(&stream->input) < len)
        result = spi_stream_fill(stream, len);
    return result == 0 ? spi_stream_hand_out(stream, len, ret_bytes) : result;
}

int spout_stream_read_some(spout_stream *stream, size_t max, spout_bytes *ret_bytes)
{
    int result = spi_stream_begin_read(stream);
    while (result == 0 && spi_buffer_len(&stream->input) == 0)
        result = spi_stream_fill(stream, 1);
    if (result < 0)
        return result;
    size_t len = spi_buffer_len(&stream->input), most = spi_stream_limit(stream, max);
    return spi_stream_hand_out(stream, len < most ? len : most, ret_bytes);
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
    if (!delimiter || !*delimiter)
        return spout_error_set(SPOUT_EINVAL, "an empty delimiter");
    size_t delimiter_len = strlen(delimiter), scanned = 0, most = spi_stream_limit(stream, max);
    int result = spi_stream_begin_read(stream);
    while (result == 0) {
        size_t len = spi_buffer_len(&stream->input);
        size_t end = find_end(&stream->input, scanned, delimiter, delimiter_len);
        if (end > 0 && end <= most)
            return spi_stream_hand_out(stream, end, ret_bytes);
        if (end > 0 || len >= most)
            return spout_error_set(
                SPOUT_ELIMIT, "the delimiter did not come within %zu bytes", most);
        scanned = len >= delimiter_len ? len - delimiter_len + 1 : 0;
        result = spi_stream_fill(stream, len + 1);
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

int spout_stream_read_some_into(spout_stream *stream, void *out, size_t max, size_t *ret_len)
{
    spout_bytes bytes = { "", 0 };
    int result = max > 0 ? spout_stream_read_some(stream, max, &bytes) : 0;
    if (result < 0)
        return result;
    memcpy(out, bytes.data, bytes.len);
    *ret_len = bytes.len;
    return 0;
}

int spout_stream_read_until_close(spout_stream *stream, size_t max, spout_bytes *ret_bytes)
{
    size_t most = spi_stream_limit(stream, max);
    int result = spi_stream_begin_read(stream);
    while (result == 0 && !stream->eof && spi_buffer_len(&stream->input) <= most)
        result = spi_stream_fill(stream, most + 1);
    if (result < 0)
        return result;
    size_t len = spi_buffer_len(&stream->input);
    if (len > most)
        return spout_error_set(SPOUT_ELIMIT, "the peer sent more than %zu bytes", most);
    return spi_stream_hand_out(stream, len, ret_bytes);
}
