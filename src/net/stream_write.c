/* Writes: each waits until little enough is queued. */
#define _GNU_SOURCE
#include "net/stream_state.h"

#include <spout/error.h>

#include "loop/task.h"
#include "net/output.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Until at most `most` bytes are gathered or queued. */
static int wait_for_output(spout_stream *stream, size_t most, const char *what)
{
    spout_transport *transport = &stream->transport;
    if (spi_transport_pending(transport) > most)
        spi_transport_flush(transport);
    while (spi_transport_pending(transport) > most) {
        stream->inside++;
        int result = spi_stream_leave(stream, spi_wait(&stream->writers, what));
        if (result < 0)
            return result;
    }
    return 0;
}

static int wait_to_write(spout_stream *stream)
{
    int result = wait_for_output(stream, stream->max_output, "stream output");
    if (result == 0 && stream->lost)
        return spi_stream_lost_error(stream);
    return result;
}

int spout_stream_write(spout_stream *stream, spout_bytes bytes)
{
    return spout_stream_writev(stream, &bytes, 1);
}

int spout_stream_writev(spout_stream *stream, const spout_bytes *pieces, int count)
{
    int result = wait_to_write(stream);
    return result < 0 ? result : spi_transport_writev(&stream->transport, pieces, count);
}

static int rest_of_file(int fd, int64_t offset, int64_t *ret_len)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return spout_error_set_errno(errno, "descriptor %d can't be sent", fd);
    *ret_len = info.st_size > offset ? info.st_size - offset : 0;
    return 0;
}

int spout_stream_write_file(spout_stream *stream, int fd, int64_t offset, int64_t len)
{
    int result = len == SPOUT_NONE ? rest_of_file(fd, offset, &len) : 0;
    if (result == 0 && (offset < 0 || len < 0))
        result = spout_error_set(SPOUT_EINVAL, "a part of a file that does not exist");
    if (result == 0)
        result = wait_to_write(stream);
    if (result == 0)
        return spi_transport_write_file(&stream->transport, fd, offset, len);
    close(fd);
    return result;
}

/* Everything went out before the end that we asked for. */
static bool ended_well(const spout_stream *stream)
{
    const spi_output *output = stream->transport.output;
    if (!stream->finished)
        return false;
    return stream->lost ? stream->lost_code == SPOUT_OK : output && output->lost_code == SPOUT_OK;
}

int spout_stream_flush(spout_stream *stream)
{
    int result = wait_for_output(stream, 0, "stream flush");
    if (result < 0 || !spi_transport_is_closed(&stream->transport) || ended_well(stream))
        return result;
    return stream->lost ? spi_stream_lost_error(stream)
                        : spout_error_set(SPOUT_ECLOSED, "the connection is closed");
}

int spout_stream_shutdown(spout_stream *stream)
{
    if (!spi_transport_is_writable(&stream->transport))
        return spout_error_set(SPOUT_ECLOSED, "the connection is closed");
    stream->finished = true;
    spi_transport_shutdown(&stream->transport);
    return 0;
}
