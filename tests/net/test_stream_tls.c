/* start_tls on streams: who is refused and why, what was agreed on, sessions, several hosts. */
#include "tls_kit.h"

#include <spout/stream.h>
#include <spout/task.h>

static spout_loop *loop;
static spout_stream *client, *server;
static spout_tls *client_tls, *server_tls;
static const char *host;

static int set_up(void **state)
{
    (void)state;
    loop = kit_loop();
    server_tls = certs_server("server");
    client_tls = certs_client();
    host = "localhost";
    spout_log_set_level(SPOUT_LOG_ERROR);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spout_log_set_level(SPOUT_LOG_INFO);
    spout_loop_free(loop);
    spout_tls_unref(client_tls);
    spout_tls_unref(server_tls);
    return 0;
}

static int server_result;
static char server_words[200];

/* Agrees, then sends back what comes until the end. */
static int serve(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    server_result = spout_stream_start_tls(server, server_tls, NULL);
    snprintf(server_words, sizeof server_words, "%s", server_result ? spout_error_message() : "");
    while (server_result == 0 && spout_stream_read_some(server, 0, &bytes) == 0)
        if (spout_stream_write(server, bytes) < 0)
            break;
    spout_stream_close(server);
    return 0;
}

static void open_pair(void)
{
    int fds[2];
    kit_tcp_pair(fds);
    server = spout_stream_open(fds[0], NULL);
    client = spout_stream_open(fds[1], NULL);
    assert_non_null(server);
    assert_non_null(client);
    assert_int_equal(spout_spawn(serve, NULL, NULL), 0);
}

static int talk(spout_tls_info *ret_info)
{
    spout_bytes bytes;
    open_pair();
    int result = spout_stream_start_tls(client, client_tls, host);
    if (result == 0) {
        assert_int_equal(spout_stream_write(client, spout_bytes_of("hello\n")), 0);
        assert_int_equal(spout_stream_read_until(client, "\n", 0, &bytes), 0);
        assert_memory_equal(bytes.data, "hello\n", 6);
        assert_int_equal(spout_stream_tls_info(client, ret_info), 0);
    }
    spout_stream_close(client);
    return result;
}

static int talk_task(void *arg)
{
    return talk(arg);
}

static spout_tls_info connect_well(void)
{
    spout_tls_info info = { 0 };
    assert_int_equal(spout_loop_run_sync(loop, talk_task, &info, 20000), 0);
    return info;
}

static void connect_badly(int code, const char *words)
{
    spout_tls_info info = { 0 };
    assert_int_equal(spout_loop_run_sync(loop, talk_task, &info, 20000), code);
    if (!strstr(spout_error_message(), words))
        fail_msg("\"%s\" has no \"%s\"", spout_error_message(), words);
    kit_turns(loop, 5);
}

static void replace(spout_tls **tls, spout_tls *other)
{
    assert_non_null(other);
    spout_tls_unref(*tls);
    *tls = other;
}

static void test_agreement(void **state)
{
    (void)state;
    spout_tls_info info = connect_well();
    assert_string_equal(info.version, "TLSv1.3");
    assert_string_equal(info.cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(info.alpn, "");
    assert_string_equal(info.server_name, "localhost");
    assert_string_equal(info.peer_subject, "CN=server");
    assert_int_equal(strlen(info.peer_fingerprint), 64);
    assert_true(info.peer_verified);
    assert_false(info.resumed);
    host = "127.0.0.1";
    info = connect_well();
    assert_string_equal(info.server_name, "");
}

static void test_sessions_are_resumed(void **state)
{
    (void)state;
    assert_false(connect_well().resumed);
    spout_tls_info info = connect_well();
    assert_true(info.resumed);
    assert_true(info.peer_verified);
    assert_string_equal(info.peer_subject, "CN=server");
    host = "127.0.0.1";
    assert_false(connect_well().resumed);
    assert_int_equal(spout_tls_reload(server_tls), 0);
    assert_true(connect_well().resumed);
    replace(&server_tls,
        spout_tls_server_new(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
            .key_file = certs_path("server", ".key"),
            .session_tickets = SPOUT_NONE }));
    assert_false(connect_well().resumed);
    assert_false(connect_well().resumed);
}

