/* TLS on streams. */
#include <spout/tls.h>

#include <spout/error.h>

#include "loop/task.h"
#include "net/stream_state.h"
#include "net/tls.h"

static void on_secure(spout_transport *transport)
{
    spi_wake_all(&spi_container(transport, spout_stream, transport)->readers);
}

static int check_idle(spout_stream *stream)
{
    if (!spi_task_current())
        return spout_error_set(SPOUT_ESTATE, "starting TLS waits: it needs a coroutine");
    if (stream->lost)
        return spi_stream_lost_error(stream);
    int result = spi_stream_begin_read(stream);
    if (result == 0 && spi_buffer_len(&stream->input) > 0)
        return spout_error_set(SPOUT_ESTATE,
            "TLS can't start: the peer has sent %zu bytes that nobody read",
            spi_buffer_len(&stream->input));
    return result < 0 ? result : spout_stream_flush(stream);
}

static int wait_secure(spout_stream *stream)
{
    int result = 0;
    stream->reading = true;
    while (result == 0 && !stream->lost && !spi_transport_is_secure(&stream->transport)) {
        stream->inside++;
        result = spi_wait(&stream->readers, "TLS handshake");
        bool abandoned = stream->abandoned;
        result = spi_stream_leave(stream, result);
        if (abandoned)
            return result;
    }
    stream->reading = false;
    if (result < 0)
        spi_transport_lose(&stream->transport, result, 0, "TLS was not agreed on in time");
    else if (stream->lost)
        result = spi_stream_lost_error(stream);
    return result;
}

int spout_stream_start_tls(spout_stream *stream, spout_tls *tls, const char *server_name)
{
    int result = check_idle(stream);
    if (result < 0)
        return result;
    spi_transport_pause(&stream->transport);
    result = spi_tls_wrap(&stream->transport, tls,
        &(spi_tls_wrap_options){ .server_name = server_name, .on_secure = on_secure });
    return result < 0 ? result : wait_secure(stream);
}

int spout_stream_tls_info(spout_stream *stream, spout_tls_info *ret_info)
{
    return spi_tls_info(&stream->transport, ret_info);
}
