/* TLS on transports: what test_transport.c and test_send.c ask of plain ones, between two of them.
   */
#include "tls_kit.h"

#include "net/net.h"
#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

typedef struct pair {
    spout_loop *loop;
    fake_clock clock;
    spout_tls *server_tls, *client_tls;
    recorder server, client;
    int fds[2];
} pair;

static bool server_secure, client_secure;

static void on_secure(spout_transport *transport)
{
    (void)transport;
    server_secure = true;
}

static void on_client_secure(spout_transport *transport)
{
    (void)transport;
    client_secure = true;
}

static int set_up_on(void **state, bool fake)
{
    pair *p = spi_calloc(sizeof *p);
    p->loop = fake ? kit_fake_loop(&p->clock) : kit_loop();
    p->server_tls = certs_server("server");
    p->client_tls = certs_client();
    kit_tcp_pair(p->fds);
    server_secure = client_secure = false;
    *state = p;
    return 0;
}

static int set_up(void **state)
{
    return set_up_on(state, false);
}

static int set_up_fake(void **state)
{
    return set_up_on(state, true);
}

static int tear_down(void **state)
{
    pair *p = *state;
    recorder_finish(&p->server);
    recorder_finish(&p->client);
    spout_loop_free(p->loop);
    spout_tls_unref(p->server_tls);
    spout_tls_unref(p->client_tls);
    spi_free(p);
    return 0;
}

static void open_server(pair *p)
{
    recorder_open(&p->server, p->loop, p->fds[0]);
    assert_int_equal(spi_tls_wrap(&p->server.transport, p->server_tls,
                         &(spi_tls_wrap_options){ .on_secure = on_secure }),
        0);
}

static void open_client(pair *p)
{
    recorder_open(&p->client, p->loop, p->fds[1]);
    assert_int_equal(
        spi_tls_wrap(&p->client.transport, p->client_tls,
            &(spi_tls_wrap_options){ .server_name = "localhost", .on_secure = on_client_secure }),
        0);
}

static void agree(pair *p)
{
    open_server(p);
    open_client(p);
    kit_until(p->loop, &client_secure);
    kit_until(p->loop, &server_secure);
}

static void until_len(pair *p, const recorder *r, size_t len)
{
    time_t limit = time(NULL) + 30;
    while (spi_buffer_len(&r->got) < len) {
        kit_turn(p->loop, 0);
        assert_int_equal(r->losts, 0);
        assert_true(time(NULL) < limit);
    }
}

static void test_data_both_ways_then_end(void **state)
{
    pair *p = *state;
    agree(p);
    assert_true(spi_transport_is_tls(&p->server.transport));
    assert_int_equal(spi_transport_write(&p->client.transport, "hello", 5), 0);
    kit_until(p->loop, &p->server.has_data);
    recorder_expect(&p->server, "hello");
    spi_transport_shutdown(&p->client.transport);
    kit_until(p->loop, &p->server.has_end);
    assert_int_equal(spi_transport_write(&p->client.transport, "x", 1), SPOUT_ECLOSED);
    assert_int_equal(spi_transport_write(&p->server.transport, "still", 5), 0);
    kit_until(p->loop, &p->client.has_data);
    recorder_expect(&p->client, "still");
    kit_assert_quiet(p->loop);
    spi_transport_close(&p->server.transport);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
    kit_until(p->loop, &p->client.has_end);
    assert_int_equal(p->server.ends + p->client.ends, 2);
}

static void test_written_before_agreement(void **state)
{
    pair *p = *state;
    open_server(p);
    open_client(p);
    assert_int_equal(spi_transport_write(&p->client.transport, "early", 5), 0);
    assert_int_equal(spi_transport_write(&p->server.transport, "EARLY", 5), 0);
    kit_until(p->loop, &p->server.has_data);
    kit_until(p->loop, &p->client.has_data);
    recorder_expect(&p->server, "early");
    recorder_expect(&p->client, "EARLY");
    kit_assert_quiet(p->loop);
    assert_null(p->server.transport.output);
}

