/*
 * An HTTP/1 connection of a server: reads requests one after another, gives each to the service
 * as an exchange, writes the replies. Private to src/http/connection*.c and server.c.
 *
 *     connection.c          its life: opening, what the transport tells, ending
 *     connection_read.c     bytes → head → body → the service
 *     connection_reply.c    the exchange's table: replies
 *     connection_stream.c   the exchange's table: a body read in pieces
 *     connection_proxy.c    what a request says of its client and its body's coding
 *     connection_inflate.c  compressed bodies
 *     connection_tunnel.c   after an upgrade
 *     connection_detach.c   a stream in its place
 *     connection_error.c    requests that the service never sees, and time limits
 *
 * Whatever calls into a connection from outside (the transport, a timer, the service in a
 * coroutine) is bracketed by spi_connection_enter and spi_connection_leave; leave puts timers,
 * reading and the end of the connection in order, and may free it.
 */
#ifndef SPI_CONNECTION_H
#define SPI_CONNECTION_H

#include "base/buffer.h"
#include "http/body.h"
#include "http/gunzip.h"
#include "http/reply_head.h"
#include "http/server_state.h"
#include "loop/task.h"
#include "net/tls.h"

enum {
    SPI_LEFT_OVER_HIGH = 64 * 1024, /* reading pauses from here on while a handler runs */
    SPI_SKIP_MAX = 256 * 1024, /* of a body that nobody wanted: beyond, the connection closes */
    SPI_GATHER_MAX = 16 * 1024 /* what spi_transport_reserve gives */
};

typedef enum spi_connection_state {
    SPI_CONNECTION_IDLE,     /* nothing of a request has come */
    SPI_CONNECTION_HEAD,     /* a head has begun: it is in the left-over */
    SPI_CONNECTION_BODY,     /* the body is being collected */
    SPI_CONNECTION_SERVING,  /* the exchange is the service's */
    SPI_CONNECTION_SKIPPING, /* the reply is complete, the rest of the body is thrown away */
    SPI_CONNECTION_TUNNEL,
    SPI_CONNECTION_CLOSING, /* on_lost will come */
    SPI_CONNECTION_LOST     /* nothing more comes of the transport */
} spi_connection_state;

/* Bytes that came ahead of their use. Exists only while there are some. */
typedef struct spi_left_over {
    spi_buffer buffer;
    spi_head_scanner scanner;
} spi_left_over;

typedef struct spi_connection spi_connection;

/* What only some exchanges need: those with a body that is read, a time limit, or a slow client. */
typedef struct spi_http1_extras {
    struct spi_http1_exchange *exchange;
    spi_timeout timeout; /* of the whole request */
    spi_list readers, writers;
    spi_body_decoder decoder;
    spi_gunzip *inflater;   /* owned; NULL: the body is not compressed, or has not begun */
    spout_bytes compressed; /* of a streamed body: what the inflater has not taken yet */
    char *inflated;         /* and where it puts what comes out, in the arena */
    /* WHOLE: the body so far; STREAM: raw bytes, of which the last piece is a view. On the heap. */
    spi_buffer content;
    size_t skipped;
    int64_t since_ms, waited_ms; /* the wait for it: when it began, and what was before */
    bool continued;              /* 100 was sent, or is not wanted any more */
} spi_http1_extras;

/* In the arena of its request. */
typedef struct spi_http1_exchange {
    spi_exchange base; /* first */
    spi_connection *connection;
    spi_http1_extras *extras; /* in the arena; NULL: none yet */
    int error_status; /* of a request that can't be completed: 400, 408, 413 …; 0: nothing wrong */
    union {
        struct {
            bool unread : 1;  /* the body's end has not been reached: there are extras */
            bool failed : 1;  /* it never will be: the connection ends behind the reply */
            bool reading : 1; /* a coroutine is in read_more */
            bool is_gzip : 1; /* the body is to be inflated */
        };
        uint8_t state; /* all of these */
    };
    spi_reply reply; /* from its head on; nothing is in here before, nor in base.head */
} spi_http1_exchange;

/* The two-way end of an upgraded connection. Begins like an exchange, which it stands for after
   drop_arena. */
