/* Happy Eyeballs (RFC 8305) in one coroutine: the attempts are descriptors that it waits for. */
#define _GNU_SOURCE
#include <spout/tcpclient.h>

#include <spout/error.h>
#include <spout/tls.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/resolver.h"
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum { ATTEMPT_DELAY_MS = 250, TRIED_TEXT = 512 };

typedef struct race race;

typedef struct attempt {
    race *race;
    spi_watch watch;
    int fd; /* -1: not going on */
    bool ready;
} attempt;

struct race {
    spout_loop *loop;
    const char *host;
    int port;
    const spout_tcp_connect_options *options;
    spout_endpoint source;
    spi_addresses addresses; /* in the order of the attempts */
    attempt attempts[SPOUT_RESOLVE_MAX];
    int started, going_on;
    spi_timer timer;
    bool due; /* the next attempt is */
    spi_list waiter;
    int errnum; /* of the last failure */
    char tried[TRIED_TEXT];
};

/* Adds to what the error will say. */
static void note(race *self, const spout_endpoint *to, const char *what)
{
    char name[SPI_ENDPOINT_NAME];
    size_t len = strlen(self->tried);
    snprintf(self->tried + len, sizeof self->tried - len, "%s%s%s%s", len ? ", " : "",
        spi_endpoint_name(to, name), what[0] ? " " : "", what);
}

/* The first family's addresses first, third …, the other's second, fourth …, as long as there are
   both. */
static void interleave(const spi_addresses *found, spi_addresses *out)
{
    int next[2] = { 0, 0 };
    uint8_t first = found->items[0].family;
    out->count = 0;
    for (int turn = 0; out->count < found->count; turn = !turn) {
        int *at = &next[turn];
        while (*at < found->count && (found->items[*at].family == first) != (turn == 0))
            ++*at;
        if (*at < found->count)
            out->items[out->count++] = found->items[(*at)++];
    }
}

static void on_timer(spi_timer *timer)
{
    race *self = spi_container(timer, race, timer);
    self->due = true;
    spi_wake_all(&self->waiter);
}

static void on_event(spi_watch *watch, unsigned events)
{
    (void)events;
    attempt *try = spi_container(watch, attempt, watch);
    try->ready = true;
    spi_wake_all(&try->race->waiter);
}

static void give_up(race *self, attempt *try)
{
    if (try->fd < 0)
        return;
    if (try->watch.fd >= 0)
        spi_watch_stop(self->loop, &try->watch);
    close(try->fd);
    try->fd = -1;
    self->going_on--;
}

static void failed(race *self, attempt *try, int errnum)
{
    const spout_endpoint *to = &self->addresses.items[try - self->attempts];
    spout_error_set_errno(errnum, "x");
    note(self, to, spout_error_message() + strlen("x: "));
    self->errnum = errnum;
    give_up(self, try);
    self->due = true;
}

static int bind_source(const race *self, int fd, int family)
{
    int on = 1;
    spout_endpoint source = self->source;
    struct sockaddr_storage address;
    if (source.family == 0 && self->options->source_port == 0)
        return 0;
    if (source.family == 0)
        source.family = (uint8_t)family;
    source.port = (uint16_t)self->options->source_port;
    if (source.port != 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t len = spi_endpoint_to(&source, &address);
    return bind(fd, (const struct sockaddr *)&address, len);
}

/* 0 connected, 1 under way, -1 with errno. */
static int begin_connect(const race *self, int fd, const spout_endpoint *to)
{
    int on = 1;
    struct sockaddr_storage address;
    socklen_t len = spi_endpoint_to(to, &address);
    if (bind_source(self, fd, to->family) < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address, len) == 0)
        return 0;
    return errno == EINPROGRESS || errno == EINTR ? 1 : -1;
}

static void start_attempt(race *self)
{
    attempt *try = &self->attempts[self->started];
    const spout_endpoint *to = &self->addresses.items[self->started++];
    int family = to->family == 4 ? AF_INET : AF_INET6;
    *try = (attempt){ .race = self, .watch = { .fd = -1 } };
    try->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    self->due = false;
    if (try->fd >= 0)
        self->going_on++;
    int begun = try->fd >= 0 ? begin_connect(self, try->fd, to) : -1;
    if (begun < 0) {
        failed(self, try, errno);
        return;
    }
    try->ready = begun == 0;
    if (begun > 0 &&
        spi_watch_start(self->loop, &try->watch, try->fd, SPOUT_WRITABLE, on_event) < 0) {
        failed(self, try, ENOMEM);
        return;
    }
    int64_t delay = self->options->attempt_delay_ms > 0 ? self->options->attempt_delay_ms
                                                        : ATTEMPT_DELAY_MS;
    if (self->started < self->addresses.count)
        spi_timer_start(self->loop, &self->timer, spi_loop_now(self->loop) + delay, on_timer);
}

