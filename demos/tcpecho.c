/*
 * $ tcpecho --port=9000 &
 * $ tcpecho --connect=localhost:9000 'Hello, world'
 * Hello, world
 */
#include "target.h"

#include <stdio.h>

enum { PATIENCE_MS = 10 * 1000, MAX_LINE = 64 * 1024 };

static const spout_option options[] = {
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

/* --- the server --- */

static int echo(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes line;
    while (spout_stream_read_until(stream, "\n", 0, &line) == 0)
        if (spout_stream_write(stream, line) < 0)
            return -1;
    return spout_error_code_current();
}

/* --- the client --- */

typedef struct client {
    target target;
    char **lines; /* ended by NULL */
    spout_stream_options stream;
} client;

static int exchange(spout_stream *stream, const char *text)
{
    const spout_bytes pieces[] = { spout_bytes_of(text), { "\n", 1 } };
    spout_bytes line;
    if (spout_stream_writev(stream, pieces, 2) < 0 ||
        spout_stream_read_until(stream, "\n", 0, &line) < 0)
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
    spout_stream *stream = spout_tcp_connect(self->target.host, self->target.port,
        &(spout_tcp_connect_options){ .stream = self->stream, .tls = tls });
    int result = stream ? 0 : -1;
    for (char **line = self->lines; *line && result == 0; line++)
        result = exchange(stream, *line);
    spout_stream_close(stream);
    spout_tls_unref(tls);
    return result;
}

static int check_server_options(char **words)
{
    if (*words)
        return spout_error_set(SPOUT_EINVAL, "unexpected argument '%s': see --help", *words);
    if (spout_option_is_set("tls") || spout_option_is_set("tls-ca"))
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls' and '--tls-ca' are the client's: they need '--connect'");
    return 0;
}

static int configure(spout_tcp_main_options *own, char **words)
{
    static client self;
    if (!spout_option_is_set("connect"))
        return check_server_options(words);
    if (spout_option_is_set("tls-ca") && !spout_option_bool("tls"))
        return spout_error_set(SPOUT_EINVAL, "option '--tls-ca' needs '--tls'");
    self.lines = words;
    self.stream = own->stream;
    own->command = talk;
    own->data = &self;
    return target_parse(&self.target, "connect");
}

int main(int argc, char **argv)
{
    return spout_tcp_main(argc, argv, echo,
        &(spout_tcp_main_options){
            .options = options,
            .default_port = 9000,
            .takes_words = true,
            .configure = configure,
            .stream = { .max_buffer_size = MAX_LINE },
        });
}
