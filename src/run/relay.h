/*
 * Topics between the workers of one parent: a star. The parent has a channel to each worker, a pair
 * of sockets made before its fork, and hands what comes from one of them on to all, which gives
 * everything its one order. The parent never waits for a worker: what one is too slow for is
 * dropped and counted, and if that isn't enough the worker starts over.
 *
 * Both ends are processes of one program, so frames are structs as they lie in memory.
 */
#ifndef SPI_RELAY_H
#define SPI_RELAY_H

#include <spout/base.h>

#include <poll.h>

typedef enum spi_relay_kind {
    SPI_RELAY_HELLO = 1, /* from a worker: it takes part from now on; again after RESET */
    SPI_RELAY_DATA,      /* to the parent: for `worker`, or for all; from it: of `worker` */
    SPI_RELAY_READY,     /* payload: the numbers of the others, as int */
    SPI_RELAY_CAME,
    SPI_RELAY_GONE,
    SPI_RELAY_DROPPED, /* payload: how many, as uint64_t */
    SPI_RELAY_RESET    /* too much was dropped: say HELLO again */
} spi_relay_kind;

typedef struct spi_relay_head {
    uint32_t len; /* of the payload behind it */
    int32_t worker;
    uint8_t kind, may_drop, unused[2];
} spi_relay_head;

enum {
    SPI_RELAY_MAX_LEN = (8 << 20) + 4096,
    SPI_RELAY_STEP = 64 << 10,      /* read at once */
    SPI_RELAY_LINK_QUEUE = 1 << 20, /* of a worker, for what may be dropped */
    SPI_RELAY_QUEUE = 8 << 20,      /* of the parent for a worker, the same */
    SPI_RELAY_MAX_QUEUE = 64 << 20  /* and for everything else */
};

/* --- the parent --- */

typedef struct spi_relay spi_relay;

spi_relay *spi_relay_new(int workers);
void spi_relay_free(spi_relay *relay); /* closes its ends; in a child too; NULL is fine */

/* A new channel to that worker, after its old one, if any, has been read to its end. *ret_fd is the
   worker's end. */
int spi_relay_open(spi_relay *relay, int worker, int *ret_fd);

/* One entry for each worker; pass them, polled, to spi_relay_turn. */
void spi_relay_poll_set(const spi_relay *relay, struct pollfd *out);
void spi_relay_turn(spi_relay *relay, const struct pollfd *polled);

/* --- a worker --- */

/* Makes fd, which it takes, the backend of the current loop's topics. */
int spi_relay_link_start(int fd, int worker);

#endif