static void test_bad_certificates_are_refused(void **state)
{
    (void)state;
    host = "example.org";
    connect_badly(SPOUT_EPROTO, "certificate of example.org: host name mismatch");
    assert_string_equal(server_words, "the peer refused: bad certificate");
    host = "127.0.0.2";
    connect_badly(SPOUT_EPROTO, "certificate of 127.0.0.2: IP address mismatch");
    host = "localhost";
    certs_make("old", "ca", "DNS:localhost", -1);
    replace(&server_tls, certs_server("old"));
    connect_badly(SPOUT_EPROTO, "certificate of localhost: it has expired");
    certs_make("alone", NULL, "DNS:localhost", 30);
    replace(&server_tls, certs_server("alone"));
    connect_badly(SPOUT_EPROTO, "certificate of localhost: self-signed, and not trusted");
    certs_make("other_ca", NULL, NULL, 30);
    certs_make("foreign", "other_ca", "DNS:localhost", 30);
    replace(&server_tls, certs_server("foreign"));
    connect_badly(SPOUT_EPROTO, "certificate of localhost: of an unknown authority");
    assert_string_equal(server_words, "the peer refused: unknown CA");
    replace(&client_tls, spout_tls_client_new(NULL));
    connect_badly(SPOUT_EPROTO, "certificate of localhost: of an unknown authority");
    host = NULL;
    connect_badly(SPOUT_EINVAL, "needs the server's name");
    replace(&client_tls, spout_tls_client_new(&(spout_tls_options){ .insecure = true }));
    spout_tls_info info = connect_well();
    assert_false(info.peer_verified);
    assert_string_equal(info.peer_subject, "CN=foreign");
}

static void test_versions(void **state)
{
    (void)state;
    const char *cert = certs_path("server", ".pem"), *key = certs_path("server", ".key");
    replace(&server_tls, spout_tls_server_new(&(spout_tls_options){
                             .cert_file = cert, .key_file = key, .min_version = SPOUT_TLS_1_3 }));
    assert_string_equal(connect_well().version, "TLSv1.3");
}

static void test_protocols(void **state)
{
    (void)state;
    const char *cert = certs_path("server", ".pem"), *key = certs_path("server", ".key");
    const char *const ours[] = { "second", "first", NULL }, *const theirs[] = { "first", "second",
        NULL };
    const char *const others[] = { "third", NULL };
    replace(&server_tls, spout_tls_server_new(&(spout_tls_options){
                             .cert_file = cert, .key_file = key, .alpn = ours }));
    assert_string_equal(connect_well().alpn, "");
    const char *ca = certs_path("ca", ".pem");
    replace(
        &client_tls, spout_tls_client_new(&(spout_tls_options){ .ca_file = ca, .alpn = theirs }));
    assert_string_equal(connect_well().alpn, "second");
    replace(
        &client_tls, spout_tls_client_new(&(spout_tls_options){ .ca_file = ca, .alpn = others }));
    connect_badly(SPOUT_EPROTO, "the peer refused: no application protocol");
}

static void test_several_hosts(void **state)
{
    (void)state;
    certs_make("shop", "ca", "DNS:shop.test", 30);
    certs_make("wild", "ca", "DNS:*.wild.test", 30);
    assert_int_equal(spout_tls_add_certificate(server_tls, "shop.test", certs_path("shop", ".pem"),
                         certs_path("shop", ".key")),
        0);
    assert_int_equal(spout_tls_add_certificate(server_tls, "*.wild.test",
                         certs_path("wild", ".pem"), certs_path("wild", ".key")),
        0);
    assert_string_equal(connect_well().peer_subject, "CN=server");
    host = "shop.test";
    assert_string_equal(connect_well().peer_subject, "CN=shop");
    host = "a.wild.test";
    assert_string_equal(connect_well().peer_subject, "CN=wild");
    assert_int_equal(spout_tls_reload(server_tls), 0);
    replace(&client_tls, certs_client());
    assert_string_equal(connect_well().peer_subject, "CN=wild");
}

