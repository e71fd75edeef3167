/*
 * A WebSocket from inside: what its files (websocket*.c, topic.c) share, and nobody else.
 *
 * An idle socket is this struct and nothing more: the parser, a message that is not complete, and
 * bytes that wait for a handler live in an inbox, which exists only while there is something in it.
 */
#ifndef SPI_WEBSOCKET_SOCKET_H
#define SPI_WEBSOCKET_SOCKET_H

#include "base/buffer.h"
#include "base/list.h"
#include "http/frame.h"
#include "http/websocket.h"
#include "http/websocket_deflate.h"
#include "http/websocket_extension.h"
#include "loop/task.h"

enum {
    SPI_WEBSOCKET_MARK = 64 * 1024,   /* queued bytes from which on writers wait */
    SPI_WEBSOCKET_MAX_REST = 1 << 20, /* a paused tunnel delivers no more than it had received */
    SPI_WEBSOCKET_MAX_REASON = 123,
    SPI_WEBSOCKET_CLOSE_WAIT_MS = 5000,
    SPI_WEBSOCKET_RETRY_MS = 100
};

/* Close codes (RFC 6455 §7.4.1 and the registry). */
enum {
    SPI_CLOSE_NORMAL = 1000,
    SPI_CLOSE_GOING_AWAY = 1001,
    SPI_CLOSE_NO_CODE = 1005, /* never sent */
    SPI_CLOSE_BAD_DATA = 1007,
    SPI_CLOSE_POLICY = 1008,
    SPI_CLOSE_TOO_BIG = 1009,
    SPI_CLOSE_INTERNAL = 1011,
    SPI_CLOSE_TRY_LATER = 1013
};

typedef enum spi_websocket_phase {
    /* From the 101 on: .open may write already. */
    SPI_WEBSOCKET_OPEN,
    /* Our close frame is out, the peer's awaited; what else it sends is ignored. */
    SPI_WEBSOCKET_CLOSING,
    /* Nothing goes in or out; .close is due, or over. */
    SPI_WEBSOCKET_CLOSED
} spi_websocket_phase;

typedef struct spout_topic spout_topic;

/* That a socket is a member of a topic: in the lists of both. */
typedef struct spi_membership {
    spi_list in_topic; /* once it gets what is published */
    spout_topic *topic;
    spout_websocket *ws;
    struct spi_membership *next; /* of the same socket */
} spi_membership;

typedef struct spi_inbox {
    spi_frame_parser parser;
    bool parses;         /* parser and buffers are set up: whole messages don't need them */
    bool in_frame;       /* for the parser */
    bool has_message;    /* for .run */
    spi_buffer assembly; /* a message in pieces, or decompressed; stays until its handler has
                               returned */
    uint64_t delivered;  /* bytes of a message whose pieces go to .piece */
    bool is_last;
    spi_inflater *inflater; /* lent by the loop while a message comes; NULL with takeover */
    spi_utf8_state utf8;    /* of a decompressed text */
    spout_bytes piece;      /* its latest piece, not copied yet: lies in the receive buffer */
    spi_buffer rest;        /* received, but a handler runs */
    spi_arena *scope;       /* of the handler that runs, or of the last one */
    spout_message message;  /* what the handler is called with */
    spi_task *task;         /* on which a handler runs */
    spi_list reader;        /* the task of .run, while it waits for a message */
    spi_list node;          /* among all whose handler runs */
    spout_request *request; /* while .open runs; and where it lives, connection or not: */
    spi_exchange *request_exchange;
} spi_inbox;

/* What most sockets have no use for while they are idle. */
typedef struct spi_websocket_extra {
    char *close_reason, *subprotocol;
    spi_deflater *deflater; /* with takeover, once it is needed */
    spi_inflater *inflater;
    struct spi_outbox *outbox; /* while a message is sent in pieces */
    spi_list writers;          /* tasks that wait for room in the queue */
    spout_endpoint peer;       /* once the exchange can't tell it */
} spi_websocket_extra;

extern const spi_websocket_extra spi_websocket_no_extra;

struct spout_websocket {
    unsigned refs;    /* one is the library's, until the exchange is gone and .close has returned */
    uint32_t dropped; /* published, but not queued; stays at its maximum */
    uint16_t close_code;
    uint8_t phase;
    bool started : 1;   /* .open has returned */
    bool running : 1;   /* a handler */
    bool suspended : 1; /* and it waits for something */
    bool paused : 1;    /* the tunnel */
    bool eof : 1;
    bool slow : 1;       /* the queue was over its maximum: to be closed */
    bool heard : 1;      /* anything since the last ping */
    bool close_due : 1;  /* .close has not been called yet */
    bool close_done : 1; /* .close has returned */
    bool compressed : 1; /* agreed */
    bool run_due : 1;    /* .run has not been called yet */
    bool sequential : 1; /* .run has not returned yet */
    bool reading : 1;    /* .run waits for a message */
    bool send_takeover : 1;
    bool receive_takeover : 1;
    bool counted : 1; /* among the loop's "websockets" */
    uint8_t send_bits;
    spi_exchange *exchange; /* NULL once it is gone */
    spout_loop *loop;
    const spout_websocket_handler *handler;
    spi_inbox *inbox;                 /* NULL while idle */
    const spi_websocket_extra *extra; /* spi_websocket_no_extra, where there is nothing of it */
    spi_membership *memberships;
    struct spi_websocket_client *client; /* http/websocket_client.h; NULL on a server */
    spi_timeout timeout;                 /* of the ping, or of the closing handshake */
    spi_ready ready;                     /* spi_websocket_settle_later */
    _Alignas(16) char state[];
};

