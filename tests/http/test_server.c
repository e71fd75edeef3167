#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/task.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"

static test_kit kit;

static int set_up(void **state)
{
    (void)state;
    kit_start(&kit);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

/* A client over TCP instead of a socket pair. */
static kit_peer *connect_tcp(int number, int port)
{
    kit_peer *peer = &kit.peers[number];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    spi_buffer_init(&peer->received, 1 << 20);
    spi_buffer_init(&peer->unsent, 1 << 20);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    return peer;
}

static int listen_on_loopback(const spout_listen_options *options)
{
    kit_make_server(&kit);
    return spout_http_server_listen(kit.server, options);
}

/* Pumps until the peer has something or has come to its end; loopback TCP may take its time. */
static const char *wait_for(kit_peer *peer)
{
    char byte;
    ssize_t got;
    do {
        spout_loop_run_once(kit.loop, 0);
        got = recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0);
    char *room = spi_buffer_reserve(&peer->received, 4096);
    got = recv(peer->fd, room, 4096, 0);
    spi_buffer_commit(&peer->received, got > 0 ? (size_t)got : 0);
    const char *text = spi_buffer_text(&peer->received);
    spi_buffer_clear(&peer->received);
    return text;
}

static void serves_over_tcp(void **state)
{
    (void)state;
    assert_int_equal(listen_on_loopback(&(spout_listen_options){ .address = "127.0.0.1" }), 0);
    int port = spout_http_server_port(kit.server);
    assert_in_range(port, 1, 65535);
    kit_peer *peer = connect_tcp(0, port);
    assert_int_equal(send(peer->fd, HELLO, strlen(HELLO), 0), strlen(HELLO));
    assert_non_null(strstr(wait_for(peer), "\r\n\r\nHello, world"));
    assert_int_equal(spout_http_server_connections(kit.server), 1);
    close(peer->fd);
    peer->fd = -1;
    while (spout_http_server_connections(kit.server) > 0)
        spout_loop_run_once(kit.loop, 0);
}

static void stop_leaves_connections_open(void **state)
{
    (void)state;
    assert_int_equal(listen_on_loopback(&(spout_listen_options){ .address = "127.0.0.1" }), 0);
    int port = spout_http_server_port(kit.server);
    kit_peer *peer = connect_tcp(0, port);
    while (spout_http_server_connections(kit.server) == 0)
        spout_loop_run_once(kit.loop, 0);
    spout_http_server_stop(kit.server);
    spout_http_server_stop(kit.server);
    assert_int_equal(send(peer->fd, HELLO, strlen(HELLO), 0), strlen(HELLO));
    assert_non_null(strstr(wait_for(peer), "Hello, world"));

    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(connect(fd, (struct sockaddr *)(void *)&address, sizeof address) < 0);
    close(fd);
    close(peer->fd);
    peer->fd = -1;
}

static void a_port_in_use_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(listen_on_loopback(&(spout_listen_options){ .address = "127.0.0.1" }), 0);
    int port = spout_http_server_port(kit.server);
    assert_true(spout_http_server_listen(kit.server,
                    &(spout_listen_options){ .address = "127.0.0.1", .port = port }) < 0);
    assert_non_null(strstr(spout_error_message(), "in use"));
    assert_int_equal(spout_http_server_port(kit.server), port);
}

static void takes_an_open_socket(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    kit_make_server(&kit);
    assert_int_equal(spout_http_server_add_socket(kit.server, fd), 0);
    kit_peer *peer = connect_tcp(0, spout_http_server_port(kit.server));
    assert_int_equal(send(peer->fd, HELLO, strlen(HELLO), 0), strlen(HELLO));
    assert_non_null(strstr(wait_for(peer), "Hello, world"));
    close(peer->fd);
    peer->fd = -1;
    assert_true(spout_http_server_add_socket(kit.server, -1) < 0);
}

static void takes_open_sockets_all_or_none(void **state)
{
    (void)state;
    spout_listener opened[3];
    const char *const proxies[] = { "127.0.0.1", NULL }, *const nonsense[] = { "nonsense", NULL };
    static const char header[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" HELLO;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &opened[i], 1),
            1);
    opened[2].fd = -1;
    kit_make_server(&kit);
    assert_true(spout_http_server_add_sockets(kit.server, opened, 3, NULL) < 0);
    assert_int_equal(spout_http_server_add_sockets(
                         kit.server, opened, 2, &(spout_listen_options){ .proxies = nonsense }),
        SPOUT_EINVAL);
    assert_int_equal(spout_http_server_add_sockets(
                         kit.server, opened, 2, &(spout_listen_options){ .proxies = proxies }),
        0);
    kit_peer *peer = connect_tcp(0, opened[1].port);
    assert_int_equal(send(peer->fd, header, strlen(header), 0), strlen(header));
    assert_non_null(strstr(wait_for(peer), "Hello, world"));
    close(peer->fd);
    peer->fd = -1;
}

