/* TLS from inside: putting it on a transport, and what servers above want to know. */
#ifndef SPI_TLS_H
#define SPI_TLS_H

#include <spout/tls.h>

#include "net/transport.h"

typedef struct spi_tls_wrap_options {
    const char *server_name; /* client: whom to reach; copied */
    const char *alpn;        /* server: the one protocol, if the context names none; static */
    /* Called once, on the loop, when both sides have agreed. NULL is fine. Failure is on_lost. */
    void (*on_secure)(spout_transport *transport);
    /* server: sent as it is to a peer that speaks plain HTTP, before the end; static; NULL: none */
    const char *plain_reply;
} spi_tls_wrap_options;

/*
 * Puts TLS on an open, plain transport on which nothing is queued, gathered, ended or closed. What
 * is written from now on waits until both sides have agreed; the consumer sees plain text alone.
 * Holds a reference to tls. The side is the context's.
 *
 * A server logs one line for a handshake that fails; a client's on_lost names the reason
 * (SPOUT_EPROTO).
 */
int spi_tls_wrap(spout_transport *transport, spout_tls *tls, const spi_tls_wrap_options *options);

/* TLS has been put on it, and it is not closed. */
bool spi_transport_is_tls(const spout_transport *transport);
bool spi_transport_is_secure(const spout_transport *transport); /* and both sides have agreed */

/* SPOUT_ESTATE if there is none, or nothing is agreed on yet. */
int spi_tls_info(const spout_transport *transport, spout_tls_info *ret_info);

#endif
