/* Streams from inside. */
#ifndef SPI_STREAM_H
#define SPI_STREAM_H

#include <spout/stream.h>
#include <spout/sys/transport.h>

struct spi_transport_ops;

/* A stream on a connected socket whose peer is known. NULL with the error set; the fd is the
   caller's then. */
spout_stream *spi_stream_new(
    spout_loop *loop, int fd, const spout_endpoint *peer, const spout_stream_options *options);

/* The same for any kind of transport. */
spout_stream *spi_stream_new_kind(spout_loop *loop, int fd, const struct spi_transport_ops *ops,
    const spout_endpoint *peer, const spout_stream_options *options);

/*
 * Turns a transport into a stream: takes its descriptor out and puts `rest`, which had been
 * received already, in front of what follows. NULL with the error set and the transport unchanged
 * if output is pending or it is closed. Only for transports without state of their own.
 */
spout_stream *spi_stream_from_transport(spout_transport *transport, spout_bytes rest,
    const spout_endpoint *peer, const spout_stream_options *options);

const spout_endpoint *spi_stream_peer(const spout_stream *stream);
void spi_stream_set_peer(spout_stream *stream, const spout_endpoint *peer);

#endif
