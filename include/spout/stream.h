/*
 * Byte streams for your own protocols (Tornado's iostream): reads and writes that suspend the
 * calling coroutine instead of blocking.
 *
 * A stream is owned by whoever opened it. One coroutine reads and one writes at a time (a second
 * reader gets SPOUT_ESTATE). It receives only while a coroutine reads: a reader that takes its time
 * slows the peer down, not this process.
 *
 * Reads fail with SPOUT_ECLOSED at the end of input or a reset (the message says which), with
 * SPOUT_ETIMEDOUT and SPOUT_ECANCELED as everywhere; what has been received stays in the stream's
 * buffer for the next read, and what satisfies a read is returned before the end is reported. What
 * a read returns is scoped to the stream: valid until its next read or close. Outputs stay
 * untouched on failure.
 *
 * Example:
 *     static int echo(spout_stream *stream, void *arg)
 *     {
 *         (void)arg;
 *         spout_bytes line;
 *         while (spout_stream_read_until(stream, "\n", 4096, &line) == 0)
 *             if (spout_stream_write(stream, line) < 0)
 *                 return -1;
 *         return 0;
 *     }
 */
#ifndef SPOUT_STREAM_H
#define SPOUT_STREAM_H

#include <spout/base.h>
#include <spout/loop.h>
#include <spout/netutil.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_stream spout_stream;

typedef struct spout_stream_options {
    size_t max_buffer_size;       /* the most that one read can return; 0: 100 MiB */
    size_t max_write_buffer_size; /* a write suspends while more than this is queued; 0: 64 KiB */
    void *reserved[4];
} spout_stream_options;

/* A connected TCP or Unix socket becomes a stream of the current loop; the fd is the stream's from
   now on and made non-blocking. NULL with SPOUT_ESTATE without a loop, SPOUT_ESYSTEM if it can't be
   watched; the fd stays the caller's then. Owned. */
SPOUT_API spout_stream *spout_stream_open(int fd, const spout_stream_options *options);

/*
 * The same for one end of a pipe or FIFO (PipeIOStream). Reading from an end that only writes finds
 * the end at once, writing to one that only reads fails with SPOUT_ECLOSED. That it is non-blocking
 * is then so for all who share the pipe's end, such as a terminal's other users. Owned.
 */
SPOUT_API spout_stream *spout_stream_open_pipe(int fd, const spout_stream_options *options);

/*
 * Connects to a numeric IP (with a zone if need be: "fe80::1%eth0") and port, or to a Unix socket if the address has a '/' or begins with
 * '@' (Linux's abstract space). Names are resolved by <spout/tcpclient.h>. TCP_NODELAY is set. NULL
 * with SPOUT_ESYSTEM and a message such as "cannot connect to 127.0.0.1:80: Connection refused",
 * SPOUT_ETIMEDOUT when the coroutine's deadline passes, SPOUT_EINVAL. Owned.
 */
SPOUT_API spout_stream *spout_stream_connect(
    const char *address, int port, const spout_stream_options *options) SPOUT_SUSPENDS;

/* Exactly len bytes (read_bytes). SPOUT_ELIMIT if that is more than max_buffer_size. */
SPOUT_API int spout_stream_read(
    spout_stream *stream, size_t len, spout_bytes *ret_bytes) SPOUT_SUSPENDS;
/* What there is, at least one byte and at most max (read_bytes, partial). In these three max 0
   stands for max_buffer_size. */
SPOUT_API int spout_stream_read_some(
    spout_stream *stream, size_t max, spout_bytes *ret_bytes) SPOUT_SUSPENDS;
/* Up to and with the delimiter; SPOUT_ELIMIT if it does not end within max bytes, which stay in the
   buffer (read_until). */
SPOUT_API int spout_stream_read_until(
    spout_stream *stream, const char *delimiter, size_t max, spout_bytes *ret_bytes) SPOUT_SUSPENDS;
/*
 * Up to the end of the first match of a regular expression (PCRE2, without UTF mode) in what has
 * come; limits as for read_until (read_until_regex). A match counts as soon as there is one: for
 * "a+" one "a" is enough, so end a pattern with what ends the message. SPOUT_EINVAL for a bad
 * pattern, SPOUT_ELIMIT for one that backtracks too much. The stream keeps the last pattern
 * compiled.
 *
 * Example:
 *     if (spout_stream_read_until_regex(stream, "\r?\n\r?\n", 65536, &head) < 0)
 *         return -1;
 */
SPOUT_API int spout_stream_read_until_regex(
    spout_stream *stream, const char *pattern, size_t max, spout_bytes *ret_bytes) SPOUT_SUSPENDS;