static void test_close_before_agreement_says_all(void **state)
{
    pair *p = *state;
    open_server(p);
    assert_int_equal(spi_transport_write(&p->server.transport, "busy", 4), 0);
    spi_transport_close(&p->server.transport);
    open_client(p);
    kit_until(p->loop, &p->client.has_end);
    recorder_expect(&p->client, "busy");
    spi_transport_close(&p->client.transport);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
}

static void test_close_of_one_that_never_agreed(void **state)
{
    pair *p = *state;
    open_server(p);
    kit_turns(p->loop, 2);
    spi_transport_close(&p->server.transport);
    assert_int_equal(write(p->fds[1], "garbage", 7), 7);
    close(p->fds[1]);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
}

/* The end comes in one piece with data, or while nobody reads: no readiness tells of it then. */
static void test_end_behind_data_while_paused(void **state)
{
    pair *p = *state;
    agree(p);
    spi_transport_pause(&p->server.transport);
    assert_int_equal(spi_transport_write(&p->client.transport, "last", 4), 0);
    spi_transport_shutdown(&p->client.transport);
    kit_assert_quiet(p->loop);
    assert_int_equal(p->server.datas + p->server.ends, 0);
    spi_transport_resume(&p->server.transport);
    kit_until(p->loop, &p->server.has_end);
    recorder_expect(&p->server, "last");
}

static void pause_on_data(recorder *self, happening what)
{
    if (what == DATA)
        spi_transport_pause(&self->transport);
}

static void test_end_behind_data_and_pause_in_between(void **state)
{
    pair *p = *state;
    agree(p);
    p->server.on = pause_on_data;
    spi_transport_pause(&p->server.transport);
    assert_int_equal(spi_transport_write(&p->client.transport, "last", 4), 0);
    spi_transport_shutdown(&p->client.transport);
    kit_assert_quiet(p->loop);
    spi_transport_resume(&p->server.transport);
    kit_until(p->loop, &p->server.has_data);
    kit_assert_quiet(p->loop);
    assert_int_equal(p->server.ends, 0);
    spi_transport_resume(&p->server.transport);
    kit_until(p->loop, &p->server.has_end);
}

static void test_large_both_ways(void **state)
{
    pair *p = *state;
    enum { LEN = 5 * 1024 * 1024 };
    char *data = kit_pattern(LEN, 3);
    kit_small_buffers(p->fds);
    agree(p);
    assert_int_equal(spi_transport_write(&p->client.transport, data, LEN), 0);
    assert_int_equal(spi_transport_write(&p->server.transport, data, LEN), 0);
    assert_true(spi_transport_is_pressed(&p->server.transport));
    until_len(p, &p->server, LEN);
    until_len(p, &p->client, LEN);
    assert_memory_equal(spi_buffer_head(&p->server.got), data, LEN);
    assert_memory_equal(spi_buffer_head(&p->client.got), data, LEN);
    kit_until(p->loop, &p->server.has_drain);
    kit_assert_quiet(p->loop);
    assert_null(p->server.transport.output);
    assert_int_equal(spi_transport_pending(&p->server.transport), 0);
    spi_free(data);
}

static void test_pieces_of_all_kinds_in_order(void **state)
{
    pair *p = *state;
    enum { LEN = 300000 };
    char *data = kit_pattern(LEN, 9);
    spout_transport *out = &p->server.transport;
    spi_buffer expected;
    spi_buffer_init(&expected, 16 * 1024 * 1024);
    kit_small_buffers(p->fds);
    agree(p);
    for (size_t i = 0; i < 40; i++) {
        size_t len = (i * i * 97) % 40000;
        spi_blob *blob = spi_blob_new(len);
        memcpy(blob->data, data + i, len);
        spout_bytes pieces[] = { { data, i }, { data + 7, len }, { "", 0 }, { data, 33 } };
        assert_int_equal(spi_transport_write_blob(out, blob), 0);
        assert_int_equal(spi_transport_writev(out, pieces, 4), 0);
        assert_int_equal(spi_buffer_append(&expected, blob->data, len), 0);
        for (int k = 0; k < 4; k++)
            assert_int_equal(spi_buffer_append(&expected, pieces[k].data, pieces[k].len), 0);
        spi_blob_unref(blob);
        if (i % 10 == 5) {
            assert_int_equal(spi_transport_write_file(out, kit_file(data, LEN), 11, LEN - 11), 0);
            assert_int_equal(spi_buffer_append(&expected, data + 11, LEN - 11), 0);
        }
    }
    until_len(p, &p->client, spi_buffer_len(&expected));
    assert_memory_equal(
        spi_buffer_head(&p->client.got), spi_buffer_head(&expected), spi_buffer_len(&expected));
    spi_buffer_release(&expected);
    spi_free(data);
}