static void test_reload(void **state)
{
    (void)state;
    certs_make("renewed", "ca", "DNS:localhost", 30);
    replace(&server_tls, certs_server("renewed"));
    spout_tls_info before = connect_well();
    certs_make("renewed", "ca", "DNS:localhost", 60);
    assert_int_equal(spout_tls_reload(server_tls), 0);
    replace(&client_tls, certs_client());
    spout_tls_info after = connect_well();
    assert_string_not_equal(before.peer_fingerprint, after.peer_fingerprint);
}

static void test_client_certificates(void **state)
{
    (void)state;
    certs_make("ann", "ca", "DNS:ann", 30);
    certs_make("eve", NULL, "DNS:eve", 30);
    const char *ca = certs_path("ca", ".pem");
    replace(&server_tls,
        spout_tls_server_new(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
            .key_file = certs_path("server", ".key"),
            .ca_file = ca,
            .verify_client = true,
            .min_version = SPOUT_TLS_1_2 }));
    replace(&client_tls, spout_tls_client_new(&(spout_tls_options){ .ca_file = ca,
                             .cert_file = certs_path("ann", ".pem"),
                             .key_file = certs_path("ann", ".key") }));
    connect_well();
    assert_int_equal(server_result, 0);
    assert_true(connect_well().resumed);
}

/* In TLS 1.3 a client learns of its refusal only when it reads. */
static int talk_without_certificate(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    open_pair();
    int result = spout_stream_start_tls(client, client_tls, "localhost");
    if (result == 0)
        result = spout_stream_read_some(client, 0, &bytes);
    spout_stream_close(client);
    return result;
}

static void test_missing_client_certificate(void **state)
{
    (void)state;
    replace(&server_tls,
        spout_tls_server_new(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
            .key_file = certs_path("server", ".key"),
            .ca_file = certs_path("ca", ".pem"),
            .verify_client = true }));
    assert_int_equal(
        spout_loop_run_sync(loop, talk_without_certificate, NULL, 20000), SPOUT_EPROTO);
    assert_non_null(strstr(spout_error_message(), "certificate required"));
    assert_int_equal(server_result, SPOUT_EPROTO);
    assert_non_null(strstr(server_words, "did not return a certificate"));
}

/* As SMTP does it (start_tls_smtp). */
static int smtp_server(void *arg)
{
    (void)arg;
    spout_bytes line;
    assert_int_equal(spout_stream_write(server, spout_bytes_of("220 ready\r\n")), 0);
    assert_int_equal(spout_stream_read_until(server, "\r\n", 100, &line), 0);
    assert_int_equal(spout_stream_write(server, spout_bytes_of("220 go ahead\r\n")), 0);
    assert_int_equal(spout_stream_start_tls(server, server_tls, NULL), 0);
    assert_int_equal(spout_stream_read_until(server, "\r\n", 100, &line), 0);
    assert_int_equal(spout_stream_write(server, line), 0);
    spout_stream_close(server);
    return 0;
}

