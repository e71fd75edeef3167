/* A program that is executed from ours finds none of our descriptors: no listener that it would keep
   open, no client that it would keep waiting. */
#include "kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spout/httpserver.h>

#include "folder.h"

#include <stdio.h>
#include <string.h>

static char found[4096];

/* In the middle of a request: with a listener, a client and an open file. */
static int list(spout_request *r)
{
    FILE *output = popen("ls -l /proc/self/fd", "r");
    assert_non_null(output);
    found[fread(found, 1, sizeof found - 1, output)] = '\0';
    assert_int_equal(pclose(output), 0);
    return spout_write(r, "listed");
}

static spout_static_options options;
static spout_handler files = { .static_files = &options };
static const spout_route routes[] = { { "/list", &(const spout_handler){ .get = list } },
    { "/(.*)", &files }, { 0 } };

static int connect_to(int port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    char reply[64];
    while (recv(fd, reply, sizeof reply, MSG_DONTWAIT) < 0)
        assert_int_equal(spout_loop_run_once(kit_loop(), 10), 0);
}

static void nothing_is_inherited(void **state)
{
    (void)state;
    folder_make();
    folder_write("page", "page");
    options.path = folder_path("");
    kit_start(routes, NULL);
    spout_http_server *server = spout_application_listen(
        kit_application(), &(spout_listen_options){ .address = "127.0.0.1" });
    assert_non_null(server);
    int fd = connect_to(spout_http_server_port(server));
    ask(fd, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    ask(fd, "GET /list HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 200 && !*found; i++)
        assert_int_equal(spout_loop_run_once(kit_loop(), 10), 0);
    assert_non_null(strstr(found, " 0 -> "));
    assert_null(strstr(found, "socket:"));
    assert_null(strstr(found, "anon_inode:"));
    assert_null(strstr(found, folder_path("")));
    close(fd);
    kit_stop();
    folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_inherited) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
