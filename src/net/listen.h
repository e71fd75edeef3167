/* Accepting connections. */
#ifndef SPI_LISTEN_H
#define SPI_LISTEN_H

#include <spout/netutil.h>
#include <spout/sys/transport.h>

#include "loop/loop.h"
#include "net/networks.h"

/*
 * Accepts on a listening socket (level-triggered, up to 64 a wake-up). The fd handed over is
 * non-blocking and close-on-exec, with TCP_NODELAY set; peer->family is 0 for a Unix socket. Out of
 * descriptors or memory: one warning until it is over, and accepting pauses for 100 ms at a time
 * instead of spinning. on_accept may stop the acceptor and free it.
 */
typedef struct spi_acceptor spi_acceptor;
struct spi_acceptor {
    spi_watch watch;
    spout_loop *loop; /* NULL when stopped */
    spi_timer retry;
    void (*on_accept)(spi_acceptor *acceptor, int fd, const spout_endpoint *peer);
    struct spi_proxy_gate *gate; /* NULL: no PROXY headers */
    bool starved;
    bool is_nodelay; /* and so is what it accepts */
};
int spi_acceptor_start(spi_acceptor *acceptor, spout_loop *loop, int listen_fd,
    void (*on_accept)(spi_acceptor *, int, const spout_endpoint *));

/*
 * From now on connections from these networks begin with a PROXY header, which is read before they
 * are handed over: `peer` is then who the header says. Takes what the networks hold; nothing
 * happens if there are none. After spi_acceptor_start.
 */
void spi_acceptor_trust_proxies(spi_acceptor *acceptor, spi_networks *networks);

void spi_acceptor_stop(spi_acceptor
        *acceptor); /* does not close the fd; harmless on one that is stopped, or all zero */

#endif
