/* Streams: socket options and addresses. */
#include "net/stream_state.h"

#include <spout/error.h>

#include "net/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int set_option(const spout_stream *stream, int level, int option, int value)
{
    return setsockopt(spi_transport_fd(&stream->transport), level, option, &value, sizeof value);
}

static int check_open(const spout_stream *stream)
{
    return spi_transport_is_closed(&stream->transport)
               ? spout_error_set(SPOUT_ECLOSED, "the connection is closed")
               : 0;
}

int spout_stream_set_nodelay(spout_stream *stream, bool on)
{
    int result = check_open(stream);
    if (result < 0 || stream->peer.family == 0)
        return result;
    return set_option(stream, IPPROTO_TCP, TCP_NODELAY, on) < 0
               ? spout_error_set_errno(errno, "TCP_NODELAY can't be set")
               : 0;
}

int spout_stream_set_keep_alive(spout_stream *stream, const spout_keep_alive_options *options)
{
    static const spout_keep_alive_options defaults;
    int result = check_open(stream);
    if (result < 0 || stream->peer.family == 0)
        return result;
    if (!options)
        options = &defaults;
    bool on = options->idle_s != SPOUT_NONE;
    if (set_option(stream, SOL_SOCKET, SO_KEEPALIVE, on) < 0 ||
        (on && options->idle_s &&
            set_option(stream, IPPROTO_TCP, TCP_KEEPIDLE, options->idle_s) < 0) ||
        (on && options->interval_s &&
            set_option(stream, IPPROTO_TCP, TCP_KEEPINTVL, options->interval_s) < 0) ||
        (on && options->probes &&
            set_option(stream, IPPROTO_TCP, TCP_KEEPCNT, options->probes) < 0))
        return spout_error_set_errno(errno, "keep-alive can't be set");
    return 0;
}

int spout_stream_set_reset_on_close(spout_stream *stream, bool on)
{
    int result = check_open(stream);
    struct linger linger = { .l_onoff = on };
    if (result == 0 && stream->peer.family != 0 &&
        setsockopt(spi_transport_fd(&stream->transport), SOL_SOCKET, SO_LINGER, &linger,
            sizeof linger) < 0)
        return spout_error_set_errno(errno, "SO_LINGER can't be set");
    if (result == 0)
        stream->reset_on_close = on;
    return result;
}

const char *spout_stream_remote_ip(spout_stream *stream)
{
    return spout_endpoint_text(&stream->peer, stream->ip);
}

int spout_stream_remote_port(const spout_stream *stream)
{
    return stream->peer.port;
}