/* Into the caller's memory, exactly len bytes or none (read_into). */
SPOUT_API int spout_stream_read_into(spout_stream *stream, void *out, size_t len) SPOUT_SUSPENDS;
/* Into the caller's memory what there is, at least one byte and at most max (read_into, partial);
   max 0 waits for nothing. */
SPOUT_API int spout_stream_read_some_into(
    spout_stream *stream, void *out, size_t max, size_t *ret_len) SPOUT_SUSPENDS;
/* All that comes until the peer's end, maybe nothing (read_until_close). SPOUT_ELIMIT if it is more
   than max; a reset is no end, but SPOUT_ECLOSED. */
SPOUT_API int spout_stream_read_until_close(
    spout_stream *stream, size_t max, spout_bytes *ret_bytes) SPOUT_SUSPENDS;

/* Waits until at most max_write_buffer_size bytes are queued, then takes the bytes: all of them, or
   none if it fails. */
SPOUT_API int spout_stream_write(spout_stream *stream, spout_bytes bytes) SPOUT_SUSPENDS;
/* The same for several pieces in a row, in one system call where they fit. */
SPOUT_API int spout_stream_writev(
    spout_stream *stream, const spout_bytes *pieces, int count) SPOUT_SUSPENDS;
/*
 * Sends `len` bytes of a file from `offset` (SPOUT_NONE: to its end), by sendfile where the system
 * and the kind of stream have it. Suspends before, as a write does; the file then goes out in the
 * background, and a flush waits for it. Takes fd, on failure too. A file that turns out shorter
 * ends the connection.
 */
SPOUT_API int spout_stream_write_file(
    spout_stream *stream, int fd, int64_t offset, int64_t len) SPOUT_SUSPENDS;
/* Waits until everything is handed to the system. */
SPOUT_API int spout_stream_flush(spout_stream *stream) SPOUT_SUSPENDS;
/* Half-close: no more output after what is queued. SPOUT_ECLOSED if that is so already. Of a pipe
   this is the end. */
SPOUT_API int spout_stream_shutdown(spout_stream *stream);

/* The connection is gone, both ways. The end of the peer's output alone shows in reads (closed). */
SPOUT_API bool spout_stream_is_closed(const spout_stream *stream);

/* Why the connection was lost, with the error set: reset, timed out. 0 while it is open, or if it
   ended in an orderly way (IOStream.error). */
SPOUT_API int spout_stream_error(const spout_stream *stream);

/*
 * Calls fn(arg) once, on the loop: when the connection is lost, when the peer has ended and all
 * that it sent was read, or when the stream is closed or freed here (set_close_callback). Not if
 * the loop ends first. Meanwhile the stream receives one buffer's worth, up to 64 KiB, even if
 * nobody reads, since that is how the end shows. NULL removes it.
 */
SPOUT_API void spout_stream_set_close_callback(spout_stream *stream, spout_callback *fn, void *arg);

/*
 * Takes the descriptor out of the stream, which is gone then: returns the fd, non-blocking and the
 * caller's. What was received and not read goes to *ret_rest (scoped); if there is any and ret_rest
 * is NULL that is SPOUT_ESTATE, as is output that waits. SPOUT_EUNSUPPORTED for TLS, whose keys and
 * half-received records a descriptor does not carry. On failure the stream stays.
 */
SPOUT_API int spout_stream_detach(spout_stream *stream, spout_bytes *ret_rest);

/* Settings. They fail with SPOUT_ECLOSED on a stream that is closed; the first two do nothing for
   Unix sockets and pipes. */
SPOUT_API int spout_stream_set_nodelay(spout_stream *stream, bool on);

/* 0: the system's own figure. */
typedef struct spout_keep_alive_options {
    int idle_s;     /* without traffic before the first probe; SPOUT_NONE: no probes */
    int interval_s; /* between probes */
    int probes;     /* unanswered ones until the connection is timed out */
    void *reserved[4];
} spout_keep_alive_options;
SPOUT_API int spout_stream_set_keep_alive(
    spout_stream *stream, const spout_keep_alive_options *options);

/* A close drops what is queued at once, and sends a reset where there is one (SO_LINGER of 0),
   instead of going on in the background. */
SPOUT_API int spout_stream_set_reset_on_close(spout_stream *stream, bool on);

SPOUT_API const char *spout_stream_remote_ip(
    spout_stream *stream); /* "" for a Unix socket; valid while the stream is */
SPOUT_API int spout_stream_remote_port(const spout_stream *stream); /* 0 for a Unix socket */

/* Sends what is queued in the background, within the write timeout, then closes. The handle is
   invalid at once; coroutines that wait in it get SPOUT_ECLOSED. NULL is fine. */
SPOUT_API void spout_stream_close(spout_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