typedef struct spi_tunnel_end {
    const spi_exchange_ops *ops;
    void *user;
    spout_loop *loop;
    spi_connection *connection;
    const spi_tunnel *tunnel;
    void *self;
    bool paused : 1;
    bool eof_owed : 1;  /* the input ended before what came ahead was delivered */
    bool lost_owed : 1; /* aborted: on_lost comes from the loop */
} spi_tunnel_end;

/* Tens of thousands of them are idle. */
struct spi_connection {
    spout_transport transport;
    spi_list node;             /* of the server; alone once that is freed */
    spout_http_server *server; /* NULL once that is freed */
    spi_timeout timeout;
    spi_ready ready;
    spi_http1_exchange *exchange; /* between head and release; NULL after drop_arena */
    spi_left_over *left_over;
    spi_tunnel_end *tunnel;
    spout_endpoint peer;
    uint8_t state;
    uint8_t depth;   /* of enter: it is freed when the last one leaves */
    bool ending : 1; /* the transport is being closed while the service still has the exchange */
};
_Static_assert(sizeof(spi_connection) <= 224, "idle connections are small");

extern const spi_exchange_ops spi_http1_ops, spi_tunnel_end_ops;

static inline spi_http1_exchange *spi_http1_of(spi_exchange *exchange)
{
    return spi_container(exchange, spi_http1_exchange, base);
}

static inline void spi_http1_wake_readers(const spi_http1_exchange *exchange)
{
    if (exchange->extras)
        spi_wake_all(&exchange->extras->readers);
}

static inline void spi_http1_wake_writers(const spi_http1_exchange *exchange)
{
    if (exchange->extras)
        spi_wake_all(&exchange->extras->writers);
}

static inline void spi_http1_stop_timeout(const spi_http1_exchange *exchange)
{
    if (exchange->extras)
        spi_timeout_stop(&exchange->extras->timeout);
}

static inline spi_connection_state spi_connection_get_state(const spi_connection *connection)
{
    return (spi_connection_state)connection->state;
}

/* connection.c */
/* Takes fd. tls: NULL, or what it speaks. */
int spi_connection_open(
    spout_http_server *server, int fd, const spout_endpoint *peer, spout_tls *tls);
void spi_connection_enter(spi_connection *connection);
void spi_connection_leave(spi_connection *connection);
/* Gracefully: on_lost will end it, or the release of the exchange that the service has. */
void spi_connection_close(spi_connection *connection);
/* The same without waiting for the peer, if all is said. */
void spi_connection_close_quietly(spi_connection *connection);
void spi_connection_cut(spi_connection *connection);           /* at once */
void spi_connection_drop_exchange(spi_connection *connection); /* fine if there is none */
/* Of one that holds more than its arena. */
void spi_connection_take_apart(spi_connection *connection, spi_http1_exchange *exchange);
static inline void spi_connection_end_exchange(
    spi_connection *connection, spi_http1_exchange *exchange)
{
    connection->exchange = NULL;
    if (exchange->extras || exchange->base.keep_arena)
        spi_connection_take_apart(connection, exchange);
    else
        spi_arena_pool_give(spi_loop_arenas(connection->transport.loop), exchange->base.arena);
}
void spi_connection_drain(spi_connection *connection); /* the server drains */
/* The server is freed: ends everything that the service doesn't hold. */
void spi_connection_orphan(spi_connection *connection);
void spi_connection_arm(spi_connection *connection, spi_timeout_class *timeouts); /* NULL: none */

/* connection_read.c */
/* Nothing is under way, nor waits to be read or sent. */
static inline bool spi_connection_is_fresh(const spi_connection *connection)
{
    return connection->state == SPI_CONNECTION_IDLE && !connection->left_over &&
           !spi_transport_is_pressed(&connection->transport);
}
void spi_connection_take(spi_connection *connection, char *data, size_t len);
/* The same for one that is fresh: without a copy of what is complete. */
void spi_connection_take_requests(spi_connection *connection, char *data, size_t len);
void spi_connection_take_left_over(spi_connection *connection);
void spi_connection_stash(spi_connection *connection, const char *data, size_t len);
size_t spi_connection_left_over_len(const spi_connection *connection);
void spi_connection_drop_left_over(spi_connection *connection);
/* Of a head no more than a leading line end has come. */
bool spi_connection_is_blank(const spi_connection *connection);
spi_http1_extras *spi_http1_need_extras(spi_http1_exchange *exchange);
/* The exchange's raw bytes go back to the left-over. */
void spi_connection_unread(spi_connection *connection, spi_http1_exchange *exchange);