static void test_file_that_becomes_shorter(void **state)
{
    pair *p = *state;
    agree(p);
    assert_int_equal(spi_transport_write_file(&p->server.transport, kit_file("abc", 3), 0, 9), 0);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_EFAILED);
    kit_until(p->loop, &p->client.is_lost);
}

static void test_close_sends_all(void **state)
{
    pair *p = *state;
    enum { LEN = 2 * 1024 * 1024 };
    char *data = kit_pattern(LEN, 5);
    kit_small_buffers(p->fds);
    agree(p);
    assert_int_equal(spi_transport_write(&p->server.transport, data, LEN), 0);
    spi_transport_close(&p->server.transport);
    until_len(p, &p->client, LEN);
    kit_until(p->loop, &p->client.has_end);
    assert_memory_equal(spi_buffer_head(&p->client.got), data, LEN);
    spi_transport_close(&p->client.transport);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
    spi_free(data);
}

static void test_end_without_goodbye_is_a_failure(void **state)
{
    pair *p = *state;
    agree(p);
    shutdown(p->fds[1], SHUT_WR);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_ECLOSED);
    assert_non_null(strstr(p->server.lost_message, "without close_notify"));
    assert_int_equal(p->server.ends, 0);
}

static void test_reset(void **state)
{
    pair *p = *state;
    agree(p);
    assert_int_equal(spi_transport_write(&p->client.transport, "x", 1), 0);
    kit_until(p->loop, &p->server.has_data);
    setsockopt(p->fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    spi_transport_abort(&p->client.transport);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_ECLOSED);
}

static void test_garbage_after_agreement(void **state)
{
    pair *p = *state;
    agree(p);
    static const char record[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";
    assert_int_equal(write(p->fds[1], record, sizeof record - 1), (ssize_t)sizeof record - 1);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_EPROTO);
    kit_until(p->loop, &p->client.is_lost);
}

/* As somebody's handler might that uses OpenSSL too. */
static void leave_error(recorder *self, happening what)
{
    (void)self, (void)what;
    ERR_raise(ERR_LIB_USER, 1);
}

/* Records in pieces, a goodbye, a failure: errors of others say nothing about them. */
static void test_errors_of_others(void **state)
{
    pair *p = *state;
    enum { LEN = 300 * 1000 };
    char *data = spi_calloc(LEN);
    agree(p);
    p->server.on = p->client.on = leave_error;
    leave_error(NULL, DATA);
    assert_int_equal(spi_transport_write(&p->client.transport, data, LEN), 0);
    until_len(p, &p->server, LEN);
    assert_int_equal(spi_transport_write(&p->server.transport, data, LEN), 0);
    until_len(p, &p->client, LEN);
    spi_transport_shutdown(&p->client.transport);
    kit_until(p->loop, &p->server.has_end);
    spi_transport_close(&p->server.transport);
    kit_until(p->loop, &p->client.has_end);
    assert_int_equal(p->server.ends + p->client.ends, 2);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
    assert_int_equal(p->client.losts, 0);
    spi_free(data);
    ERR_clear_error();
}

static void test_garbage_among_errors_of_others(void **state)
{
    leave_error(NULL, DATA);
    test_garbage_after_agreement(state);
    ERR_clear_error();
}

