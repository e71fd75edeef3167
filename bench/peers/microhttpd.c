/* libmicrohttpd with its epoll thread.  microhttpd PORT */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **state)
{
    (void)arg, (void)url, (void)method, (void)version, (void)data, (void)size;
    if (!*state) { /* only the second call leaves the connection open */
        *state = connection;
        return MHD_YES;
    }
    static char text[] = "Hello, World!";
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "text/plain");
    MHD_add_response_header(response, "Server", "libmicrohttpd");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL,
            answer, NULL, MHD_OPTION_CONNECTION_LIMIT, 19000u, MHD_OPTION_END))
        return 1;
    pause();
    return 0;
}
