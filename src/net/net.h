/*
 * What the net floor keeps on each loop: the receive buffer, the gather buffer, the limits. Private
 * to src/net.
 */
#ifndef SPI_NET_H
#define SPI_NET_H

#include <spout/error.h>

#include "net/transport.h"

enum {
    SPI_RECEIVE_SIZE = 64 * 1024,
    SPI_GATHER_SIZE = 64 * 1024,
    SPI_LARGE_WRITE = 16 * 1024 /* from here on a copy costs more than it saves */
};

typedef struct spi_tls_shared spi_tls_shared;

typedef struct spi_net {
    spout_loop *loop;
    char *receive; /* and one byte more; poisoned while nobody may read it */
    char *gather;
    size_t gather_len;
    spout_transport *gather_owner;  /* one that has no queue */
    spout_transport *current;       /* being dispatched; NULL once a callback has ended it */
    struct spi_acceptor *accepting; /* the same for the acceptor that hands connections over */
    spi_turn_hook flush_hook;       /* in its place while something waits for the turn's end */
    spi_transport_limits limits;
    spi_timeout_class *write_timeouts; /* NULL: writes never time out */
    spi_timeout_class *linger_timeouts;
    spi_list owned;
    spi_list lookups;                /* of names, in threads */
    struct spout_resolver *resolver; /* the loop's default, if there is one */
    spi_tls_shared *tls;             /* buffers of TLS; made for the first such connection */
} spi_net;

/* The loop's own; made on first use. */
spi_net *spi_net_get(spout_loop *loop);

/* What the floor itself must end when the loop goes: servers, streams that close in the
   background. */
typedef struct spi_net_owned spi_net_owned;
struct spi_net_owned {
    spi_list node;
    void (*destroy)(spi_net_owned *owned); /* already taken off the list */
};
void spi_net_own(spi_net *net, spi_net_owned *owned, void (*destroy)(spi_net_owned *));
void spi_net_disown(spi_net_owned *owned);

/* Sends what the gather buffer holds at the end of the turn. What a transport gathers while it is dispatched goes out when
   that is over, and needs nothing more. */
void spi_net_flush_later(spi_net *net);

/*
 * The transport is of no use any more: closes the descriptor, drops the output, and calls on_lost
 * in the next turn with an error made of `code` (SPOUT_OK: none), `errnum` (0: none) and `what`
 * (static).
 */
void spi_transport_lose(spout_transport *transport, int code, int errnum, const char *what);

/* For an end in the midst of output: half a message must not look like a whole one to the peer. */
void spi_transport_reset_on_close(const spout_transport *transport);

/* As above with any text, which is copied. */
void spi_transport_lose_text(spout_transport *transport, int code, const char *text);

/* As above, for a failed system call. */
void spi_transport_lose_errno(spout_transport *transport, int errnum);

/* As if the descriptor were readable: what a layer above it holds is delivered if it is wanted. */
void spi_transport_poke(spout_transport *transport);

/* Sets what the loop watches the descriptor for. */
void spi_transport_update(spout_transport *transport);

#endif