static void abort_on_data(recorder *self, happening what)
{
    if (what == DATA)
        spi_transport_abort(&self->transport);
}

static void test_abort_from_inside(void **state)
{
    pair *p = *state;
    agree(p);
    p->server.on = abort_on_data;
    assert_int_equal(spi_transport_write(&p->client.transport, "x", 1), 0);
    spi_transport_shutdown(&p->client.transport);
    kit_until(p->loop, &p->server.has_data);
    kit_until(p->loop, &p->client.is_lost);
    assert_int_equal(p->server.losts, 0);
}

static void abort_it(spout_transport *transport)
{
    server_secure = true;
    spi_transport_abort(transport);
}

static void test_abort_when_secure(void **state)
{
    pair *p = *state;
    recorder_open(&p->server, p->loop, p->fds[0]);
    assert_int_equal(spi_tls_wrap(&p->server.transport, p->server_tls,
                         &(spi_tls_wrap_options){ .on_secure = abort_it }),
        0);
    open_client(p);
    kit_until(p->loop, &server_secure);
    kit_until(p->loop, &p->client.is_lost);
    assert_int_equal(p->server.losts, 0);
}

/* --- the handshake --- */

static void test_no_tls_from_the_peer(void **state)
{
    pair *p = *state;
    kit_log_capture();
    open_server(p);
    assert_int_equal(write(p->fds[1], "EHLO example.org\r\n", 18), 18);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_EPROTO);
    assert_string_equal(p->server.lost_message, "the peer does not speak TLS");
    assert_int_equal(kit_log_lines, 1);
    assert_non_null(strstr(kit_log_text, "the peer does not speak TLS"));
    spout_log_set_sink(NULL);
    close(p->fds[1]);
}

static void test_plain_http_gets_an_answer(void **state)
{
    pair *p = *state;
    kit_log_capture();
    recorder_open(&p->server, p->loop, p->fds[0]);
    assert_int_equal(spi_tls_wrap(&p->server.transport, p->server_tls,
                         &(spi_tls_wrap_options){ .plain_reply = "no\n" }),
        0);
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(write(p->fds[1], request, sizeof request - 1), (ssize_t)sizeof request - 1);
    spi_buffer got;
    spi_buffer_init(&got, 1000);
    kit_collect(p->loop, p->fds[1], &got, 3);
    assert_memory_equal(spi_buffer_head(&got), "no\n", 3);
    spi_buffer_release(&got);
    close(p->fds[1]);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_OK);
    assert_int_equal(p->server.datas, 0);
    assert_int_equal(kit_log_lines, 1);
    spout_log_set_sink(NULL);
}

static void test_hang_up_in_the_handshake_is_not_worth_a_warning(void **state)
{
    pair *p = *state;
    kit_log_capture();
    open_server(p);
    close(p->fds[1]);
    kit_until(p->loop, &p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_ECLOSED);
    assert_int_equal(kit_log_lines, 0);
    spout_log_set_sink(NULL);
}

/* A byte a second never ends, but for the limit. */
static void test_slow_handshake(void **state)
{
    pair *p = *state;
    kit_log_capture();
    open_server(p);
    int64_t start = spi_loop_now(p->loop);
    static const unsigned char hello[] = { 0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3 };
    for (size_t i = 0; i < 60 && !p->server.is_lost; i++) {
        unsigned char byte = i < sizeof hello ? hello[i] : 0;
        assert_int_equal(write(p->fds[1], &byte, 1), 1);
        kit_turn(p->loop, 0);
        p->clock.now_ms += 1000;
        kit_turns(p->loop, 2);
    }
    assert_true(p->server.is_lost);
    assert_int_equal(p->server.lost_code, SPOUT_ETIMEDOUT);
    int64_t took = p->server.lost_at_ms - start;
    assert_true(took >= 10000 && took < 13000);
    assert_int_equal(kit_log_lines, 1);
    spout_log_set_sink(NULL);
    close(p->fds[1]);
}