/* A connection of a socket with itself, which TCP allows on the own machine when the port that was
   chosen for us is the one that we look for. */
static bool is_own_end(int fd)
{
    struct sockaddr_storage own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 && own_len == peer_len &&
           memcmp(&own, &peer, own_len) == 0;
}

static int outcome(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        return errno;
    return errnum == 0 && is_own_end(fd) ? ECONNREFUSED : errnum;
}

/* The attempt that has succeeded, or NULL. Those that have failed are gone then. */
static attempt *look(race *self)
{
    for (int i = 0; i < self->started; i++) {
        attempt *try = &self->attempts[i];
        if (try->fd < 0 || !try->ready)
            continue;
        int errnum = outcome(try->fd);
        if (errnum == 0)
            return try;
        failed(self, try, errnum);
    }
    return NULL;
}

static attempt *run_race(race *self, int *ret_result)
{
    attempt *winner = NULL;
    self->due = true;
    *ret_result = 0;
    while (!winner && *ret_result == 0) {
        if (self->due && self->started < self->addresses.count)
            start_attempt(self);
        winner = look(self);
        if (winner || (self->due && self->started < self->addresses.count))
            continue;
        if (self->going_on == 0)
            break;
        *ret_result = spi_wait(&self->waiter, "connect");
    }
    return winner;
}

static void end_race(race *self, const attempt *winner)
{
    spi_timer_stop(self->loop, &self->timer);
    for (int i = 0; i < self->started; i++)
        if (&self->attempts[i] != winner)
            give_up(self, &self->attempts[i]);
}

static void tell(race *self, int result)
{
    if (result == 0) {
        spout_error_set_errno(self->errnum, "cannot connect to %s:%d (tried %s)", self->host,
            self->port, self->tried);
        return;
    }
    for (int i = 0; i < self->started; i++)
        if (self->attempts[i].fd >= 0)
            note(self, &self->addresses.items[i], "");
    if (result == SPOUT_ETIMEDOUT)
        spout_error_wrap(result, "connecting to %s:%d timed out (tried %s)", self->host, self->port,
            self->tried);
    else
        spout_error_wrap(result, "cannot connect to %s:%d", self->host, self->port);
}

static spout_stream *make_stream(race *self, attempt *winner)
{
    const spout_endpoint *to = &self->addresses.items[winner - self->attempts];
    if (winner->watch.fd >= 0)
        spi_watch_stop(self->loop, &winner->watch);
    spout_stream *stream = spi_stream_new(self->loop, winner->fd, to, &self->options->stream);
    if (!stream)
        close(winner->fd);
    return stream;
}

static spout_stream *connect_to_addresses(race *self)
{
    int result = 0;
    attempt *winner = run_race(self, &result);
    if (!winner)
        tell(self, result);
    end_race(self, winner);
    return winner ? make_stream(self, winner) : NULL;
}

static int prepare(race *self)
{
    const spout_tcp_connect_options *options = self->options;
    spi_addresses found;
    spout_family family = options->family;
    if (self->port < 1 || self->port > 65535 || options->source_port < 0 ||
        options->source_port > 65535)
        return spout_error_set(
            SPOUT_EINVAL, "cannot connect to %s:%d: ports are 1 to 65535", self->host, self->port);
    if (options->source_ip) {
        if (!spi_endpoint_parse_zoned(&self->source, options->source_ip, 0))
            return spout_error_set(SPOUT_EINVAL,
                "cannot connect from \"%s\": not a numeric IP address", options->source_ip);
        if (family != SPOUT_FAMILY_ANY && (int)family != self->source.family)
            return spout_error_set(SPOUT_EINVAL,
                "cannot connect from %s to addresses of the other family", options->source_ip);
        family = (spout_family)self->source.family;
    }
    int result = spi_resolve(options->resolver, self->host, self->port, family, &found);
    if (result == 0)
        interleave(&found, &self->addresses);
    return result;
}

spout_stream *spout_tcp_connect(
    const char *host, int port, const spout_tcp_connect_options *options)
{
    static const spout_tcp_connect_options defaults;
    if (!options)
        options = &defaults;
    if (host[0] == '@' || strchr(host, '/'))
        return spout_stream_connect(host, port, &options->stream);
    if (!spi_task_current()) {
        spout_error_set(SPOUT_ESTATE, "connecting waits: it needs a coroutine");
        return NULL;
    }
    race *self = spi_calloc(sizeof *self);
    self->loop = spout_loop_current();
    self->host = host;
    self->port = port;
    self->options = options;
    spi_list_init(&self->waiter);
    spout_stream *stream = prepare(self) == 0 ? connect_to_addresses(self) : NULL;
    if (stream && options->tls &&
        spout_stream_start_tls(
            stream, options->tls, options->server_name ? options->server_name : host) < 0) {
        spout_stream_close(stream);
        stream = NULL;
    }
    spi_free(self);
    return stream;
}
