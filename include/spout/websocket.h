/*
 * WebSocket (Tornado's websocket; RFC 6455). To publish to many: <spout/topic.h>.
 *
 * Messages of one socket are handled one after another, each on a coroutine of its own; the next
 * frame is not read until the handler has returned. An idle socket holds neither stack nor buffer.
 *
 * For the loop's metrics: websockets is how many are open now, of servers and clients;
 * websocket_received and websocket_sent count whole messages, published ones for each member that
 * gets them; websocket_dropped those that a full queue had no room for.
 *
 * Example:
 *     static int echo(spout_websocket *ws, spout_message m) { return spout_websocket_write(ws, m); }
 *     static const spout_websocket_handler echo_socket = { .message = echo };
 *     static const spout_handler handler = { .websocket = &echo_socket };
 */
#ifndef SPOUT_WEBSOCKET_H
#define SPOUT_WEBSOCKET_H

#include <spout/base.h>
#include <spout/loop.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_websocket spout_websocket;
typedef struct spout_request spout_request;

/* A message. Received ones are scoped to the handler's call; texts are UTF-8 and have a NUL behind
   them (which they may also hold inside). */
typedef struct spout_message {
    const char *data;
    size_t len;
    bool binary;
} spout_message;

static inline spout_message spout_message_of(const char *text)
{
    spout_message message = { text, text ? strlen(text) : 0, false };
    return message;
}

/*
 * Compression of messages (permessage-deflate, RFC 7692; get_compression_options). Values beyond
 * their range count as the nearest one.
 *
 * Without takeover a message refers to none before it, and a socket needs no memory for it: the
 * loop's compressor and decompressor serve all of them. With takeover, which the client may refuse,
 * small messages that resemble each other shrink more, for some 300 KiB a socket.
 */
typedef struct spout_websocket_compression {
    int level;       /* 1 (fast) to 9 (small); 0: 6 */
    int mem_level;   /* 1 to 9; 0: 8 */
    int window_bits; /* 9 to 15; 0: 15. At most; for both directions, where the client can */
    int min_size;    /* bytes; shorter messages are sent as they are; 0: 64; SPOUT_NONE: none */
    bool takeover;
    void *reserved[2];
} spout_websocket_compression;

/* What a topic does with a member whose queue is full. */
typedef enum spout_queue_policy {
    SPOUT_QUEUE_CLOSE_1013,  /* "try again later": the client may come back */
    SPOUT_QUEUE_CLOSE_1008,  /* "policy violation" */
    SPOUT_QUEUE_DROP_NEWEST, /* it misses what is published meanwhile; see spout_websocket_dropped */
    SPOUT_QUEUE_DROP_OLDEST  /* it misses what waits longest of what was published */
} spout_queue_policy;

/* The functions of a kind of socket (WebSocketHandler). All may be NULL, and all but check_origin
   and select_subprotocol may suspend. */
typedef struct spout_websocket_handler {
    /* May write. No message comes before it returns. < 0: logged, closed with 1011. */
    int (*open)(spout_websocket *ws);
    /* < 0: logged, closed with 1011. */
    int (*message)(spout_websocket *ws, spout_message message);
    /* Instead of .message, for messages that need not be in memory as a whole: each piece as it
       comes, of whatever length; the last one, which may be empty, with is_last. A text is UTF-8 as
       a whole: a piece may end within a character. .max_message_size counts all pieces. < 0 as in
       .message. */
    int (*piece)(spout_websocket *ws, spout_message piece, bool is_last);
    /* Exactly once, after .open and any other handler of the socket have returned, as soon as the
       closing handshake is over or the connection is lost; see close_code, close_reason. */
    int (*close)(spout_websocket *ws);
    int (*ping)(spout_websocket *ws, spout_bytes data); /* after it was answered */
    int (*pong)(spout_websocket *ws, spout_bytes data);
    /* Instead of .message, .ping and .pong: one coroutine for the socket's life, from the return of
       .open on, which asks for messages with spout_websocket_read. When it returns the socket is
       closed, with 1000, or 1011 (logged) for < 0. It costs a stack as long as it runs. */
    int (*run)(spout_websocket *ws);

    /* NULL: the origin's host and port must be the request's. */
    bool (*check_origin)(spout_request *r, const char *origin);
    /* One of the offered protocols, or NULL for none. */
    const char *(*select_subprotocol)(spout_request *r, const char *const *offered, size_t count);

    size_t state_size; /* bytes of spout_websocket_state(ws), zeroed for each socket */
    /* NULL: messages are not compressed. */
    const spout_websocket_compression *compression;
    int64_t max_message_size; /* bytes, decompressed; 0: 10 MiB; beyond: 1009 */
    int64_t max_queue_size;   /* bytes that wait for a slow reader; 0: 1 MiB; beyond: see below */
    spout_queue_policy queue_policy;
    int64_t ping_interval_ms; /* 0: none */
    /* 0: the interval, which is also the most; SPOUT_NONE: never. No pong, nor any other byte, by
       then: closed with 1011. Silence doesn't count while a handler of the socket runs. */
    int64_t ping_timeout_ms;
    void *reserved[4];
} spout_websocket_handler;

