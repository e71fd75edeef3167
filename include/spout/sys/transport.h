/*
 * The lower floor of I/O: a transport is event-driven and pushes bytes into a consumer. Servers
 * consume transports, so that an idle connection costs its struct and nothing else; user protocols
 * use <spout/stream.h>, which is built on this.
 *
 * Bytes are received into one buffer that belongs to the loop: on_data must use or copy all of them
 * before it returns. Output goes out at once where it can; the rest waits in a queue that exists
 * only meanwhile. Small pieces that are written in one go are gathered and sent together: when the
 * callback returns (with those of a few others, if all of them are quick), when another transport
 * writes, or at the end of the turn. Nothing here suspends. Weaker promise than the rest of the API:
 * it may change with any 0.x.
 */
#ifndef SPOUT_SYS_TRANSPORT_H
#define SPOUT_SYS_TRANSPORT_H

#include <spout/base.h>
#include <spout/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_transport spout_transport;

/*
 * Called on the loop; all four must be set. In each of them the consumer may pause, write, close or
 * abort the transport, and free its memory after an abort. No further call follows an abort; a
 * graceful close is followed by on_lost alone.
 */
typedef struct spout_consumer {
    /* Bytes came in. They lie in the loop's buffer, may be changed, and are gone when this returns;
       data[len] may be written too, for a NUL. */
    void (*on_data)(spout_transport *transport, char *data, size_t len);
    /* The peer sends no more. Output still works. Called once; nothing can be resumed
       afterwards. */
    void (*on_eof)(spout_transport *transport);
    /* The output queue has fallen to the low mark after it had passed the high mark, or nothing is
       queued any more. Never called from inside a write. */
    void (*on_drain)(spout_transport *transport);
    /*
     * The end, at most once, never from inside a function of the transport. The error is set:
     * SPOUT_ECLOSED for a reset or hang-up, SPOUT_ETIMEDOUT for output that made no progress within
     * the write timeout, SPOUT_EFAILED for a file that became shorter while it was sent; SPOUT_OK
     * after a graceful close that went well. The transport is closed already: free what belongs to
     * it.
     */
    void (*on_lost)(spout_transport *transport);
} spout_consumer;

/* The peer's or own address, compact. */
typedef struct spout_endpoint {
    unsigned char address[16]; /* IPv4 in the first four */
    uint16_t port;
    uint8_t family; /* 0: Unix or none, 4, 6 */
    uint32_t zone;  /* IPv6: the interface that a link-local address belongs to; 0: none */
} spout_endpoint;

/* Text such as "127.0.0.1" (IPv4-mapped IPv6 addresses as IPv4), without a zone; "" for
   family 0. */
SPOUT_API const char *spout_endpoint_text(const spout_endpoint *endpoint, char out[46]);

#ifdef __cplusplus
}
#endif

#endif
