/* From a URL to a stream: TLS, whom it trusts, and a proxy in between. */
#include "../net/tls_kit.h"

#include "websocket_peer.h"

static spout_tls *trusting;

static int set_up_secure(void **state, const char *cert)
{
    certs_set_up(state);
    certs_make("other", "ca", "DNS:other.example", 30);
    certs_make("unknown", NULL, "DNS:localhost,IP:127.0.0.1", 30);
    peer_start_loop(false);
    the_peer = (peer){ .script = NULL };
    the_peer.server = spout_tcp_server_new(peer_serve, &the_peer, NULL);
    spout_tls *tls = certs_server(cert);
    assert_int_equal(spout_tcp_server_listen(the_peer.server,
                         &(spout_listen_options){ .address = "127.0.0.1", .tls = tls }),
        0);
    spout_tls_unref(tls);
    snprintf(the_peer.url, sizeof the_peer.url, "wss://127.0.0.1:%d/path",
        spout_tcp_server_port(the_peer.server));
    trusting = certs_client();
    return 0;
}

static int set_up_good(void **state)
{
    return set_up_secure(state, "server");
}

static int set_up_other(void **state)
{
    return set_up_secure(state, "other");
}

static int set_up_unknown(void **state)
{
    return set_up_secure(state, "unknown");
}

static int tear_down_secure(void **state)
{
    spout_tls_unref(trusting);
    peer_tear_down(state);
    return certs_tear_down(state);
}

static spout_websocket *connect_secure(spout_tls *tls, const char *server_name)
{
    const spout_tcp_connect_options tcp = { .tls = tls, .server_name = server_name };
    return connect_with(&(spout_websocket_connect_options){ .tcp = &tcp });
}

static int talk_secretly(void *arg)
{
    (void)arg;
    static char large[300000];
    memset(large, 'x', sizeof large);
    spout_websocket *ws = connect_secure(trusting, NULL);
    assert_non_null(ws);
    assert_int_equal(spout_websocket_write_text(ws, "hello"), 0);
    expect_message(ws, "hello");
    spout_message m = { large, sizeof large, true };
    assert_int_equal(spout_websocket_write(ws, m), 0);
    assert_int_equal(spout_websocket_read(ws, &m), 1);
    assert_int_equal(m.len, sizeof large);
    assert_memory_equal(m.data, large, sizeof large);
    spout_websocket_close(ws, 1000, NULL);
    expect_end(ws, 1000, "");
    spout_websocket_unref(ws);
    return 0;
}

static void talks_tls(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, talk_secretly), 0);
}

static int trust_nobody(void *arg)
{
    (void)arg;
    assert_null(connect_secure(NULL, NULL)); /* the system's store doesn't know this one */
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    assert_non_null(strstr(all_messages(), "certificate of 127.0.0.1"));
    assert_null(connect_secure(NULL, NULL));
    assert_null(connect_secure(trusting, "localhost.example"));
    assert_non_null(strstr(all_messages(), "host name mismatch"));
    spout_tls *careless = spout_tls_client_new(&(spout_tls_options){ .insecure = true });
    spout_websocket *ws = connect_secure(careless, NULL);
    assert_non_null(ws);
    spout_websocket_unref(ws);
    spout_tls_unref(careless);
    return 0;
}

static void trusts_whom_it_is_told_to(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, trust_nobody), 0);
}

static int expect_another_name(void *arg)
{
    (void)arg;
    assert_null(connect_secure(trusting, NULL));
    assert_non_null(strstr(all_messages(), "certificate of 127.0.0.1"));
    spout_websocket *ws = connect_secure(trusting, "other.example");
    assert_non_null(ws);
    spout_websocket_unref(ws);
    return 0;
}

static void verifies_the_name(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, expect_another_name), 0);
}

static int meet_a_stranger(void *arg)
{
    (void)arg;
    assert_null(connect_secure(trusting, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    return 0;
}

static void refuses_strangers(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, meet_a_stranger), 0);
    assert_int_equal(the_peer.connections, 0);
}

static int downgrade_script(peer *p, spout_stream *stream)
{
    return peer_read_request(p, stream) < 0
               ? -1
               : peer_say(stream, "HTTP/1.1 302 X\r\nLocation: ws://127.0.0.1:1/\r\n\r\n");
}

static int be_downgraded(void *arg)
{
    (void)arg;
    const spout_tcp_connect_options tcp = { .tls = trusting };
    assert_null(
        connect_with(&(spout_websocket_connect_options){ .tcp = &tcp, .max_redirects = 5 }));
    assert_non_null(strstr(all_messages(), "a redirect from wss to ws"));
    return 0;
}

static void stays_secure(void **state)
{
    (void)state;
    assert_int_equal(play(downgrade_script, be_downgraded), 0);
}

/* --- through a proxy --- */

static int copy(spout_stream *from, spout_stream *to)
{
    spout_bytes piece;
    while (spout_stream_read_some(from, 0, &piece) == 0)
        if (spout_stream_write(to, piece) < 0)
            return -1;
    return spout_stream_shutdown(to);
}

