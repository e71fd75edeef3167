/* Streams from inside. */
#ifndef SPI_STREAM_H
#define SPI_STREAM_H

#include <spout/stream.h>
#include <spout/sys/transport.h>

/* A stream on a connected socket whose peer is known. NULL with the error set; the fd is the
   caller's then. */
spout_stream *spi_stream_new(
    spout_loop *loop, int fd, const spout_endpoint *peer, const spout_stream_options *options);

const spout_endpoint *spi_stream_peer(const spout_stream *stream);

#endif