_Static_assert(sizeof(spout_websocket) <= 128, "an idle socket is small");
_Static_assert(sizeof(spi_membership) <= 40, "a membership is small");

/* To write to. */
spi_websocket_extra *spi_websocket_need_extra(spout_websocket *ws);
void spi_websocket_wake_writers(spout_websocket *ws);

/* While a handler runs nothing else is handled; once we are closing there is nothing to handle. */
static inline bool spi_websocket_must_wait(const spout_websocket *ws)
{
    return ws->phase == SPI_WEBSOCKET_OPEN && (ws->running || !ws->started);
}

size_t spi_websocket_max_queue(const spout_websocket *ws);

/* A socket on an exchange, which calls spi_websocket_tunnel's functions with it. spi_websocket_begin
   is for the time until spi_websocket_start: nothing is received yet, the current task may write. */
spout_websocket *spi_websocket_new(spi_exchange *exchange, const spout_websocket_handler *handler);
extern const spi_tunnel spi_websocket_tunnel;
void spi_websocket_begin(spout_websocket *ws, const char *subprotocol, spout_request *request);

/* Goes on, in the loop's next turn, with whatever is to be done: see settle() in websocket.c. */
void spi_websocket_settle_later(spout_websocket *ws);

/* Starts the closing handshake, if the socket is open. code 0: a frame without one. The reason is
   at most 123 bytes. */
void spi_websocket_start_close(spout_websocket *ws, int code, spout_bytes reason);

/* Fails the connection (RFC 6455 §7.1.7): says why, and doesn't wait for an answer. */
void spi_websocket_fail(spout_websocket *ws, int code, const char *reason);

/* Nothing goes in or out any more. */
void spi_websocket_ended(spout_websocket *ws);

/* While a message is sent in pieces. */
typedef struct spi_outbox {
    spi_task *task; /* whose message it is */
    bool begun;     /* its first fragment is out */
    bool binary;
    spi_utf8_state utf8;
    spi_list held; /* what was published meanwhile */
    size_t held_bytes;
} spi_outbox;

/* Keeps a published frame until the message is complete. */
void spi_websocket_hold_blob(spout_websocket *ws, struct spi_blob *blob);
void spi_websocket_drop_outbox(struct spi_outbox *outbox); /* NULL is fine */
/* Waits for the end of a message in pieces that isn't the current task's. */
int spi_websocket_await_outbox(spout_websocket *ws);
/* Room in the queue for so many bytes: SPOUT_ELIMIT where nothing can wait for it. */
int spi_websocket_wait_for_room(spout_websocket *ws, size_t len);
/* A handler returns: a message in pieces that it began must be complete. */
int spi_websocket_check_ended(const spout_websocket *ws);
/* A published message can't be queued. The peer may be closed for it, in the loop's next turn. */
void spi_websocket_queue_is_full(spout_websocket *ws, size_t dropped);

int spi_websocket_send_frame(
    spout_websocket *ws, spi_opcode opcode, bool fin, bool compressed, spout_bytes payload);
/* One frame, at once or queued. SPOUT_ECLOSED, SPOUT_ELIMIT. */
int spi_websocket_send(spout_websocket *ws, spi_opcode opcode, spout_bytes payload);
/* A message, compressed where that was agreed and makes it smaller. */
int spi_websocket_send_message(spout_websocket *ws, spout_message message);
/* Whether a message of that size is to be compressed; the compressor without context for it (NULL:
   there is none). */
bool spi_websocket_compresses(const spout_websocket *ws, size_t len);
spi_deflater *spi_websocket_shared_deflater(const spout_websocket *ws);
int spi_websocket_send_close(spout_websocket *ws, int code, spout_bytes reason);

/* Bytes of the tunnel: handled, or kept where a handler runs. */
void spi_websocket_receive(spout_websocket *ws, char *data, size_t len);
/* What was kept, as far as handlers don't suspend again. */
void spi_websocket_receive_rest(spout_websocket *ws);

spi_inbox *spi_websocket_need_inbox(spout_websocket *ws); /* that parses */
void spi_websocket_tidy_inbox(spout_websocket *ws);       /* frees it, if there is nothing in it */
void spi_websocket_drop_inbox(spout_websocket *ws);

/* Starts .run. */
void spi_websocket_start_run(spout_websocket *ws);
/* A message is there for .run, or none will ever be. */
void spi_websocket_wake_reader(spout_websocket *ws);

/* Runs .close; `running` until it returns. SPOUT_ELIMIT: there is no stack. */
int spi_websocket_run_close(spout_websocket *ws);

/* Whether the current task runs a handler of another socket: then it must not wait for this one's
   peer. */
bool spi_websocket_is_others_task(const spout_websocket *ws);
/* .open runs on the current one. */
void spi_websocket_adopt_task(spout_websocket *ws, spout_request *request);
void spi_websocket_disown_task(spout_websocket *ws);

/* Logs a failed handler's error, with its causes. */
void spi_websocket_log_failure(const spout_websocket *ws, const char *handler, int result);

void spi_websocket_start_pings(spout_websocket *ws);
void spi_websocket_await_close(spout_websocket *ws); /* the peer has five seconds */
void spi_websocket_retry_later(spout_websocket *ws);

void spi_websocket_leave_topics(spout_websocket *ws);

#endif
