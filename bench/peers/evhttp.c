/* libevent's HTTP server.  evhttp PORT */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>

static void answer(struct evhttp_request *request, void *arg)
{
    (void)arg;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "text/plain");
    evhttp_add_header(headers, "Server", "evhttp");
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, "Hello, World!", 13);
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct event_base *base = event_base_new();
    struct evhttp *server = evhttp_new(base);
    evhttp_set_gencb(server, answer, NULL);
    if (evhttp_bind_socket(server, "127.0.0.1", (uint16_t)atoi(argv[1])) < 0)
        return 1;
    return event_base_dispatch(base);
}
