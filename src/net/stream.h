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
 * Turns a transport, of any kind, into a stream: `rest`, which had been received already, comes in
 * front of what follows. NULL with the error set and the transport unchanged if output is pending,
 * it is closed, or `rest` is more than the stream may hold (SPOUT_ELIMIT).
 */
spout_stream *spi_stream_from_transport(spout_transport *transport, spout_bytes rest,
    const spout_endpoint *peer, const spout_stream_options *options);

const spout_endpoint *spi_stream_peer(const spout_stream *stream);
void spi_stream_set_peer(spout_stream *stream, const spout_endpoint *peer);

/*
 * For what was connected by a coroutine and is event-driven from then on: the consumer is told what
 * happens on the transport, on_lost also when the loop ends. Coroutines read no more; input starts
 * with spi_transport_resume. SPOUT_ESTATE if something was received and not read, or a coroutine
 * waits. spout_stream_close takes the stream back as ever: nothing is called any more.
 */
int spi_stream_divert(spout_stream *stream, const spout_consumer *consumer, void *owner);
spout_transport *spi_stream_transport(spout_stream *stream);
void *spi_stream_owner(spout_transport *transport); /* of one that is a diverted stream's */

#endif
