/* CivetWeb, which gives each connection a thread.  civetweb PORT */
#include "date.h"

#include <civetweb.h>
#include <stdio.h>
#include <unistd.h>

static int answer(struct mg_connection *connection, void *arg)
{
    (void)arg;
    mg_printf(connection,
        "HTTP/1.1 200 OK\r\nServer: civetweb\r\nDate: %s\r\nContent-Type: text/plain\r\n"
        "Content-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, World!",
        http_date());
    return 200;
}

int main(int argc, char **argv)
{
    (void)argc;
    char port[32];
    snprintf(port, sizeof port, "127.0.0.1:%s", argv[1]);
    const char *options[] = { "listening_ports", port, "num_threads", "70", "enable_keep_alive",
        "yes", "keep_alive_timeout_ms", "60000", "tcp_nodelay", "1", NULL };
    struct mg_context *context = mg_start(NULL, NULL, options);
    if (!context)
        return 1;
    mg_set_request_handler(context, "/", answer, NULL);
    pause();
    return 0;
}