static void refuses_unsound_options(void **state)
{
    (void)state;
    const spout_http_server_options options = { .max_body_size = -3 };
    assert_null(spi_http_server_new(&test_service_table, &kit.service, &options));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    const spout_http_server_options gopher = { .protocol = "gopher" };
    assert_null(spi_http_server_new(&test_service_table, &kit.service, &gopher));
    const spout_http_server_options both = { .xheaders = true, .forwarded = true };
    assert_null(spi_http_server_new(&test_service_table, &kit.service, &both));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    const spout_http_server_options rate = { .min_body_rate = -3 };
    assert_null(spi_http_server_new(&test_service_table, &kit.service, &rate));
    const char *const nonsense[] = { "10.0.0.0/8", "nonsense", NULL };
    const spout_http_server_options proxies = { .trusted_downstream = nonsense };
    assert_null(spi_http_server_new(&test_service_table, &kit.service, &proxies));
    assert_non_null(strstr(spout_error_message(), "\"nonsense\""));
    spout_http_server_free(NULL);
}

static void freeing_cuts_every_connection(void **state)
{
    (void)state;
    static const char *const requests[] = { "", "GET /hel",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n", "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /stream-in HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n", "GET /upgrade-kept HTTP/1.1\r\nHost: a\r\n\r\n",
        "BAD\r\n\r\n", HELLO };
    const int count = sizeof requests / sizeof requests[0];
    for (int i = 0; i < count; i++)
        kit_ask(&kit, kit_connect(&kit, i), requests[i]);
    assert_int_equal(spout_http_server_connections(kit.server), count);
    assert_int_equal(kit.service.running, 3);
    spout_http_server_free(kit.server);
    kit.server = NULL;
    assert_int_equal(kit.service.lost, 2);
    kit_pump(&kit);
    for (int i = 0; i < count; i++)
        assert_true(kit.peers[i].eof || kit.peers[i].reset);
    assert_int_equal(kit.service.gone, 3);
    assert_int_equal(
        kit.service.running, 1); /* whoever sleeps goes on, with a client that is gone */
    test_service_wake(&kit.service);
    kit_pump(&kit);
    assert_int_equal(kit.service.running, 0);
    assert_string_equal(kit.service.last_error, "the client has gone");
}

static int drain(void *arg)
{
    *(int *)arg = spout_http_server_drain(kit.server);
    return 0;
}

static void draining_nothing_is_done_at_once(void **state)
{
    (void)state;
    kit_make_server(&kit);
    int result = 1;
    assert_int_equal(spout_loop_run_sync(kit.loop, drain, &result, 0), 0);
    assert_int_equal(result, 0);
}

static void a_drain_may_be_without_limit_or_time(void **state)
{
    (void)state;
    kit.options.drain_timeout_ms = SPOUT_NONE;
    kit_ask(&kit, kit_connect(&kit, 0), "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    int result = 1;
    spout_spawn(drain, &result, NULL);
    kit_advance(&kit, 24 * 3600 * 1000);
    assert_int_equal(result, 1);
    test_service_wake(&kit.service);
    kit_pump(&kit);
    assert_non_null(strstr(kit_take(&kit, &kit.peers[0]), "Connection: close\r\n"));
    kit_close(&kit.peers[0]);
    kit_pump(&kit);
    assert_int_equal(result, 0);
}

static void a_drain_without_time_cuts(void **state)
{
    (void)state;
    kit.options.drain_timeout_ms = SPOUT_ZERO;
    kit_ask(&kit, kit_connect(&kit, 0), "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    int result = 1;
    spout_spawn(drain, &result, NULL);
    kit_pump(&kit);
    assert_int_equal(result, 0);
    assert_int_equal(kit.service.gone, 1);
    assert_int_equal(spout_http_server_connections(kit.server), 0);
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        server_test(serves_over_tcp),
        server_test(stop_leaves_connections_open),
        server_test(a_port_in_use_is_an_error),
        server_test(takes_an_open_socket),
        server_test(takes_open_sockets_all_or_none),
        server_test(refuses_unsound_options),
        server_test(freeing_cuts_every_connection),
        server_test(draining_nothing_is_done_at_once),
        server_test(a_drain_may_be_without_limit_or_time),
        server_test(a_drain_without_time_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
