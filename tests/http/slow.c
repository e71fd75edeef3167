/* The test service behind short limits, for test_slow.py: prints its port and serves until its
   input ends. */
#include <spout/error.h>
#include <spout/loop.h>

#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/server.h"
#include "service.h"

/* Long enough for a thousand clients to be served once: a build with a sanitizer takes longer, and
   would shed those who only wait their turn. */
enum { LIMIT_MS = SPI_ASAN ? 10000 : 3000 };

static void on_input(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    spout_loop_stop(arg);
}

int main(void)
{
    const spout_http_server_options options = {
        .header_timeout_ms = LIMIT_MS,
        .body_timeout_ms = LIMIT_MS,
        .idle_timeout_ms = LIMIT_MS,
        .write_timeout_ms = LIMIT_MS,
    };
    test_service service;
    test_service_init(&service);
    spout_loop *loop = spout_loop_new(NULL);
    spout_http_server *server = spi_http_server_new(&test_service_table, &service, &options);
    if (!server || spout_http_server_listen(server,
                       &(spout_listen_options){ .address = "127.0.0.1", .backlog = 2048 }) < 0) {
        fprintf(stderr, "slow: %s\n", spout_error_message());
        return 1;
    }
    printf("%d\n", spout_http_server_port(server));
    fflush(stdout);
    spout_watch *input = spout_watch_start(STDIN_FILENO, SPOUT_READABLE, on_input, loop);
    spout_loop_run(loop);
    spout_watch_stop(input);
    spout_http_server_free(server);
    spout_loop_free(loop);
    return 0;
}