static int smtp_client(void *arg)
{
    (void)arg;
    int fds[2];
    spout_bytes line;
    spout_tls_info info;
    kit_tcp_pair(fds);
    server = spout_stream_open(fds[0], NULL);
    client = spout_stream_open(fds[1], NULL);
    assert_int_equal(spout_spawn(smtp_server, NULL, NULL), 0);
    assert_int_equal(spout_stream_read_until(client, "\r\n", 100, &line), 0);
    assert_int_equal(spout_stream_tls_info(client, &info), SPOUT_ESTATE);
    assert_int_equal(spout_stream_write(client, spout_bytes_of("STARTTLS\r\n")), 0);
    assert_int_equal(spout_stream_read_until(client, "\r\n", 100, &line), 0);
    assert_int_equal(spout_stream_start_tls(client, client_tls, "localhost"), 0);
    assert_int_equal(spout_stream_start_tls(client, client_tls, "localhost"), SPOUT_ESTATE);
    assert_int_equal(spout_stream_write(client, spout_bytes_of("EHLO me\r\n")), 0);
    assert_int_equal(spout_stream_read_until_close(client, 0, &line), 0);
    assert_int_equal(line.len, 9);
    spout_stream_close(client);
    return 0;
}

static void test_start_tls_in_a_conversation(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, smtp_client, NULL, 20000), 0);
}

/* Bytes that came before TLS must not be taken for bytes that came inside (CVE-2011-0411). */
static int injected(void *arg)
{
    (void)arg;
    int fds[2];
    spout_bytes line;
    kit_tcp_pair(fds);
    client = spout_stream_open(fds[1], NULL);
    assert_int_equal(write(fds[0], "go ahead\r\nRSET\r\n", 16), 16);
    assert_int_equal(spout_stream_read_until(client, "\r\n", 100, &line), 0);
    int result = spout_stream_start_tls(client, client_tls, "localhost");
    spout_stream_close(client);
    close(fds[0]);
    return result;
}

static void test_input_before_tls_is_refused(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, injected, NULL, 20000), SPOUT_ESTATE);
}

static int silent_peer(void *arg)
{
    (void)arg;
    int fds[2];
    kit_tcp_pair(fds);
    client = spout_stream_open(fds[1], NULL);
    int64_t outer = spout_deadline_set_ms(20);
    int result = spout_stream_start_tls(client, client_tls, "localhost");
    spout_deadline_restore(outer);
    assert_int_equal(result, SPOUT_ETIMEDOUT);
    assert_true(spout_stream_is_closed(client));
    spout_stream_close(client);
    close(fds[0]);
    return 0;
}

static void test_deadline(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, silent_peer, NULL, 20000), 0);
}

static int close_it(void *arg)
{
    (void)arg;
    spout_stream_close(client);
    return 0;
}

static int closed_meanwhile(void *arg)
{
    (void)arg;
    int fds[2];
    kit_tcp_pair(fds);
    client = spout_stream_open(fds[1], NULL);
    assert_int_equal(spout_spawn(close_it, NULL, NULL), 0);
    int result = spout_stream_start_tls(client, client_tls, "localhost");
    close(fds[0]);
    return result;
}

static void test_closed_meanwhile(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, closed_meanwhile, NULL, 20000), SPOUT_ECLOSED);
}

static int cut_short(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    open_pair();
    assert_int_equal(spout_stream_start_tls(client, client_tls, "localhost"), 0);
    assert_int_equal(spout_stream_write(client, spout_bytes_of("half")), 0);
    assert_int_equal(spout_stream_read(client, 4, &bytes), 0);
    shutdown(spi_transport_fd((const spout_transport *)server), SHUT_WR);
    int result = spout_stream_read_until_close(client, 0, &bytes);
    spout_stream_close(client);
    return result;
}

static void test_truncation_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(spout_loop_run_sync(loop, cut_short, NULL, 20000), SPOUT_ECLOSED);
    assert_non_null(strstr(spout_error_message(), "without close_notify"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_agreement),
        TEST(test_sessions_are_resumed),
        TEST(test_bad_certificates_are_refused),
        TEST(test_versions),
        TEST(test_protocols),
        TEST(test_several_hosts),
        TEST(test_reload),
        TEST(test_client_certificates),
        TEST(test_missing_client_certificate),
        TEST(test_start_tls_in_a_conversation),
        TEST(test_input_before_tls_is_refused),
        TEST(test_deadline),
        TEST(test_closed_meanwhile),
        TEST(test_truncation_is_noticed),
    };
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