/* The check that is made without .check_origin, for those who want to allow more. */
SPOUT_API bool spout_websocket_is_same_origin(spout_request *r, const char *origin);

/*
 * The next message, in .run or of a client's socket (read_message): > 0, or 0 when the socket is
 * closing or closed, or < 0 (SPOUT_ECANCELED; SPOUT_ESTATE elsewhere). The message, and in .run
 * whatever else is scoped, lives until the next call. *ret_message is set for > 0 only.
 *
 * Example:
 *     static int talk(spout_websocket *ws)
 *     {
 *         spout_message m;
 *         int result;
 *         while ((result = spout_websocket_read(ws, &m)) > 0)
 *             if (spout_websocket_write(ws, m) < 0)
 *                 break;
 *         return result < 0 ? result : 0;
 *     }
 *     static const spout_websocket_handler echo_socket = { .run = talk };
 */
SPOUT_API int spout_websocket_read(spout_websocket *ws, spout_message *ret_message) SPOUT_SUSPENDS;

/*
 * Sends a message as one frame (write_message). Suspends while the peer's queue is over its mark
 * (64 KiB, or max_queue_size if that is less); outside a coroutine, or from another socket's, it
 * fails with SPOUT_ELIMIT instead where max_queue_size would be passed. SPOUT_ECLOSED when closing
 * or closed; SPOUT_EINVAL for a text that isn't UTF-8.
 */
SPOUT_API int spout_websocket_write(spout_websocket *ws, spout_message message) SPOUT_SUSPENDS;
SPOUT_API int spout_websocket_write_text(spout_websocket *ws, const char *text) SPOUT_SUSPENDS;
/* Steals the reference. */
SPOUT_API int spout_websocket_write_json(spout_websocket *ws, json_t *value) SPOUT_SUSPENDS;
/*
 * A message in pieces, each sent as a fragment (which no proxy or peer has to keep as it is); it is
 * not compressed. From begin to end the socket is the beginner's: other writers wait, or fail with
 * SPOUT_ELIMIT where they can't; what is published goes out behind it, as far as the queue has
 * room. A text's pieces may end within a character, the whole must be UTF-8: else SPOUT_EINVAL, and
 * the socket is closed with 1011, as it is when a handler returns in the middle. SPOUT_ESTATE
 * without a begin by the same coroutine, or with two.
 *
 * Example:
 *     int result = spout_websocket_begin(ws, true);
 *     while (result == 0 && (result = read_part(file, &part)) > 0)
 *         result = spout_websocket_write_piece(ws, part);
 *     return result < 0 ? result : spout_websocket_end(ws);
 */
SPOUT_API int spout_websocket_begin(spout_websocket *ws, bool binary) SPOUT_SUSPENDS;
SPOUT_API int spout_websocket_write_piece(spout_websocket *ws, spout_bytes piece) SPOUT_SUSPENDS;
SPOUT_API int spout_websocket_end(spout_websocket *ws);

/* Up to 125 bytes. */
SPOUT_API int spout_websocket_ping(spout_websocket *ws, spout_bytes data);

/* Off, the system may hold small messages back for a while, to send fewer packets (set_nodelay). On
   at first. */
SPOUT_API int spout_websocket_set_nodelay(spout_websocket *ws, bool on);

/* Starts the closing handshake; the peer has 5 s to answer, and what else it sends is ignored. code
   0: 1000 with a reason, none without. A reason beyond 123 bytes is cut at the end of a character.
   SPOUT_EINVAL for a code that may not be sent, or a reason that isn't UTF-8; 0 if it is closing or
   closed already. */
SPOUT_API int spout_websocket_close(spout_websocket *ws, int code, const char *reason);

SPOUT_API bool spout_websocket_is_closed(const spout_websocket *ws); /* closing counts */
/* The peer's, 1005 if its close frame had none; 0: no close frame came. */
SPOUT_API int spout_websocket_close_code(const spout_websocket *ws);
/* Valid in .close; "" if none. */
SPOUT_API const char *spout_websocket_close_reason(const spout_websocket *ws);

/* The request of the handshake: in .open only; NULL later. */
SPOUT_API spout_request *spout_websocket_request(spout_websocket *ws);
/* Lives until .close has returned. */
SPOUT_API void *spout_websocket_state(spout_websocket *ws);
/* NULL if none. */
SPOUT_API const char *spout_websocket_subprotocol(const spout_websocket *ws);
/* Published messages that the socket missed because its queue was full. */
SPOUT_API uint32_t spout_websocket_dropped(const spout_websocket *ws);
/* Whether the client agreed to compression. */
SPOUT_API bool spout_websocket_is_compressed(const spout_websocket *ws);
SPOUT_API const char *spout_websocket_remote_ip(const spout_websocket *ws, char out[46]);

/* A handle that stays valid after the socket is gone (then every write fails with SPOUT_ECLOSED).
   */
SPOUT_API spout_websocket *spout_websocket_ref(spout_websocket *ws);
SPOUT_API void spout_websocket_unref(spout_websocket *ws);

#ifdef __cplusplus
}
#endif

#endif