static void test_wrap_needs_an_idle_transport(void **state)
{
    pair *p = *state;
    agree(p);
    assert_int_equal(spi_tls_wrap(&p->server.transport, p->server_tls, NULL), SPOUT_ESTATE);
    assert_int_equal(spi_transport_detach(&p->server.transport), -1);
    assert_int_equal(spout_error_code_current(), SPOUT_EUNSUPPORTED);
    recorder other;
    int fds[2];
    kit_unix_pair(fds);
    recorder_open(&other, p->loop, fds[0]);
    assert_int_equal(spi_transport_write(&other.transport, "x", 1), 0);
    assert_int_equal(spi_tls_wrap(&other.transport, p->server_tls, NULL), SPOUT_ESTATE);
    spi_transport_flush(&other.transport);
    assert_int_equal(spi_tls_wrap(&other.transport, p->client_tls, NULL), SPOUT_EINVAL);
    assert_false(spi_transport_is_tls(&other.transport));
    spout_tls_info info;
    assert_int_equal(spi_tls_info(&other.transport, &info), SPOUT_ESTATE);
    recorder_finish(&other);
    close(fds[1]);
}

/* Into a stream and out of the transport's struct, which may go. */
static int talk_on(void *arg)
{
    pair *p = arg;
    static const spout_endpoint nobody;
    spout_bytes got;
    static const char large[70 * 1000];
    assert_null(
        spi_stream_from_transport(&p->server.transport, (spout_bytes){ large, sizeof large },
            &nobody, &(spout_stream_options){ .max_buffer_size = 1 }));
    spout_stream *stream = spi_stream_from_transport(
        &p->server.transport, spout_bytes_of("begin"), &nobody, NULL);
    assert_non_null(stream);
    memset(&p->server.transport, 0, sizeof p->server.transport);
    assert_int_equal(spi_transport_write(&p->client.transport, "ning\nmore", 9), 0);
    assert_int_equal(spout_stream_read_until(stream, "\n", 0, &got), 0);
    assert_int_equal(got.len, 10);
    assert_memory_equal(got.data, "beginning\n", 10);
    assert_int_equal(spout_stream_detach(stream, &got), SPOUT_EUNSUPPORTED);
    assert_int_equal(spout_stream_write(stream, spout_bytes_of("answer")), 0);
    spi_transport_shutdown(&p->client.transport);
    assert_int_equal(spout_stream_read_until_close(stream, 0, &got), 0);
    assert_int_equal(got.len, 4);
    spout_stream_close(stream);
    return 0;
}

static void test_becomes_a_stream(void **state)
{
    pair *p = *state;
    static const spout_endpoint nobody;
    open_server(p);
    assert_null(spi_stream_from_transport(
        &p->server.transport, spout_bytes_of(""), &nobody, NULL)); /* not agreed yet */
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    open_client(p);
    kit_until(p->loop, &client_secure);
    kit_until(p->loop, &server_secure);
    assert_int_equal(spout_loop_run_sync(p->loop, talk_on, p, 20000), 0);
    kit_until(p->loop, &p->client.has_end);
    recorder_expect(&p->client, "answer");
    assert_int_equal(p->server.losts + p->server.ends, 0);
}

/* The client then talks to relay[1], and what is returned to the server. */
static int put_between(pair *p, int relay[2])
{
    close(p->fds[0]);
    close(p->fds[1]);
    kit_unix_pair(p->fds);
    kit_unix_pair(relay);
    int server_side = p->fds[1];
    p->fds[1] = relay[0];
    return server_side;
}

static void carry(int from, int to)
{
    char data[8192];
    ssize_t got = read(from, data, sizeof data);
    if (got > 0)
        assert_int_equal(write(to, data, (size_t)got), got);
}

/* The client's last words of the handshake and its first data come in one piece, before the
   server's owner reads. */
