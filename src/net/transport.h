/*
 * Transports from inside. A transport is embedded in its owner (a connection, a stream), which
 * finds itself by spi_container. One table for each kind: sockets, pipes; TLS is a layer above
 * sockets with a table of its own (tls.h).
 */
#ifndef SPI_TRANSPORT_H
#define SPI_TRANSPORT_H

#include <spout/sys/transport.h>

#include "base/list.h"
#include "loop/loop.h"

#include <sys/types.h>
#include <sys/uio.h>

/* A reference-counted, immutable piece of output that several queues may hold: a broadcast frame is
   encoded once. */
typedef struct spi_blob {
    size_t refs, len;
    char data[];
} spi_blob;
spi_blob *spi_blob_new(size_t len); /* data not set; one reference */
spi_blob *spi_blob_ref(spi_blob *blob);
void spi_blob_unref(spi_blob *blob); /* NULL is fine */

/* An open file that several replies may send from at once. Closed with the last reference. */
typedef struct spi_shared_file {
    size_t refs;
    int fd;
} spi_shared_file;
spi_shared_file *spi_shared_file_new(int fd); /* takes fd; one reference */
spi_shared_file *spi_shared_file_ref(spi_shared_file *file);
void spi_shared_file_unref(spi_shared_file *file); /* NULL is fine */

/*
 * How bytes move. None of them blocks, raises SIGPIPE, or returns with EINTR. read returns 0 at the
 * end of input, -1 with errno otherwise (EAGAIN: not now). write and send_file return how much was
 * taken, or -1 with errno; `more` says that output follows at once. send_file moves *offset on by
 * what it returns, and returns 0 at the end of the file.
 */
typedef struct spi_transport_ops {
    ssize_t (*read)(spout_transport *transport, void *out, size_t len);
    ssize_t (*write)(spout_transport *transport, const struct iovec *iov, int count, bool more);
    ssize_t (*send_file)(spout_transport *transport, int fd, int64_t *offset, size_t len);
    /* After a hang-up, with no input wanted: > 0 if input is left, 0 at its end, -1 with errno for
       a failure, EAGAIN if there is none of these. NULL: the descriptor is a socket, looked at as
       such. */
    ssize_t (*peek)(spout_transport *transport);
    void (*shutdown)(spout_transport *transport); /* no more output */
    void (*close)(spout_transport *transport);    /* closes transport->fd */

    /*
     * What a layer above the socket (TLS) adds; NULL where there is none. `prepare` is told of
     * every event first, and says whether the rest goes on as usual: it may have lost the
     * transport, or its owner freed it. `events` says what to watch for, given what a socket would
     * be watched for. `resumed`: the owner reads again; input that the layer holds back is due
     * (spi_transport_poke). `flush` sends what spi_output_hold was told of, and returns as write
     * does. `moved`: from now on it is `to`; false if the layer is still being put on.
     */
    bool (*prepare)(spout_transport *transport, unsigned events);
    unsigned (*events)(const spout_transport *transport, unsigned wanted);
    void (*resumed)(spout_transport *transport);
    ssize_t (*flush)(spout_transport *transport);
    bool (*moved)(spout_transport *transport, spout_transport *to);
} spi_transport_ops;

extern const spi_transport_ops spi_transport_plain; /* TCP and Unix sockets */
extern const spi_transport_ops spi_transport_pipe;  /* pipes and FIFOs; also terminals */
/* Plain ones on a loop that somebody measures: spi_transport_open takes it by itself. */
extern const spi_transport_ops spi_transport_counted;
static inline const spi_transport_ops *spi_transport_plain_on(const spout_loop *of)
{
    return spi_loop_metrics(of) ? &spi_transport_counted : &spi_transport_plain;
}
static inline bool spi_transport_is_plain(const spi_transport_ops *ops)
{
    return ops == &spi_transport_plain || ops == &spi_transport_counted;
}

