#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* A server may let no more than 128 connections wait until it accepts them; the next one would be
   tried again a second later. */
enum { BURST = 64, BURST_PAUSE_US = 5000 };

static bool is(const load *l, const char *mode)
{
    return strcmp(l->options->mode, mode) == 0;
}

static bool is_waiting(const load *l)
{
    return is(l, "poll") || is(l, "topic");
}

static void read_request(load_options *o, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        load_fail("cannot read %s", path);
    o->request = calloc(1, 1 << 20);
    o->request_len = fread(o->request, 1, (1 << 20) - 1, file);
    fclose(file);
}

static load_options parse(int argc, char **argv)
{
    load_options o = { .mode = "http",
        .address = "127.0.0.1",
        .path = "/",
        .connections = 64,
        .depth = 1,
        .message = 64 };
    static const struct option names[] = {
        { "mode", 1, NULL, 'm' },
        { "address", 1, NULL, 'a' },
        { "port", 1, NULL, 'p' },
        { "path", 1, NULL, 'u' },
        { "trigger", 1, NULL, 't' },
        { "connections", 1, NULL, 'c' },
        { "depth", 1, NULL, 'd' },
        { "message", 1, NULL, 's' },
        { "request", 1, NULL, 'r' },
        { "tls", 0, NULL, 'S' },
        { "deflate", 0, NULL, 'D' },
        { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'm': o.mode = optarg; break;
        case 'a': o.address = optarg; break;
        case 'p': o.port = (uint16_t)atoi(optarg); break;
        case 'u': o.path = optarg; break;
        case 't': o.trigger = optarg; break;
        case 'c': o.connections = atoi(optarg); break;
        case 'd': o.depth = atoi(optarg); break;
        case 's': o.message = (size_t)atoi(optarg); break;
        case 'r': read_request(&o, optarg); break;
        case 'S': o.tls = true; break;
        case 'D': o.deflate = true; break;
        default: exit(2);
        }
    }
    if (o.message > 60000)
        load_fail("messages of up to 60000 bytes");
    return o;
}

/* One request repeated, or one frame. */
static void make_batch(load *l)
{
    const load_options *o = l->options;
    l->batch_answers = o->depth;
    if (is(l, "websocket")) {
        l->batch = calloc(1, o->message + 16);
        l->batch_len = load_frame(l->batch, o->message, 'x');
        l->batch_answers = 1;
        return;
    }
    l->batch = calloc((size_t)o->depth, o->request_len + 1);
    for (int i = 0; i < o->depth; i++, l->batch_len += o->request_len)
        memcpy(l->batch + l->batch_len, o->request, o->request_len);
}

static void close_all(load *l)
{
    int count = l->options->connections + (is_waiting(l) ? 1 : 0);
    for (int i = 0; l->open && i < count; i++)
        load_close(&l->connections[i]);
    l->open = false;
}

static void open_all(load *l)
{
    const load_options *o = l->options;
    l->open = true;
    for (int i = 0; i < o->connections; i++) {
        connection *c = &l->connections[i];
        load_connect(l, c, i);
        if (i % BURST == BURST - 1)
            usleep(BURST_PAUSE_US);
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
        epoll_ctl(l->poller, EPOLL_CTL_ADD, c->fd, &event);
        if (is(l, "websocket")) {
            load_upgrade(l, c, o->path);
            c->answer = load_frame_length(o->message);
        }
    }
    if (is_waiting(l))
        load_prepare_wake(l);
}

static void run(load *l, const char *verb, double amount)
{
    int64_t started = load_now_ns();
    l->answers = 0;
    l->goal = strcmp(verb, "count") == 0 ? (uint64_t)amount : 0;
    l->deadline_ns = started + (int64_t)(amount * 1e9);
    if (is(l, "connect"))
        load_run_connections(l);
    else
        load_run_requests(l);
    load_report(l, (double)(load_now_ns() - started) / 1e9);
}

static void obey(load *l, const char *line)
{
    double amount = 0;
    char verb[16] = "";
    sscanf(line, "%15s %lf", verb, &amount);
    if (strcmp(verb, "open") == 0 && !is(l, "connect"))
        open_all(l);
    else if (strcmp(verb, "close") == 0)
        close_all(l);
    else if (strcmp(verb, "wake") == 0)
        load_wake(l);
    else if (strcmp(verb, "run") == 0 || strcmp(verb, "count") == 0)
        run(l, verb, amount);
    puts("done");
    fflush(stdout);
}

static void free_all(load *l)
{
    close_all(l);
    close(l->poller);
    SSL_CTX_free(l->tls);
    free(l->connections);
    free(l->batch);
    free(l->latencies_us);
    free(l->options->request);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    load_options options = parse(argc, argv);
    load l = { .options = &options, .poller = epoll_create1(EPOLL_CLOEXEC) };
    l.connections = calloc((size_t)options.connections + 1, sizeof *l.connections);
    if (options.tls) {
        l.tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_session_cache_mode(l.tls, SSL_SESS_CACHE_OFF);
    }
    make_batch(&l);
    char line[64];
    while (fgets(line, sizeof line, stdin))
        obey(&l, line);
    free_all(&l);
    return 0;
}