static int agree_with_data(pair *p, int relay[2])
{
    int server_side = put_between(p, relay);
    open_server(p);
    spi_transport_pause(&p->server.transport);
    open_client(p);
    for (int i = 0; i < 1000 && !client_secure; i++) {
        carry(relay[1], server_side);
        kit_turn(p->loop, 0);
        carry(server_side, relay[1]);
        kit_turn(p->loop, 0);
    }
    assert_true(client_secure);
    assert_false(server_secure);
    assert_int_equal(spi_transport_write(&p->client.transport, "hello", 5), 0);
    kit_turn(p->loop, 0);
    carry(relay[1], server_side);
    kit_until(p->loop, &server_secure);
    kit_assert_quiet(p->loop);
    assert_int_equal(p->server.datas, 0);
    return server_side;
}

static void test_data_with_the_end_of_the_handshake(void **state)
{
    pair *p = *state;
    int relay[2], server_side = agree_with_data(p, relay);
    spi_transport_resume(&p->server.transport);
    kit_until(p->loop, &p->server.has_data);
    recorder_expect(&p->server, "hello");
    close(server_side);
    close(relay[1]);
}

static void test_hang_up_behind_such_data(void **state)
{
    pair *p = *state;
    int relay[2], server_side = agree_with_data(p, relay);
    shutdown(server_side, SHUT_RDWR);
    kit_assert_quiet(p->loop);
    assert_int_equal(p->server.datas + p->server.losts, 0);
    spi_transport_resume(&p->server.transport);
    kit_until(p->loop, &p->server.has_data);
    recorder_expect(&p->server, "hello");
    kit_until(p->loop, &p->server.is_lost);
    assert_non_null(strstr(p->server.lost_message, "without close_notify"));
    close(server_side);
    close(relay[1]);
}

/* One byte at a time in both directions, as through a very slow relay. */
static void test_bytes_one_by_one(void **state)
{
    pair *p = *state;
    int relay[2], server_side = put_between(p, relay);
    open_server(p);
    open_client(p);
    assert_int_equal(spi_transport_write(&p->client.transport, "hello", 5), 0);
    for (int i = 0; i < 20000 && !p->server.has_data; i++) {
        char byte;
        kit_turn(p->loop, 0);
        if (read(relay[1], &byte, 1) == 1)
            assert_int_equal(write(server_side, &byte, 1), 1);
        if (read(server_side, &byte, 1) == 1)
            assert_int_equal(write(relay[1], &byte, 1), 1);
    }
    recorder_expect(&p->server, "hello");
    close(server_side);
    close(relay[1]);
}

static void test_idle_connection_is_small(void **state)
{
    pair *p = *state;
    agree(p);
    assert_true(sizeof p->server.transport <= 64);
    assert_null(p->server.transport.output);
    assert_int_equal(spi_transport_write(&p->server.transport, "x", 1), 0);
    kit_until(p->loop, &p->client.has_data);
    assert_null(p->server.transport.output);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_data_both_ways_then_end),
        TEST(test_written_before_agreement),
        TEST(test_close_before_agreement_says_all),
        TEST(test_close_of_one_that_never_agreed),
        TEST(test_end_behind_data_while_paused),
        TEST(test_end_behind_data_and_pause_in_between),
        TEST(test_large_both_ways),
        TEST(test_pieces_of_all_kinds_in_order),
        TEST(test_file_that_becomes_shorter),
        TEST(test_close_sends_all),
        TEST(test_end_without_goodbye_is_a_failure),
        TEST(test_reset),
        TEST(test_garbage_after_agreement),
        TEST(test_errors_of_others),
        TEST(test_garbage_among_errors_of_others),
        TEST(test_abort_from_inside),
        TEST(test_abort_when_secure),
        TEST(test_no_tls_from_the_peer),
        TEST(test_plain_http_gets_an_answer),
        TEST(test_hang_up_in_the_handshake_is_not_worth_a_warning),
        cmocka_unit_test_setup_teardown(test_slow_handshake, set_up_fake, tear_down),
        TEST(test_wrap_needs_an_idle_transport),
        TEST(test_becomes_a_stream),
        TEST(test_data_with_the_end_of_the_handshake),
        TEST(test_hang_up_behind_such_data),
        TEST(test_bytes_one_by_one),
        TEST(test_idle_connection_is_small),
    };
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