/* connection_error.c */
/* There is no exchange that the service knows: a page of our own. `text` is what has come, for the
   method alone: a HEAD gets no page. Logged, unless words is NULL. */
void spi_connection_refuse_head(
    spi_connection *connection, spout_bytes text, int status, const char *words);
/* error_status is set, the error says why: on_error, or a page of our own. */
void spi_connection_refuse(spi_connection *connection);
void spi_connection_on_header_timeout(spi_timeout *timeout);
void spi_connection_on_body_timeout(spi_timeout *timeout);
void spi_connection_on_idle_timeout(spi_timeout *timeout);
void spi_connection_arm_body(spi_connection *connection);
/* A wait for the body begins. And, when bytes of it have come: whether they are too few for the
   time that it took; `received` counts them all. */
void spi_connection_begin_wait(spi_connection *connection);
bool spi_connection_drips(const spi_connection *connection, uint64_t received);
void spi_connection_arm_request(spi_connection *connection);

/* connection_reply.c */
int spi_connection_write_head(spi_connection *connection, const spi_reply *reply,
    const spi_reply_head *head, spi_arena *arena);
bool spi_connection_ends_behind(
    const spi_connection *connection, const spi_http1_exchange *exchange);
/* If it wasn't written before; the other one looks first whether any of the body has come. */
int spi_http1_write_continue(spi_http1_exchange *exchange);
int spi_http1_send_continue(spi_exchange *exchange);
void spi_http1_release_slowly(spi_exchange *exchange); /* however far it has come */

/* connection_proxy.c: before the service hears of the request */
void spi_http1_apply_options(spi_http1_exchange *exchange);

/* connection_inflate.c */
/* In the place of a complete body what it holds compressed. 0, or a status with the error set. */
int spi_http1_inflate_body(spi_http1_exchange *exchange);
/* The next piece of a streamed one: as read_more; `next` gives the compressed ones. */
int spi_http1_inflate_piece(spi_http1_exchange *exchange,
    int (*next)(spi_http1_exchange *exchange, spout_bytes *ret_piece), spout_bytes *ret_piece);

/* connection_stream.c */
int spi_http1_fail_body(spi_http1_exchange *exchange, int status, const char *words);
int spi_http1_read_more(spi_exchange *exchange, spout_bytes *ret_piece);

/* connection_detach.c */
int spi_http1_detach(
    spi_exchange *exchange, const spi_reply_head *head, struct spout_stream **ret_stream);

/* connection_tunnel.c */
spi_connection *spi_connection_of(spi_exchange *exchange); /* also of what drop_arena gave */
int spi_http1_upgrade(
    spi_exchange *exchange, const spi_reply_head *head, const spi_tunnel *tunnel, void *self);
int spi_http1_tunnel_write(spi_exchange *exchange, const spout_bytes *pieces, int count);
int spi_http1_tunnel_write_blob(spi_exchange *exchange, struct spi_blob *blob);
void spi_http1_tunnel_pause(spi_exchange *exchange);
void spi_http1_tunnel_resume(spi_exchange *exchange);
void spi_http1_tunnel_flush(spi_exchange *exchange);
size_t spi_http1_tunnel_drop_blobs(spi_exchange *exchange, size_t len);
int spi_http1_tunnel_set_nodelay(spi_exchange *exchange, bool on);
const spout_endpoint *spi_http1_tunnel_peer(const spi_exchange *exchange);
void spi_http1_tunnel_close(spi_exchange *exchange);
void spi_http1_tunnel_abort(spi_exchange *exchange);
spi_exchange *spi_http1_drop_arena(spi_exchange *exchange);
void spi_tunnel_take(spi_connection *connection, char *data, size_t len);
void spi_tunnel_end_input(spi_connection *connection);
bool spi_tunnel_owes(const spi_connection *connection);
void spi_tunnel_turn(spi_connection *connection); /* what was owed to a later turn */
void spi_tunnel_lose(spi_connection *connection); /* on_lost, and the tunnel's end is freed */
void spi_tunnel_drop(spi_connection *connection); /* the same, untold */

#endif
