/*
 * $ tcpecho --port=9000 &
 * $ tcpecho --connect=localhost:9000 'Hello, world'
 * Hello, world
 */
#include "tcp_program.h"

#include <stdio.h>

enum { PATIENCE_MS = 10 * 1000 };

static const spout_option options[] = {
    { .name = "max-body-size",
        .type = SPOUT_OPTION_SIZE,
        .default_value = "64k",
        .metavar = "SIZE",
        .help = "longest line" },
    { .name = "connect",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "HOST:PORT",
        .help =
            "be the client instead: send each word of the rest as a line, print what comes back" },
    { .name = "tls", .type = SPOUT_OPTION_BOOL, .help = "the client speaks TLS" },
    { .name = "tls-ca",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "FILE",
        .help = "whom the client trusts, PEM; the system's authorities by default" },
    { 0 },
};

static size_t max_line(void)
{
    return (size_t)spout_option_int("max-body-size");
}

/* --- the server --- */

static int echo(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes line;
    while (spout_stream_read_until(stream, "\n", max_line(), &line) == 0)
        if (spout_stream_write(stream, line) < 0)
            return -1;
    return spout_error_code_current();
}

/* --- the client --- */

typedef struct client {
    tcp_target target;
    char **lines; /* ended by NULL */
} client;

static int exchange(spout_stream *stream, const char *text)
{
    const spout_bytes pieces[] = { spout_bytes_of(text), { "\n", 1 } };
    spout_bytes line;
    if (spout_stream_writev(stream, pieces, 2) < 0 ||
        spout_stream_read_until(stream, "\n", max_line(), &line) < 0)
        return -1;
    fwrite(line.data, 1, line.len, stdout);
    return 0;
}

static int talk(void *arg)
{
    const client *self = arg;
    spout_tls *tls = NULL;
    if (spout_option_bool("tls") && !(tls = spout_tls_client_new(&(spout_tls_options){
                                          .ca_file = spout_option_text("tls-ca") })))
        return -1;
    spout_deadline_set_ms(PATIENCE_MS);
    spout_stream *stream = spout_tcp_connect(
        self->target.host, self->target.port, &(spout_tcp_connect_options){ .tls = tls });
    int result = stream ? 0 : -1;
    for (char **line = self->lines; *line && result == 0; line++)
        result = exchange(stream, *line);
    spout_stream_close(stream);
    spout_tls_unref(tls);
    return result;
}

static int be_the_client(const tcp_program *program, client *self)
{
    spout_loop *loop = spout_loop_new(NULL);
    int status = 0;
    if (!loop || spout_loop_run_sync(loop, talk, self, 0) < 0)
        status = tcp_program_complain(program, 1);
    spout_loop_free(loop);
    return status;
}

int main(int argc, char **argv)
{
    const tcp_program program = {
        .name = "tcpecho", .options = options, .default_port = "9000", .handler = echo
    };
    int rest = tcp_program_parse(&program, argc, argv);
    if (rest <= 0)
        return rest < 0 ? tcp_program_complain(&program, EXIT_USAGE) : 0;
    client self = { .lines = argv + rest };
    const char *target = spout_option_text("connect");
    if (!target && rest < argc)
        spout_error_set(SPOUT_EINVAL, "unexpected argument '%s': see --help", argv[rest]);
    else if (!target)
        return tcp_program_serve(&program);
    else if (tcp_target_parse(&self.target, "connect", target) == 0)
        return be_the_client(&program, &self);
    return tcp_program_complain(&program, EXIT_USAGE);
}
