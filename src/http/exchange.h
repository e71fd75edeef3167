/*
 * The exchange: one request and its reply, and all that web knows of a connection.
 *
 * A connection owns its exchanges: one after another for HTTP/1.1, many at once for HTTP/2 later,
 * one in memory for the test client. Whoever serves requests is a service: it is told of a head,
 * then of the complete request (or at once, if it wants the body as a stream), writes the reply
 * through the exchange's table, and releases the exchange when it is done with it.
 *
 *     connection                          service (web)
 *     head parsed        ── on_head ──▶   sets body_mode, max_body …; < 0 refuses with a status,
 *                                         1: has gone on as in on_request, of a request without a body
 *     body complete      ── on_request ─▶ starts a handler's coroutine
 *     or a bad, slow or too large body, or a refusal ── on_error ─▶ answers with that status instead
 *                        ◀── send_head, send_body, send_file, finish ──
 *     peer gone          ── on_gone ───▶  (at most once, only between on_request or on_error and release)
 *                        ◀── release ──   the exchange's arena is reset; the next request may start
 *
 * A peer that is lost between on_head and on_request is nobody's news: what on_head makes belongs
 * into the arena (spi_arena_on_reset for what doesn't fit there).
 */
#ifndef SPI_EXCHANGE_H
#define SPI_EXCHANGE_H

#include <spout/sys/transport.h>

#include "base/arena.h"
#include "http/head.h"
#include "loop/loop.h"

typedef struct spi_exchange spi_exchange;
struct spi_blob;        /* net/transport.h */
struct spi_shared_file; /* the same */
struct spout_stream;    /* spout/stream.h */
struct spout_tls_info;  /* spout/tls.h */

/* The head of a reply. The exchange adds what frames the message: Content-Length,
   Transfer-Encoding, Connection; fields of these names are left out, and `Connection: close` among
   them counts as `close`. */
typedef struct spi_reply_head {
    int status;
    const char *reason;      /* NULL: the standard phrase; validated by web */
    const spi_field *fields; /* validated by web; Content-Length is not among them */
    size_t field_count;
    /* The first `ready_count` fields are not in `fields` but in `usual`; `ready` has them as lines of
       HTTP/1, behind the status line of a plain 200. None is one that the exchange writes itself. */
    const spi_field *usual;
    const char *ready;
    uint32_t ready_len, ready_count;
    int64_t content_length; /* -1: not known (chunked, or until close for HTTP/1.0) */
    bool close;             /* end the connection after this reply */
} spi_reply_head;

static inline const spi_field *spi_reply_head_field(const spi_reply_head *head, size_t i)
{
    return i < head->ready_count ? &head->usual[i] : &head->fields[i];
}

/* Whether the status has no body by definition: 1xx, 204, 304. */
static inline bool spi_status_is_bodiless(int status)
{
    return status != 200 && (status < 200 || status == 204 || status == 304);
}

/* What a tunnel's owner (a WebSocket) is told after an upgrade. Same rules as spout_consumer. */
typedef struct spi_tunnel {
    void (*on_data)(void *self, char *data, size_t len);
    void (*on_eof)(void *self);
    void (*on_drain)(void *self);
    /* exactly once, but not after release; the exchange is gone when this returns, released or not
       */
    void (*on_lost)(void *self);
    void (*on_shutdown)(void *self); /* the server drains: say goodbye (1001) and close soon */
} spi_tunnel;

/* wait_writable, read_more and detach suspend, the rest never does.
   All return 0 or < 0 with the error set; SPOUT_ECLOSED once the peer is gone. */
