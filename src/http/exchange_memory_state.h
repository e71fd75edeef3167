/* What an exchange in memory is made of. Private to src/http/exchange_memory*.c. */
#ifndef SPI_EXCHANGE_MEMORY_STATE_H
#define SPI_EXCHANGE_MEMORY_STATE_H

#include <spout/httputil.h>

#include "base/buffer.h"
#include "http/exchange_memory.h"
#include "http/reply_head.h"

struct spi_memory_exchange {
    spi_exchange base; /* first */
    spi_memory_reply reply;
    spi_reply framing;
    spi_field *fields; /* of the reply */
    spi_arena *kept;   /* the reply's; outlives the request */
    spi_buffer input;  /* of the body; after an upgrade: for the tunnel */
    spi_buffer output; /* what the client has received */
    spi_list readers, writers, clients;
    spi_ready ready; /* the tunnel's later turns */
    spout_endpoint peer;
    const spi_tunnel *tunnel;
    void *tunnel_self;
    uint64_t fed; /* bytes of body so far */
    size_t piece_size;
    size_t given; /* at the start of input: the piece that the handler looks at */
    size_t taken; /* of output, before it was blocked */
    bool unread : 1;
    bool body_ended : 1;
    bool failed : 1;
    bool served : 1; /* the service has been told of the request */
    bool reading : 1;
    bool blocked : 1;
    bool paused : 1; /* the tunnel */
    bool eof_owed : 1;
    bool closing : 1;   /* the tunnel: on_lost is owed */
    bool lost : 1;      /* the tunnel: on_lost was called, or never will be */
    bool abandoned : 1; /* the client has freed it */
};

extern const spi_exchange_ops spi_memory_ops;

static inline spi_memory_exchange *spi_memory_of(spi_exchange *exchange)
{
    return spi_container(exchange, spi_memory_exchange, base);
}

void spi_memory_exchange_feed_quietly(spi_memory_exchange *exchange, spout_bytes piece);
void spi_memory_destroy(spi_memory_exchange *exchange);

int spi_memory_upgrade(
    spi_exchange *base, const spi_reply_head *head, const spi_tunnel *tunnel, void *self);
int spi_memory_tunnel_write(spi_exchange *base, const spout_bytes *pieces, int count);
int spi_memory_tunnel_write_blob(spi_exchange *base, struct spi_blob *blob);
void spi_memory_tunnel_pause(spi_exchange *base);
void spi_memory_tunnel_resume(spi_exchange *base);
void spi_memory_tunnel_flush(spi_exchange *base);
void spi_memory_tunnel_close(spi_exchange *base);
spi_exchange *spi_memory_drop_arena(spi_exchange *base);
spi_exchange *spi_memory_tunnel_drop_arena(spi_exchange *base);
void spi_memory_tunnel_turn(spi_ready *ready);
void spi_memory_record_upgrade(spi_memory_exchange *exchange, const spi_reply_head *head);

#endif