/* For further rows: sendfile into any descriptor, and the same by way of memory and ops->write. */
ssize_t spi_plain_send_file(spout_transport *transport, int fd, int64_t *offset, size_t len);
ssize_t spi_copy_file(spout_transport *transport, int fd, int64_t *offset, size_t len);

/* The queue of what could not be sent at once, made when it is needed. */
typedef struct spi_output spi_output;

/* Tens of thousands of them are idle: anything that only a busy or an ending one needs is in
   spi_output. */
struct spout_transport {
    spi_watch watch; /* first: whoever is handed it needs no other pointer for the transport */
    const spi_transport_ops *ops;
    const spout_consumer *consumer;
    spout_loop *loop;
    struct spi_net *net;
    spi_output *output;
    int fd; /* -1 when closed; the watch may be off meanwhile */
    union {
        struct {
            bool reading : 1; /* the owner wants data */
            bool eof : 1;     /* the peer sends no more */
            bool closed : 1;  /* the descriptor is gone; on_lost may still be owed */
            bool closing : 1; /* closes once the output is out and the peer has stopped */
            bool shut : 1;    /* takes no more output */
            bool fin : 1;     /* the peer has been told so */
            bool pressed : 1; /* the high mark was passed: on_drain is owed */
            bool hung : 1; /* hung up, which changes nothing yet: watch only for what is wanted */
            bool held : 1; /* output of its event goes out with that of others */
        };
        uint16_t state; /* all of these, so that several can be compared at once */
    };
};
_Static_assert(
    sizeof(struct spout_transport) <= 64, "an idle transport costs no more than a cache line");

/*
 * Takes the fd (connected, non-blocking, close-on-exec); on failure it stays the caller's.
 * `consumer` must outlive the transport and have all its functions. Reading starts with
 * spi_transport_resume.
 *
 * How a transport ends. The struct must stay where it is until one of these has happened;
 * afterwards nothing refers to it:
 *   - on_lost was called: the connection failed, or spi_transport_close has done its work;
 *   - spi_transport_abort or spi_transport_detach has returned: no callback follows.
 * on_lost is called at most once, always by the loop itself: never from inside any function below.
 */
int spi_transport_open(spout_transport *transport, spout_loop *loop, int fd,
    const spi_transport_ops *ops, const spout_consumer *consumer);

/* Right after opening a pipe: the direction that it has not counts as ended already. */
void spi_transport_set_pipe_direction(spout_transport *transport);

/* No on_data and no on_eof meanwhile; a reset or hang-up is still noticed. Neither costs a system
   call in the usual case, in which nothing arrives in between. Resuming does nothing after
   on_eof. */
void spi_transport_pause(spout_transport *transport);
void spi_transport_resume(spout_transport *transport);

/*
 * Sends, gathers or queues; all or nothing. Fails with SPOUT_ECLOSED if the transport is closed,
 * closing, shut down or lost, and with SPOUT_ELIMIT if `max_pending` bytes (files not counted) wait
 * already. The limit is looked at before the write and not with it: one body that is in memory
 * anyway always goes through, however large. A send that fails in here shows as success or
 * SPOUT_ECLOSED, and on_lost follows in the next turn. After success, spi_transport_is_pressed says
 * whether to wait for on_drain.
 */
int spi_transport_write(spout_transport *transport, const void *data, size_t len);
int spi_transport_writev(spout_transport *transport, const spout_bytes *pieces, int count);

/* Sent from the blob at once where nothing is queued or gathered before it; what must wait waits as
   a reference. */
int spi_transport_write_blob(spout_transport *transport, spi_blob *blob);

/* Sends `len` bytes of the file from `offset` as the socket takes them. Takes fd, on failure too:
   closes it when sent. A file that turns out shorter than that ends the connection: on_lost with
   SPOUT_EFAILED. */
int spi_transport_write_file(spout_transport *transport, int fd, int64_t offset, int64_t len);
/* The same from a file that others send from too: what must wait refers to it. */
int spi_transport_write_shared_file(
    spout_transport *transport, spi_shared_file *file, int64_t offset, int64_t len);

