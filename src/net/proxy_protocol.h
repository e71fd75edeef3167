/*
 * PROXY headers on accepted connections: between the acceptor and the server, before TLS. Nothing
 * behind the header is read, so that whoever gets the connection finds it as if it had just come.
 */
#ifndef SPI_PROXY_PROTOCOL_H
#define SPI_PROXY_PROTOCOL_H

#include "loop/loop.h"
#include "net/networks.h"

/* Connections that owe their header for longer are closed. */
enum { SPI_PROXY_TIMEOUT_MS = 5000 };

/*
 * Gets each connection that has passed, with the address that the header tells (the peer's own
 * where it tells none, and for peers that are not trusted, of whom no header is expected). May
 * close the gate. Connections that break the protocol are closed, with a line in the log.
 */
typedef struct spi_proxy_gate spi_proxy_gate;
struct spi_proxy_gate {
    spout_loop *loop;
    spi_networks trusted;
    spi_list waiting; /* connections that owe their header */
    void (*pass)(void *arg, int fd, const spout_endpoint *peer);
    void *arg;
};

/* Owned. Takes what the networks hold. */
spi_proxy_gate *spi_proxy_gate_new(spout_loop *loop, spi_networks *trusted,
    void (*pass)(void *arg, int fd, const spout_endpoint *peer), void *arg);

/* Takes the fd. */
void spi_proxy_gate_enter(spi_proxy_gate *gate, int fd, const spout_endpoint *peer);

/* Closes the connections that wait in it. NULL is fine. */
void spi_proxy_gate_free(spi_proxy_gate *gate);

#endif
