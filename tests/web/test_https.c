/* HTTPS from end to end in one process: what handlers see, who is let in, what a full server says.
   */
#include "../net/tls_kit.h"

#include <spout/task.h>
#include <spout/tcpclient.h>
#include <spout/web.h>

static spout_loop *loop;
static spout_application *application;
static spout_http_server *server;
static spout_tls *server_tls, *client_tls;
static const spout_metrics *metrics;

static int show(spout_request *r)
{
    spout_tls_info info;
    if (spout_request_tls_info(r, &info) < 0)
        return spout_write(r, spout_protocol(r));
    return spout_write_format(r, "%s %s %s %s %s %d", spout_protocol(r), info.alpn,
        info.server_name, info.peer_subject, info.version, info.peer_verified);
}

static const spout_route routes[] = {
    { "/", &(const spout_handler){ .get = show } },
    { 0 },
};

static void start(const spout_tls_options *options, int64_t max_connections)
{
    loop = metrics ? spout_loop_new(&(spout_loop_options){ .metrics = metrics }) : kit_loop();
    spout_log_set_level(SPOUT_LOG_ERROR);
    server_tls = spout_tls_server_new(options);
    assert_non_null(server_tls);
    spout_application_options more = { 0 };
    more.http.max_connections = max_connections;
    application = spout_application_new(routes, &more);
    assert_non_null(application);
    server = spout_application_listen(
        application, &(spout_listen_options){ .address = "127.0.0.1", .tls = server_tls });
    assert_non_null(server);
    spout_tls_unref(server_tls); /* the server has its own */
}

static void stop(void)
{
    spout_application_free(application);
    spout_loop_free(loop);
    spout_tls_unref(client_tls);
    spout_log_set_level(SPOUT_LOG_INFO);
}

typedef struct visit {
    char reply[2000];
} visit;

static spout_stream *open_client(void)
{
    spout_stream *stream = spout_tcp_connect("127.0.0.1", spout_http_server_port(server),
        &(spout_tcp_connect_options){ .tls = client_tls, .server_name = "localhost" });
    if (!stream)
        fail_msg("%s", spout_error_message());
    return stream;
}

static int get(void *arg)
{
    visit *self = arg;
    spout_bytes all;
    spout_stream *stream = open_client();
    spout_stream_write(
        stream, spout_bytes_of("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    int result = spout_stream_read_until_close(stream, sizeof self->reply - 1, &all);
    if (result == 0) {
        memcpy(self->reply, all.data, all.len);
        self->reply[all.len] = '\0';
    }
    spout_stream_close(stream);
    return result;
}

static void assert_reply(const char *begin, const char *end)
{
    visit self = { .reply = "" };
    if (spout_loop_run_sync(loop, get, &self, 20000) < 0)
        fail_msg("%s", spout_error_message());
    assert_true(strncmp(self.reply, begin, strlen(begin)) == 0);
    if (!strstr(self.reply, end))
        fail_msg("\"%s\" has no \"%s\"", self.reply, end);
}

static void test_what_a_handler_sees(void **state)
{
    (void)state;
    start(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
              .key_file = certs_path("server", ".key") },
        0);
    client_tls = certs_client();
    assert_reply("HTTP/1.1 200 ", "\r\n\r\nhttps  localhost  TLSv1.3 0");
    spout_tls_unref(client_tls);
    client_tls = spout_tls_client_new(&(spout_tls_options){ .ca_file = certs_path("ca", ".pem"),
        .alpn = (const char *const[]){ "h2", "http/1.1", NULL } });
    assert_reply("HTTP/1.1 200 ", "\r\n\r\nhttps http/1.1 localhost  TLSv1.3 0");
    stop();
}

static void test_client_certificate(void **state)
{
    (void)state;
    certs_make("ann", "ca", "DNS:ann", 30);
    start(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
              .key_file = certs_path("server", ".key"),
              .ca_file = certs_path("ca", ".pem"),
              .verify_client = true },
        0);
    client_tls = spout_tls_client_new(&(spout_tls_options){ .ca_file = certs_path("ca", ".pem"),
        .cert_file = certs_path("ann", ".pem"),
        .key_file = certs_path("ann", ".key") });
    assert_reply("HTTP/1.1 200 ", "https  localhost CN=ann TLSv1.3 1");
    stop();
}

static void count_bytes(void *self, const char *name, int64_t delta)
{
    int64_t *sums = self;
    if (strcmp(name, "net_sent_bytes") == 0)
        sums[0] += delta;
    else if (strcmp(name, "net_received_bytes") == 0)
        sums[1] += delta;
}

/* Both ends are the loop's: what one sends the other receives, but for a goodbye that nobody waits
   for. */
static void test_bytes_are_counted_as_they_are_on_the_wire(void **state)
{
    (void)state;
    int64_t sums[2] = { 0, 0 };
    metrics = &(spout_metrics){ .count = count_bytes, .self = sums };
    start(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
              .key_file = certs_path("server", ".key") },
        0);
    metrics = NULL;
    client_tls = certs_client();
    assert_reply("HTTP/1.1 200 ", "\r\n\r\nhttps");
    stop();
    enum { CLOSE_NOTIFY = 24 };
    assert_true(sums[1] > 1000); /* with the certificate */
    assert_in_range(sums[0] - sums[1], 0, 2 * CLOSE_NOTIFY);
}

static int fill_and_get(void *arg)
{
    spout_stream *first = open_client();
    int result = get(arg);
    spout_stream_close(first);
    return result;
}

static void test_full_server_says_so(void **state)
{
    (void)state;
    visit self = { .reply = "" };
    start(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
              .key_file = certs_path("server", ".key") },
        1);
    client_tls = certs_client();
    assert_int_equal(spout_loop_run_sync(loop, fill_and_get, &self, 20000), 0);
    assert_true(strncmp(self.reply, "HTTP/1.1 503 ", 13) == 0);
    stop();
}

static int drain(void *arg)
{
    spout_bytes all;
    (void)arg;
    spout_stream *idle = open_client();
    assert_int_equal(
        spout_stream_write(idle, spout_bytes_of("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")), 0);
    assert_int_equal(spout_stream_read_until(idle, "\r\n\r\n", 0, &all), 0);
    assert_int_equal(spout_http_server_drain(server), 0);
    assert_int_equal(spout_stream_read_until_close(idle, 0, &all), 0);
    spout_stream_close(idle);
    return 0;
}

/* An idle connection ends with a goodbye, else its client would take it for cut. */
static void test_drain_says_goodbye(void **state)
{
    (void)state;
    start(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
              .key_file = certs_path("server", ".key") },
        0);
    client_tls = certs_client();
    assert_int_equal(spout_loop_run_sync(loop, drain, NULL, 20000), 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_handler_sees),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_bytes_are_counted_as_they_are_on_the_wire),
        cmocka_unit_test(test_full_server_says_so),
        cmocka_unit_test(test_drain_says_goodbye),
    };
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
