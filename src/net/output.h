/*
 * The output queue: what the system did not take at once. It exists only while something waits, and
 * while a transport ends (then it carries the timer and the reason). Private to src/net.
 */
#ifndef SPI_OUTPUT_H
#define SPI_OUTPUT_H

#include "net/net.h"

#include <sys/socket.h>

enum {
    SPI_LINGER_MS = 2000,
    SPI_RATE_GRACE_MS = 10 * 1000, /* in which a rate is not asked for */
    SPI_LINGER_BYTES = 256 * 1024 * 1024,
    SPI_OUTPUT_BUDGET = 1 << 20 /* sent for one in one go, so that others get their turn */
};

struct spi_output {
    spout_transport *transport;
    spi_list segments;
    size_t memory_bytes;
    uint64_t file_bytes;
    size_t held;         /* sealed by TLS and refused by the system: goes before all segments */
    spi_timeout timeout; /* without progress while something waits; of the lingering afterwards */
    int64_t since_ms;    /* when something began to wait */
    uint64_t taken;      /* bytes that were sent since */
    spi_ready lost;      /* scheduled while on_lost is owed */
    size_t discarded;    /* input thrown away while closing */
    int lost_code, lost_errnum;
    const char *lost_what;
    char *lost_text; /* the same if it is ours, else NULL */
};

spi_output *spi_output_need(spout_transport *transport); /* makes it if there is none */
void spi_output_free(spout_transport *transport); /* with all that waits; fine if there is none */
void spi_output_drop(spout_transport *transport); /* only what waits */

static inline bool spi_output_waits(const spout_transport *transport)
{
    const spi_output *output = transport->output;
    return output && (output->held > 0 || !spi_list_is_empty(&output->segments));
}

static inline uint64_t spi_output_pending(const spout_transport *transport)
{
    const spi_output *output = transport->output;
    return output ? output->memory_bytes + output->file_bytes + output->held : 0;
}

/* Append; the descriptor is then watched for room. */
void spi_output_add_bytes(spout_transport *transport, const void *data, size_t len);
void spi_output_add_blob(spout_transport *transport, spi_blob *blob, size_t start);

/* So many bytes wait in the layer above the socket, which ops->flush sends. */
void spi_output_hold(spout_transport *transport, size_t len);

/* Room behind the last bytes, for spi_transport_reserve. */
char *spi_output_reserve(spout_transport *transport, size_t len);
void spi_output_commit(spout_transport *transport, size_t len);

/* Sends what the system takes, at most SPI_OUTPUT_BUDGET bytes. Calls no consumer; the transport
   may be lost afterwards. */
void spi_output_advance(spout_transport *transport);

/* Appends part of a file, and sends of it what the system takes if nothing waits before it. */
void spi_output_send_file(
    spout_transport *transport, spi_shared_file *file, int64_t offset, int64_t len);

void spi_output_on_write_timeout(spi_timeout *timeout);
void spi_output_on_linger_timeout(spi_timeout *timeout);

/* The bytes of anything but a plain socket, and what such a socket has refused. */
void spi_net_send_otherwise(spout_transport *owner, const char *data, size_t len, bool more);
void spi_net_queue_rest(spout_transport *owner, const char *data, size_t len, ssize_t sent);

/* Of one that has no queue: what the system refuses begins it. `more`: a file follows at once. */
static inline void spi_net_send(spout_transport *owner, const char *data, size_t len, bool more)
{
    if (owner->ops != &spi_transport_plain || more) {
        spi_net_send_otherwise(owner, data, len, more);
        return;
    }
    ssize_t sent = send(owner->fd, data, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len)
        spi_net_queue_rest(owner, data, len, sent);
}

/* Sends what the gather buffer holds. */
static inline void spi_net_flush(spi_net *net, bool more)
{
    spout_transport *owner = net->gather_owner;
    size_t len = net->gather_len;
    net->gather_owner = NULL;
    net->gather_len = 0;
    if (owner && len > 0)
        spi_net_send(owner, net->gather, len, more);
}

#endif
