/*
 * A client for conformance suites: asks how many cases there are, runs each of them by echoing
 * every message until the end, and asks for the report.
 *
 *     ws_case_client [--ca=FILE] [--proxy=URL] [--unix=PATH] ws://127.0.0.1:9001 [first [last]]
 */
#include <spout/error.h>
#include <spout/loop.h>
#include <spout/task.h>
#include <spout/tls.h>
#include <spout/websocketclient.h>

#include <stdio.h>
#include <stdlib.h>

enum { MAX_URL = 1024 };

typedef struct run {
    const char *url, *proxy, *unix_path;
    spout_tcp_connect_options tcp;
    long first, last;
} run;

static void print_error(const char *what)
{
    fprintf(stderr, "%s", what);
    for (const spout_error *e = spout_error_current(); e; e = spout_error_get_cause(e))
        fprintf(stderr, ": %s", spout_error_get_message(e));
    fputc('\n', stderr);
}

static spout_websocket *open_case(const run *self, const char *path)
{
    static const spout_websocket_compression compression = { .takeover = true };
    static const spout_websocket_handler handler = {
        .compression = &compression, .max_message_size = 64 << 20, .max_queue_size = 64 << 20
    };
    char url[MAX_URL];
    size_t len = strlen(self->url);
    while (len > 0 && self->url[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s%s", (int)len, self->url, path);
    return spout_websocket_connect(url, &(spout_websocket_connect_options){ .handler = &handler,
                                            .proxy = self->proxy,
                                            .unix_path = self->unix_path,
                                            .tcp = &self->tcp });
}

static long count_cases(const run *self)
{
    spout_message m;
    spout_websocket *ws = open_case(self, "/getCaseCount");
    if (!ws)
        return -1;
    long count = -1;
    if (spout_websocket_read(ws, &m) > 0)
        count = strtol(m.data, NULL, 10);
    else
        spout_error_set(SPOUT_EPROTO, "the server doesn't say how many cases there are");
    spout_websocket_unref(ws);
    return count;
}

static int echo(spout_websocket *ws)
{
    spout_message m;
    int result;
    while ((result = spout_websocket_read(ws, &m)) > 0)
        if (spout_websocket_write(ws, m) < 0 && spout_error_code_current() != SPOUT_ECLOSED)
            return -1;
    return result;
}

static int run_case(const run *self, long number)
{
    char path[64];
    snprintf(path, sizeof path, "/runCase?case=%ld&agent=waterspout", number);
    spout_websocket *ws = open_case(self, path);
    if (!ws)
        return -1;
    int result = echo(ws);
    spout_websocket_unref(ws);
    return result;
}

static int update_reports(const run *self)
{
    spout_websocket *ws = open_case(self, "/updateReports?agent=waterspout");
    if (!ws)
        return -1;
    int result = echo(ws);
    spout_websocket_unref(ws);
    return result;
}

static int run_cases(void *arg)
{
    run *self = arg;
    long count = count_cases(self);
    if (count < 0)
        return SPOUT_EFAILED;
    if (self->last > 0 && self->last < count)
        count = self->last;
    for (long number = self->first; number <= count; number++)
        if (run_case(self, number) < 0) {
            char name[32];
            snprintf(name, sizeof name, "case %ld", number);
            print_error(name);
        }
    return update_reports(self);
}

static const char *value_of(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, name, len) == 0 ? argument + len : NULL;
}

/* Takes the options off the front. Returns how many arguments they were. */
static int take_options(run *self, int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *value;
        if ((value = value_of(argv[at], "--ca=")))
            self->tcp.tls = spout_tls_client_new(&(spout_tls_options){ .ca_file = value });
        else if ((value = value_of(argv[at], "--proxy=")))
            self->proxy = value;
        else if ((value = value_of(argv[at], "--unix=")))
            self->unix_path = value;
        else
            return argc;
    }
    return at;
}

int main(int argc, char **argv)
{
    run self = { .first = 1 };
    spout_loop *loop = spout_loop_new(NULL);
    int at = take_options(&self, argc, argv);
    if (!loop || at >= argc) {
        fprintf(stderr,
            "usage: ws_case_client [--ca=FILE] [--proxy=URL] [--unix=PATH] URL [first [last]]\n");
        return 2;
    }
    self.url = argv[at];
    if (at + 1 < argc)
        self.first = strtol(argv[at + 1], NULL, 10);
    if (at + 2 < argc)
        self.last = strtol(argv[at + 2], NULL, 10);
    int result = spout_loop_run_sync(loop, run_cases, &self, 0);
    if (result < 0)
        print_error("ws_case_client");
    spout_tls_unref(self.tcp.tls);
    spout_loop_free(loop);
    return result < 0 ? 1 : 0;
}
