/*
 * The kinds of streams that the common suite runs on. A kind is a row: how to make two connected
 * ends. Each end has a stream to read from and one to write to; for sockets they are the same.
 */
#ifndef TESTS_NET_KINDS_H
#define TESTS_NET_KINDS_H

#include "tls_kit.h"

#include <spout/stream.h>
#include <spout/task.h>

typedef struct end {
    spout_stream *in, *out;
} end;

typedef struct kind {
    const char *name;
    /* On a coroutine. Makes both ends on the current loop. */
    void (*open)(end ends[2], const spout_stream_options *options) SPOUT_SUSPENDS;
    bool detaches; /* becomes a descriptor again */
    bool resets;   /* the peer notices a reset as such */
    bool two_ways; /* half-open: one end may end its output and go on reading */
} kind;

static inline void end_close_out(end *self)
{
    spout_stream_close(self->out);
    if (self->in == self->out)
        self->in = NULL;
    self->out = NULL;
}

static inline void end_close(end *self)
{
    if (self->in != self->out)
        spout_stream_close(self->in);
    spout_stream_close(self->out);
    *self = (end){ 0 };
}

static inline void open_sockets(end ends[2], const int fds[2], const spout_stream_options *options)
{
    for (int i = 0; i < 2; i++) {
        ends[i].in = ends[i].out = spout_stream_open(fds[i], options);
        assert_non_null(ends[i].in);
    }
}

static inline void open_tcp(end ends[2], const spout_stream_options *options)
{
    int fds[2];
    kit_tcp_pair(fds);
    open_sockets(ends, fds, options);
}

static inline void open_unix(end ends[2], const spout_stream_options *options)
{
    int fds[2];
    kit_unix_pair(fds);
    open_sockets(ends, fds, options);
}

static inline void open_pipes(end ends[2], const spout_stream_options *options)
{
    for (int i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        ends[1 - i].in = spout_stream_open_pipe(fds[0], options);
        ends[i].out = spout_stream_open_pipe(fds[1], options);
        assert_non_null(ends[1 - i].in);
        assert_non_null(ends[i].out);
    }
}

/* The certificates are the first opening's, and go with the process. */
static spout_tls *kinds_server_tls, *kinds_client_tls;

static inline void free_tls(void)
{
    spout_tls_unref(kinds_server_tls);
    spout_tls_unref(kinds_client_tls);
    certs_tear_down(NULL);
}

static inline void make_tls(void)
{
    certs_set_up(NULL);
    kinds_server_tls = certs_server("server");
    kinds_client_tls = certs_client();
    atexit(free_tls);
}

static inline int serve_tls(void *arg)
{
    return spout_stream_start_tls(arg, kinds_server_tls, NULL);
}

static inline void open_tls(end ends[2], const spout_stream_options *options)
{
    if (!kinds_server_tls)
        make_tls();
    open_tcp(ends, options);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, serve_tls, ends[1].in, NULL), 0);
    assert_int_equal(spout_stream_start_tls(ends[0].in, kinds_client_tls, "localhost"), 0);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
}

static const kind kinds[] = {
    { .name = "tcp", .open = open_tcp, .detaches = true, .resets = true, .two_ways = true },
    { .name = "unix", .open = open_unix, .detaches = true, .two_ways = true },
    { .name = "tls", .open = open_tls, .resets = true, .two_ways = true },
    { .name = "pipe", .open = open_pipes, .detaches = true },
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

#endif
