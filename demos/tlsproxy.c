/*
 * Terminates TLS: takes https:// and the like on one side, speaks plain TCP to --target on the
 * other. As fast as the slower side: what is not taken is not read.
 */
#include <spout.h>
#include <spout/tcpclient.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const spout_option options[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .default_value = "8443",
        .metavar = "PORT",
        .help = "port to listen on, 0 for any free one" },
    { .name = "address",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "ADDRESS",
        .help = "address to listen on; all by default" },
    { .name = "tls-cert",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "FILE",
        .help = "certificate and its chain, PEM; read again on SIGHUP" },
    { .name = "tls-key", .type = SPOUT_OPTION_TEXT, .metavar = "FILE", .help = "its key, PEM" },
    { .name = "target",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "HOST:PORT",
        .help = "where to forward to" },
    { .name = "help", .type = SPOUT_OPTION_BOOL, .help = "show this text" },
    { 0 },
};

typedef struct target {
    char host[256];
    int port;
} target;

typedef struct direction {
    spout_stream *from, *to;
} direction;

static int complain(void)
{
    spout_log_flush();
    fprintf(stderr, "tlsproxy: %s\n", spout_error_message());
    return 1;
}

/* Until its source ends; that end is passed on, while the other direction may go on. */
static int copy(void *arg)
{
    const direction *way = arg;
    spout_bytes bytes;
    while (spout_stream_read_some(way->from, 64 * 1024, &bytes) == 0)
        if (spout_stream_write(way->to, bytes) < 0)
            return -1;
    if (spout_error_code_current() != SPOUT_ECLOSED)
        return -1;
    int result = spout_stream_error(way->from);
    return result < 0 ? result : spout_stream_shutdown(way->to);
}

static int forward(spout_stream *client, void *arg)
{
    const target *to = arg;
    spout_stream *server = spout_tcp_connect(to->host, to->port, NULL);
    if (!server)
        return -1;
    direction ways[] = { { client, server }, { server, client } };
    spout_group *group = spout_group_new();
    int result = spout_group_start(group, copy, &ways[0], NULL);
    if (result == 0)
        result = spout_group_start(group, copy, &ways[1], NULL);
    if (result < 0)
        spout_group_cancel(group);
    int joined = spout_group_join(group);
    spout_group_free(group);
    if (result < 0 || joined < 0) /* half a message must not look like a whole one */
        spout_stream_set_reset_on_close(server, true);
    spout_stream_close(server);
    return result < 0 ? result : joined;
}

static int parse_target(const char *text, target *out)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    const char *host = text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (len == 0 || len >= sizeof out->host || !end || *end || port < 1 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "option '--target' needs HOST:PORT");
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    out->port = (int)port;
    return 0;
}

static void on_reload(void *arg, int signo)
{
    (void)signo;
    if (spout_tls_reload(arg) < 0)
        spout_log_error("the old certificate stays: %s", spout_error_message());
    else
        spout_log_info("the certificate was read again");
}

static void on_end(void *arg, int signo)
{
    (void)signo;
    spout_loop_stop(arg);
}

static int serve(spout_tls *tls, target *to)
{
    spout_loop *loop = spout_loop_new(NULL);
    if (!loop)
        return complain();
    spout_signal *signals[] = { spout_signal_start(SIGTERM, on_end, loop),
        spout_signal_start(SIGINT, on_end, loop), spout_signal_start(SIGHUP, on_reload, tls) };
    spout_tcp_server *server = spout_tcp_server_new(forward, to, NULL);
    int status = 0;
    if (spout_tcp_server_listen(server, &(spout_listen_options){
                                            .port = (int)spout_option_int("port"),
                                            .address = spout_option_text("address"),
                                            .tls = tls,
                                        }) < 0) {
        status = complain();
    } else {
        const char *address = spout_option_text("address");
        spout_log(SPOUT_LOGGER_GENERAL, SPOUT_LOG_INFO, "listening on %s:%d",
            address ? address : "*", spout_tcp_server_port(server));
        if (spout_loop_run(loop) < 0)
            status = complain();
    }
    spout_tcp_server_free(server);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        spout_signal_stop(signals[i]);
    spout_loop_free(loop);
    return status;
}

int main(int argc, char **argv)
{
    target to;
    signal(SIGPIPE, SIG_IGN);
    if (spout_options_define(options) < 0)
        return complain();
    int rest = spout_options_parse(argc, argv);
    if (rest < 0)
        return complain() + 1;
    if (spout_option_bool("help")) {
        spout_options_print_help(stdout, "tlsproxy");
        return 0;
    }
    if (parse_target(spout_option_text("target"), &to) < 0)
        return complain() + 1;
    spout_tls *tls = spout_tls_server_new(&(spout_tls_options){
        .cert_file = spout_option_text("tls-cert"), .key_file = spout_option_text("tls-key") });
    if (!tls)
        return complain();
    int status = serve(tls, &to);
    spout_tls_unref(tls);
    spout_options_reset();
    spout_log_flush();
    return status;
}
