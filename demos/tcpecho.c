/*
 * $ tcpecho --port=9000 &
 * $ tcpecho --connect=localhost:9000 'Hello, world'
 * Hello, world
 */
#include <spout.h>
#include <spout/tcpclient.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 64 * 1024, PATIENCE_MS = 10 * 1000, EXIT_USAGE = 2 };

static const spout_option options[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .default_value = "9000",
        .metavar = "PORT",
        .help = "port to listen on, 0 for any free one" },
    { .name = "address",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "ADDRESS",
        .help = "address to listen on; all by default" },
    { .name = "connect",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "HOST:PORT",
        .help =
            "be the client instead: send each word of the rest as a line, print what comes back" },
    { .name = "help", .type = SPOUT_OPTION_BOOL, .help = "show this text" },
    { 0 },
};

static int complain(int status)
{
    spout_log_flush();
    fprintf(stderr, "tcpecho: %s\n", spout_error_message());
    return status;
}

/* --- the server --- */

static int echo(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes line;
    while (spout_stream_read_until(stream, "\n", MAX_LINE, &line) == 0)
        if (spout_stream_write(stream, line) < 0)
            return -1;
    return spout_error_code_current();
}

static void on_end(void *arg, int signo)
{
    (void)signo;
    spout_loop_stop(arg);
}

static int serve(spout_loop *loop)
{
    const char *address = spout_option_text("address");
    spout_tcp_server *server = spout_tcp_server_new(echo, NULL, NULL);
    spout_signal *term = spout_signal_start(SIGTERM, on_end, loop);
    spout_signal *interrupt = spout_signal_start(SIGINT, on_end, loop);
    int result = spout_tcp_server_listen(server,
        &(spout_listen_options){ .port = (int)spout_option_int("port"), .address = address });
    if (result == 0) {
        spout_log(SPOUT_LOGGER_GENERAL, SPOUT_LOG_INFO, "listening on %s:%d",
            address ? address : "*", spout_tcp_server_port(server));
        result = spout_loop_run(loop);
    }
    spout_signal_stop(term);
    spout_signal_stop(interrupt);
    spout_tcp_server_free(server);
    return result;
}

/* --- the client --- */

typedef struct client {
    char host[256];
    int port;
    char **lines; /* ended by NULL */
} client;

/* "HOST:PORT"; an IPv6 address stands in brackets. */
static int parse_target(const char *text, client *out)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    const char *host = brackets ? text + 1 : text;
    if (brackets)
        len -= 2;
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (len == 0 || len >= sizeof out->host || *end || port < 1 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "option '--connect' needs HOST:PORT, not '%s'", text);
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    out->port = (int)port;
    return 0;
}

static int exchange(spout_stream *stream, const char *text)
{
    const spout_bytes pieces[] = { spout_bytes_of(text), { "\n", 1 } };
    spout_bytes line;
    if (spout_stream_writev(stream, pieces, 2) < 0 ||
        spout_stream_read_until(stream, "\n", MAX_LINE, &line) < 0)
        return -1;
    fwrite(line.data, 1, line.len, stdout);
    return 0;
}

static int talk(void *arg)
{
    const client *self = arg;
    spout_deadline_set_ms(PATIENCE_MS);
    spout_stream *stream = spout_tcp_connect(self->host, self->port, NULL);
    if (!stream)
        return spout_error_code_current();
    int result = 0;
    for (char **line = self->lines; *line && result == 0; line++)
        result = exchange(stream, *line);
    spout_stream_close(stream);
    return result < 0 ? spout_error_code_current() : 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    spout_options_define(options);
    int rest = spout_options_parse(argc, argv);
    if (rest < 0)
        return complain(EXIT_USAGE);
    if (spout_option_bool("help")) {
        spout_options_print_help(stdout, "tcpecho");
        return 0;
    }
    client self = { .lines = argv + rest };
    const char *target = spout_option_text("connect");
    if (target ? parse_target(target, &self) < 0
               : rest < argc && spout_error_set(SPOUT_EINVAL,
                                    "unexpected argument '%s': see --help", argv[rest]) < 0)
        return complain(EXIT_USAGE);
    spout_loop *loop = spout_loop_new(NULL);
    if (!loop)
        return complain(1);
    int result = target ? spout_loop_run_sync(loop, talk, &self, 0) : serve(loop);
    int status = result < 0 ? complain(1) : 0;
    spout_loop_free(loop);
    return status;
}
