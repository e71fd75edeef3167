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
    SPI_LARGE_WRITE = 16 * 1024, /* from here on a copy costs more than it saves */
    SPI_HELD_MOST = 8,
    SPI_HELD_BYTES = 4 * 1024, /* of each of them */
    SPI_HELD_SIZE = SPI_HELD_MOST * SPI_HELD_BYTES,
    SPI_HOLD_PAUSE = 256
};

/* Output of events that are over, in the gather buffer before what is gathered now. */
typedef struct spi_hold {
    struct {
        spout_transport *owner;
        const char *data;
        size_t len;
    } of[SPI_HELD_MOST];
    int count;
    int pause;              /* so many events hold nothing back, since one was slow */
    uint64_t left_at_ticks; /* when the event before was over, and its output gone or held */
    uint64_t quick_ticks;   /* what takes longer is slow; 0: everything is */
} spi_hold;

typedef struct spi_tls_shared spi_tls_shared;

typedef struct spi_net {
    spout_loop *loop;
    char *receive; /* and one byte more; poisoned while nobody may read it */
    char *gather;  /* room for SPI_GATHER_SIZE behind what is held */
    size_t gather_len;
    spout_transport *gather_owner; /* one that has no queue */
    char *gather_start;
    spi_hold hold;
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
 * Quick replies leave together. The event of `transport`, which owns what is gathered, is over, and
 * others of this turn follow: its output waits for theirs if it is small and the event was quick, and
 * goes out with that of up to eight, or when an event was slow, when it is written to again, ended or
 * moved, and in any case when the turn's events are over. A slow event makes those after it hold
 * nothing back. For whoever uses the transport, what is held counts as sent.
 */
void spi_net_leave(spi_net *net, spout_transport *transport);
void spi_net_send_held(spi_net *net);

/* An event is over, or several that have left nothing to send: was it slow? It began when the one before
   was over, or with the turn's events. */
static inline void spi_net_note_event(spi_net *net, uint64_t now)
{
    uint64_t first = spi_loop_front_of(net->loop)->events_since_ticks,
             left = net->hold.left_at_ticks;
    if (now - (left > first ? left : first) >= net->hold.quick_ticks)
        net->hold.pause = SPI_HOLD_PAUSE;
}

/* False: what is gathered is sent at once, and that is all. */
static inline bool spi_net_may_leave(const spi_net *net, const spout_transport *transport)
{
    return spi_loop_events_left(net->loop) > 0 &&
           (spi_transport_is_plain(transport->ops) || net->hold.count > 0);
}

static inline void spi_net_let_out(const spout_transport *transport)
{
    if (transport->held)
        spi_net_send_held(transport->net);
}

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