typedef struct direction {
    spout_stream *from, *to;
} direction;

static int run_direction(void *arg)
{
    const direction *way = arg;
    return copy(way->from, way->to);
}

static char tunnel_request[512];

static int forward(spout_stream *stream, void *arg)
{
    spout_bytes head;
    if (spout_stream_read_until(stream, "\r\n\r\n", sizeof tunnel_request - 1, &head) < 0)
        return -1;
    snprintf(tunnel_request, sizeof tunnel_request, "%.*s", (int)head.len, head.data);
    spout_stream *target = spout_tcp_connect(
        "127.0.0.1", spout_tcp_server_port(((peer *)arg)->server), NULL);
    if (!target || peer_say(stream, "HTTP/1.1 200 Fine\r\n\r\n") < 0)
        return -1;
    direction there = { stream, target }, back = { target, stream };
    spout_group *group = spout_group_new();
    spout_group_start(group, run_direction, &there, NULL);
    spout_group_start(group, run_direction, &back, NULL);
    int result = spout_group_join(group);
    spout_group_free(group);
    spout_stream_close(target);
    return result;
}

static int tunnel(void *arg)
{
    spout_tcp_server *proxy = arg;
    const spout_tcp_connect_options tcp = { .tls = trusting };
    const char *url = spout_scope_format("http://127.0.0.1:%d", spout_tcp_server_port(proxy));
    spout_websocket *ws = spout_websocket_connect(
        "wss://localhost:4433/x", &(spout_websocket_connect_options){ .tcp = &tcp, .proxy = url });
    assert_non_null(ws);
    assert_int_equal(spout_websocket_write_text(ws, "hidden"), 0);
    expect_message(ws, "hidden");
    spout_websocket_close(ws, 1000, NULL);
    expect_end(ws, 1000, "");
    spout_websocket_unref(ws);
    return 0;
}

static void tunnels_tls(void **state)
{
    (void)state;
    spout_tcp_server *proxy = spout_tcp_server_new(forward, &the_peer, NULL);
    assert_int_equal(
        spout_tcp_server_listen(proxy, &(spout_listen_options){ .address = "127.0.0.1" }), 0);
    the_peer.script = echo_script;
    assert_int_equal(spout_loop_run_sync(loop, tunnel, proxy, 0), 0);
    assert_memory_equal(
        tunnel_request, "CONNECT localhost:4433 HTTP/1.1\r\nHost: localhost:4433\r\n\r\n", 58);
    assert_string_equal(peer_field(&the_peer, "Host"), "localhost:4433");
    spout_tcp_server_free(proxy);
}

static int connect_tunnelled(void *arg)
{
    const spout_tcp_connect_options tcp = { .tls = trusting };
    spout_websocket *ws = spout_websocket_connect(
        "wss://localhost:4433/x", &(spout_websocket_connect_options){ .tcp = &tcp, .proxy = arg });
    spout_message m;
    int result = ws ? spout_websocket_read(ws, &m) : spout_error_code_current();
    spout_websocket_unref(ws);
    return result;
}

static int cancel_tunnels(void *arg)
{
    const char *url = spout_scope_format("http://127.0.0.1:%d", spout_tcp_server_port(arg));
    for (int turns = 0; turns < 60; turns++) {
        spout_group *group = spout_group_new();
        assert_int_equal(
            spout_group_start(group, connect_tunnelled, (void *)(uintptr_t)url, NULL), 0);
        for (int i = 0; i < turns; i++)
            spout_yield();
        spout_group_cancel(group);
        assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
        spout_group_free(group);
    }
    return 0;
}

/* Name, connection, proxy, TLS, handshake, reading: wherever it is. */
static void is_cancelled_anywhere(void **state)
{
    (void)state;
    spout_tcp_server *proxy = spout_tcp_server_new(forward, &the_peer, NULL);
    assert_int_equal(
        spout_tcp_server_listen(proxy, &(spout_listen_options){ .address = "127.0.0.1" }), 0);
    the_peer.script = echo_script;
    assert_int_equal(spout_loop_run_sync(loop, cancel_tunnels, proxy, 0), 0);
    spout_tcp_server_free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(talks_tls, set_up_good, tear_down_secure),
        cmocka_unit_test_setup_teardown(trusts_whom_it_is_told_to, set_up_good, tear_down_secure),
        cmocka_unit_test_setup_teardown(verifies_the_name, set_up_other, tear_down_secure),
        cmocka_unit_test_setup_teardown(refuses_strangers, set_up_unknown, tear_down_secure),
        cmocka_unit_test_setup_teardown(stays_secure, set_up_good, tear_down_secure),
        cmocka_unit_test_setup_teardown(tunnels_tls, set_up_good, tear_down_secure),
        cmocka_unit_test_setup_teardown(is_cancelled_anywhere, set_up_good, tear_down_secure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