typedef struct spi_exchange_ops {
    int (*send_head)(spi_exchange *exchange, const spi_reply_head *head);
    /* after send_head; dropped for HEAD, 204, 304 */
    int (*send_body)(spi_exchange *exchange, spout_bytes body);
    /* the same for part of a file, which it refers to as long as it must */
    int (*send_file)(
        spi_exchange *exchange, struct spi_shared_file *file, int64_t offset, int64_t len);
    /* 100, if the client waits for it; else nothing */
    int (*send_continue)(spi_exchange *exchange);
    /* the reply is complete; fewer bytes than announced: closes */
    int (*finish)(spi_exchange *exchange);
    /* the three at once, for a reply that is there as a whole */
    int (*send_reply)(spi_exchange *exchange, const spi_reply_head *head, spout_bytes body);
    /* ends the connection without completing the reply */
    void (*reset)(spi_exchange *exchange);
    /* until less than the high mark is queued */
    int (*wait_writable)(spi_exchange *exchange);
    /* > 0: a piece, scoped until the next call; 0: the end */
    int (*read_more)(spi_exchange *exchange, spout_bytes *ret_piece);
    /* bytes not yet taken by the system */
    size_t (*pending)(const spi_exchange *exchange);

    /* Switches to a two-way tunnel after a 101: from then on only the tunnel_ functions and release
       may be called. Bytes that came behind the request are delivered first, from a later turn on.
       SPOUT_EUNSUPPORTED if it can't be had. */
    int (*upgrade)(
        spi_exchange *exchange, const spi_reply_head *head, const spi_tunnel *tunnel, void *self);
    int (*tunnel_write)(spi_exchange *exchange, const spout_bytes *pieces, int count);
    int (*tunnel_write_blob)(spi_exchange *exchange, struct spi_blob *blob);
    /* As tunnel_write, in place: room for `len` bytes (<= 16 KiB), if nothing is queued and no more
       than `max` bytes are gathered with them, else NULL; commit what was used, with nothing else
       done in between. NULL both: it can't be had. */
    char *(*tunnel_reserve)(spi_exchange *exchange, size_t len, size_t max);
    void (*tunnel_commit)(spi_exchange *exchange, size_t len);
    void (*tunnel_pause)(spi_exchange *exchange);
    void (*tunnel_resume)(spi_exchange *exchange);
    void (*tunnel_flush)(spi_exchange *exchange);
    /* Takes back what tunnel_write_blob has queued, the oldest first, until it had `len` bytes
       together. Returns how many blobs; none if that can't be had. NULL: it never can. */
    size_t (*tunnel_drop_blobs)(spi_exchange *exchange, size_t len);
    /* Small pieces go out at once, or wait for more (TCP_NODELAY); NULL or 0 where it means
       nothing. */
    int (*tunnel_set_nodelay)(spi_exchange *exchange, bool on);
    /* The other end's address, as long as the exchange lives. NULL: exchange->peer is all there
       is. */
    const spout_endpoint *(*tunnel_peer)(const spi_exchange *exchange);
    /* sends what is queued, then ends; on_lost follows */
    void (*tunnel_close)(spi_exchange *exchange);
    void (*tunnel_abort)(spi_exchange *exchange); /* at once; on_lost follows from the loop */

    /* A tunnel needs nothing of the request any more: resets the arena, so that an idle tunnel
       costs its connection and its owner. The old pointer is dead; the result takes its place, and
       of it only ops, user and loop may be looked at. */
    spi_exchange *(*drop_arena)(spi_exchange *exchange);

    /* NULL, or SPOUT_ESTATE: the connection does not speak TLS */
    int (*tls_info)(spi_exchange *exchange, struct spout_tls_info *ret_info);

    /* The connection leaves HTTP: after the head of a 101 (NULL: nothing is sent) it is a stream, of
       which the exchange knows nothing any more; release is all that may follow. NULL: it can't be
       had. May suspend. */
    int (*detach)(
        spi_exchange *exchange, const spi_reply_head *head, struct spout_stream **ret_stream);

    /* The last call. An incomplete reply, or a tunnel, is cut, and nothing is called any more. */
    void (*release)(spi_exchange *exchange);
} spi_exchange_ops;

/* Who serves requests. */
typedef struct spi_service {
    /* May change body_mode and the limits. 0: on_request follows; or a negated status (-404, -413 …)
       with the error set: on_error is asked at once, the body is not read. Runs on the loop: does
       not suspend. `complete`: there is no body to come, and the service may do here what it does
       in on_request, which does not follow then: 1. */
    int (*on_head)(void *self, spi_exchange *exchange, bool complete);
    void (*on_request)(void *self, spi_exchange *exchange);

    /* Comes instead of on_request where the request ends before it is complete although its head
       was good: refused by on_head, 413, a malformed chunk (400), no progress (408). The error says
       why. 0: the service answers with `status` and releases, as after on_request; the connection
       closes behind the reply whatever that says. < 0, or NULL here: the exchange sends a short
       page itself and is gone. In STREAM mode such errors come out of read_more instead
       (SPOUT_EHTTP with the status). */
    int (*on_error)(void *self, spi_exchange *exchange, int status);
    void (*on_gone)(void *self, spi_exchange *exchange);
} spi_service;

typedef enum spi_body_mode { SPI_BODY_WHOLE, SPI_BODY_STREAM } spi_body_mode;

struct spi_exchange {
    const spi_exchange_ops *ops;
    void *user;       /* the service's: web keeps its request here */
    spout_loop *loop; /* up to here: what drop_arena leaves */
    const spi_service *service;
    void *service_self;
    spi_arena *arena; /* the request's memory; reset on release */
    spi_request_head head;
    spout_bytes body; /* complete in WHOLE mode; NUL-terminated */
    /* 413 beyond; in STREAM mode it may change until the read that it concerns */
    uint64_t max_body;
    int64_t body_timeout_ms;
    int64_t min_body_rate; /* bytes a second; <= 0: none */
    /* Until the reply is complete; <= 0: none. Beyond: 503 if there is no head yet, and on_gone. */
    int64_t request_timeout_ms;
    spi_body_mode body_mode;
    const char *protocol; /* "http" or "https" */
    const spout_endpoint *peer;
    union {
        struct {
            bool head_sent : 1;
            bool finished : 1;
            bool gone : 1;        /* the peer is lost: writing fails */
            bool half_closed : 1; /* the peer sends no more */
            bool upgraded : 1;
            /* Set by a tunnel's owner while the request is still in use: then the arena outlives
               on_lost, and the owner calls drop_arena in any case; all else is over, and it returns
               NULL. */
            bool keep_arena : 1;
            /* the service's wish, up to the end of on_request: an end of input counts as the peer
               being lost */
            bool hang_up_on_eof : 1;
        };
        uint8_t state; /* all of these, so that several can be compared at once */
    };
};

#endif
