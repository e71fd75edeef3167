/*
 * An exchange in memory: a client and its connection in one, without a socket. It proves that a
 * service knows only exchanges, and is what the test client is made of.
 *
 * Example:
 *     spi_memory_exchange *exchange = spi_memory_exchange_start(service, self, &(spi_memory_request){ .target = "/hello" });
 *     spi_memory_exchange_run(exchange);
 *     const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
 *     … reply->status, reply->body …
 *     spi_memory_exchange_free(exchange);
 */
#ifndef SPI_EXCHANGE_MEMORY_H
#define SPI_EXCHANGE_MEMORY_H

#include "http/exchange.h"

typedef struct spi_memory_exchange spi_memory_exchange;

typedef struct spi_memory_request {
    const char *method;      /* NULL: GET */
    const char *target;      /* NULL: "/" */
    const spi_field *fields; /* Host and the length of the body are added if they are missing */
    size_t field_count;
    spout_bytes body;
    size_t piece_size; /* a streamed body comes in pieces of so many bytes; 0: all at once */
    bool open_body;    /* `body` is only its beginning: see spi_memory_exchange_feed */
    bool http10;
    const spout_endpoint *peer; /* NULL: nobody */
    uint64_t max_body;          /* 0: 100 MiB; what the service is offered as max_body */
} spi_memory_request;

/* What the client has of the reply so far. Everything belongs to the exchange. */
typedef struct spi_memory_reply {
    int status; /* 0: no head yet */
    const char *reason;
    const spi_field *fields; /* without Transfer-Encoding and Connection */
    size_t field_count;
    spout_bytes body; /* NUL-terminated; after an upgrade: what came through the tunnel */
    bool finished;    /* complete */
    bool reset;       /* cut before it was */
    bool close;       /* the connection ends behind it */
    bool continued;   /* a 100 came before it */
    bool upgraded;
    bool released; /* the service is done with the request */
} spi_memory_reply;

/* Runs the service's on_head, and its on_request if the body is complete, before it returns. Owned;
   never NULL; on the current loop. */
spi_memory_exchange *spi_memory_exchange_start(
    const spi_service *service, void *self, const spi_memory_request *request);

/* Turns the loop until the service has released the exchange or upgraded it. Not from inside it. */
int spi_memory_exchange_run(spi_memory_exchange *exchange);

/* The same from a coroutine. */
int spi_memory_exchange_wait(spi_memory_exchange *exchange) SPOUT_SUSPENDS;

const spi_memory_reply *spi_memory_exchange_reply(spi_memory_exchange *exchange);

/* The first reply field of that name, or NULL. */
const char *spi_memory_reply_field(const spi_memory_reply *reply, const char *name);

/* More of an open body, and its end. */
void spi_memory_exchange_feed(spi_memory_exchange *exchange, spout_bytes piece);
void spi_memory_exchange_end_body(spi_memory_exchange *exchange);

/* The client sends no more; through a tunnel: on_eof. */
void spi_memory_exchange_half_close(spi_memory_exchange *exchange);
/* The client is gone: on_gone; of a tunnel: on_lost. */
void spi_memory_exchange_hang_up(spi_memory_exchange *exchange);

/* While blocked, what the service sends counts as pending and wait_writable waits. */
void spi_memory_exchange_block(spi_memory_exchange *exchange, bool blocked);

/* Bytes from the client through the tunnel. */
void spi_memory_exchange_send(spi_memory_exchange *exchange, spout_bytes bytes);

/* A service that still has the exchange sees a client that is gone. NULL is fine. */
void spi_memory_exchange_free(spi_memory_exchange *exchange);

#endif