/* Takes blobs back of which nothing has been sent, the oldest first, until they had `len` bytes
   together. Returns how many; none if all of them are shorter than that. */
size_t spi_transport_drop_blobs(spout_transport *transport, size_t len);

/* Room to write up to `len` bytes (<= 16 KiB) in place, gathered with what is there; commit what
   was used, with nothing else done on the loop's transports in between. NULL with the error set as
   for spi_transport_write. */
char *spi_transport_reserve(spout_transport *transport, size_t len);
void spi_transport_commit(spout_transport *transport, size_t len);

void spi_transport_flush(spout_transport *transport); /* sends what was gathered */

/* It reads, neither side has begun to end, and not too much output waits. */
static inline bool spi_transport_is_well(const spout_transport *transport)
{
    static const spout_transport mask = {
        .reading = true, .eof = true, .closed = true, .closing = true, .shut = true, .pressed = true
    };
    static const spout_transport well = { .reading = true };
    return (transport->state & mask.state) == well.state;
}

/* Bytes gathered or queued, files included. */
size_t spi_transport_pending(const spout_transport *transport);

/* More than the high mark was queued and it has not fallen to the low mark since: on_drain will
   come. */
static inline bool spi_transport_is_pressed(const spout_transport *transport)
{
    return transport->pressed;
}

/* Limits of the loop's transports; set by servers before they listen. 0: the default in
   brackets. */
typedef struct spi_transport_limits {
    size_t high_mark;         /* [64 KiB] */
    size_t low_mark;          /* [16 KiB] */
    size_t max_pending;       /* [16 MiB] */
    int64_t write_timeout_ms; /* without progress while output waits [30 s]; SPOUT_NONE: no limit */
    int64_t min_write_rate;   /* bytes a second on average while it waits, but for the first 10 s
                               [none] */
} spi_transport_limits;
void spi_transport_set_limits(spout_loop *loop, const spi_transport_limits *limits);

/* FIN after the queue; no more writes. Reading goes on. */
void spi_transport_shutdown(spout_transport *transport);

/*
 * Closes gracefully: sends what waits (within the write timeout), then FIN, then reads and discards
 * until the peer has closed too, for at most 2 s or 256 MiB, so that a peer that is still sending
 * gets our answer instead of a reset that destroys it. No callback follows but exactly one on_lost,
 * never from inside this call: with the error cleared (SPOUT_OK) if everything was sent, else with
 * what went wrong. Nothing follows a close after spi_transport_abort or detach.
 */
void spi_transport_close(spout_transport *transport);

/* Closes at once, with RST if output was pending. No callback follows, not even an on_lost that was
   owed. Harmless on one that has ended, or is all zero. */
void spi_transport_abort(spout_transport *transport);

/* The descriptor is gone: lost (on_lost has come or will), aborted, or detached. Not yet true while
   it closes gracefully. */
static inline bool spi_transport_is_closed(const spout_transport *transport)
{
    return transport->closed;
}

/* Writes have a chance: neither closed nor closing nor shut down. */
static inline bool spi_transport_is_writable(const spout_transport *transport)
{
    static const spout_transport mask = { .closed = true, .shut = true };
    return !(transport->state & mask.state);
}

int spi_transport_fd(const spout_transport *transport); /* -1 when closed */

/*
 * Moves the connection, with TLS if it has that, to another struct and another consumer, which does
 * not read yet. `from` has ended then, without a callback. Nothing must wait in the queue:
 * SPOUT_ESTATE, as for one that is closed or still agrees on TLS; `from` then goes on.
 */
int spi_transport_move(spout_transport *from, spout_transport *to, const spout_consumer *consumer);

/* Takes the fd out: nothing is closed, nothing must be pending. -1 with SPOUT_ESTATE otherwise. */
int spi_transport_detach(spout_transport *transport);

#endif
