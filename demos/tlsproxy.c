/*
 * Terminates TLS: takes https:// and the like on one side, speaks plain TCP to --target on the
 * other. As fast as the slower side: what is not taken is not read.
 */
#include "target.h"

static const spout_option options[] = {
    { .name = "target",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "HOST:PORT",
        .help = "where to forward to" },
    { 0 },
};

enum { PIECE = 64 * 1024 }; /* read and forwarded at once, unless --max-body-size says otherwise */

typedef struct backend {
    target target;
    spout_stream_options stream;
} backend;

typedef struct direction {
    spout_stream *from, *to;
} direction;

/* Until its source ends; that end is passed on, while the other direction may go on. */
static int copy(void *arg)
{
    const direction *way = arg;
    spout_bytes bytes;
    while (spout_stream_read_some(way->from, 0, &bytes) == 0)
        if (spout_stream_write(way->to, bytes) < 0)
            return -1;
    if (spout_error_code_current() != SPOUT_ECLOSED)
        return -1;
    int result = spout_stream_error(way->from);
    return result < 0 ? result : spout_stream_shutdown(way->to);
}

/* Half a message must not look like a whole one. */
static void cut(spout_stream *stream)
{
    if (!spout_stream_is_closed(stream))
        spout_stream_set_reset_on_close(stream, true);
}

static int forward(spout_stream *client, void *arg)
{
    const backend *to = arg;
    spout_stream *server = spout_tcp_connect(
        to->target.host, to->target.port, &(spout_tcp_connect_options){ .stream = to->stream });
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
    if (result == 0)
        result = joined;
    if (result < 0) {
        cut(client);
        cut(server);
    }
    spout_stream_close(server);
    return result;
}

static int configure(spout_tcp_main_options *own, char **words)
{
    (void)words;
    backend *to = own->data;
    to->stream = own->stream;
    return target_parse(&to->target, "target");
}

int main(int argc, char **argv)
{
    backend to;
    return spout_tcp_main(argc, argv, forward,
        &(spout_tcp_main_options){
            .options = options,
            .default_port = 8443,
            .tls_only = true,
            .configure = configure,
            .data = &to,
            .stream = { .max_buffer_size = PIECE },
        });
}
