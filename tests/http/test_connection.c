/* What the wire scripts can't see of a connection: sizes, calls in a wrong order, who may do what
   when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout/error.h>
#include <spout/task.h>

#include <unistd.h>

#include "base/memory.h"
#include "http/connection.h"
#include "kit.h"

static test_kit kit;

/* The exchange that the service below was given last; it never answers by itself. */
static spi_exchange *held;
static int gone, served, completed;
static bool serves_at_once; /* what may be served with its head */
static spi_body_mode mode;

static void hold(spi_exchange *exchange)
{
    held = exchange;
    served++;
}

static int hold_head(void *self, spi_exchange *exchange, bool complete)
{
    (void)self;
    exchange->body_mode = mode;
    completed += complete;
    if (!serves_at_once || !complete)
        return 0;
    hold(exchange);
    return 1;
}

static void hold_request(void *self, spi_exchange *exchange)
{
    (void)self;
    hold(exchange);
}

static void count_gone(void *self, spi_exchange *exchange)
{
    (void)self;
    (void)exchange;
    gone++;
}

static const spi_service holding = {
    .on_head = hold_head, .on_request = hold_request, .on_gone = count_gone
};

static int set_up(void **state)
{
    (void)state;
    kit_start(&kit);
    held = NULL;
    gone = served = completed = 0;
    serves_at_once = false;
    mode = SPI_BODY_WHOLE;
    return 0;
}

static int set_up_holding(void **state)
{
    set_up(state);
    kit.server = spi_http_server_new(&holding, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

static const spi_reply_head plain = { .status = 200, .content_length = 2 };

static void idle_connections_are_small(void **state)
{
    (void)state;
    assert_in_range(sizeof(spi_connection), 1, 224);
    kit_ask(&kit, kit_connect(&kit, 0), "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    kit_ask(&kit, kit_connect(&kit, 1), "GET /la");
    kit_ask(&kit, &kit.peers[1], "ter HTTP/1.1\r\nHost: a\r\n\r\n");
    for (spi_list *node = kit.server->connections.next; node != &kit.server->connections;
         node = node->next) {
        const spi_connection *connection = spi_container(node, spi_connection, node);
        assert_int_equal(connection->state, SPI_CONNECTION_IDLE);
        assert_null(connection->exchange);
        assert_null(connection->left_over);
        assert_null(connection->tunnel);
        assert_null(connection->transport.output);
    }
}

static void an_idle_tunnel_has_no_arena(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\nmore");
    const spi_connection *connection = spi_container(
        kit.server->connections.next, spi_connection, node);
    assert_int_equal(connection->state, SPI_CONNECTION_TUNNEL);
    assert_null(connection->exchange);
    assert_null(connection->left_over);
    kit_send(&kit, &kit.peers[0], spout_bytes_of("x"));
    assert_string_equal(kit_take(&kit, &kit.peers[0]), "x");
}

static void calls_in_a_wrong_order_fail(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const spi_exchange_ops *ops = held->ops;
    assert_int_equal(ops->send_body(held, spout_bytes_of("x")), SPOUT_ESTATE);
    assert_int_equal(ops->finish(held), SPOUT_ESTATE);
    assert_int_equal(ops->send_head(held, &(spi_reply_head){ .status = 100 }), SPOUT_EINVAL);
    spi_shared_file file = { .refs = 1, .fd = 0 };
    assert_int_equal(ops->send_file(held, &file, -1, 1), SPOUT_EINVAL);
    spout_bytes piece;
    assert_int_equal(ops->read_more(held, &piece), SPOUT_ESTATE);
    assert_int_equal(ops->send_head(held, &plain), 0);
    assert_int_equal(ops->send_head(held, &plain), SPOUT_ESTATE);
    assert_int_equal(ops->upgrade(held, &plain, NULL, NULL), SPOUT_ESTATE);
    assert_int_equal(ops->send_body(held, spout_bytes_of("ok")), 0);
    assert_int_equal(ops->pending(held), strlen("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    assert_int_equal(ops->finish(held), 0);
    assert_int_equal(ops->pending(held), 0);
    assert_int_equal(ops->finish(held), SPOUT_ESTATE);
    assert_int_equal(ops->send_body(held, spout_bytes_of("x")), SPOUT_ESTATE);
    ops->release(held);
    assert_string_equal(
        kit_take(&kit, &kit.peers[0]), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_false(kit.peers[0].eof);
}

static void answer_held(void)
{
    const spi_exchange_ops *ops = held->ops;
    assert_int_equal(ops->send_reply(held, &plain, spout_bytes_of("ok")), 0);
    ops->release(held);
    kit_pump(&kit);
}

static void a_request_that_is_complete_is_served_with_its_head(void **state)
{
    (void)state;
    serves_at_once = true;
    kit_peer *peer = kit_connect(&kit, 0);
    kit_ask(&kit, peer, "GET /1 HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_int_equal(completed, 1);
    assert_int_equal(served, 1);
    answer_held();
    assert_string_equal(kit_take(&kit, peer), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    kit_ask(&kit, peer, "GET /2 HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_int_equal(served, 2);
    assert_string_equal(held->head.path, "/2");
    answer_held();
    assert_string_equal(kit_take(&kit, peer), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void a_service_may_leave_it_for_later(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_int_equal(completed, 1);
    assert_int_equal(served, 1);
    answer_held();
    assert_string_equal(
        kit_take(&kit, &kit.peers[0]), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* What waits in a buffer, has a body, or comes in pieces. */
static void other_requests_are_served_behind_their_heads(void **state)
{
    (void)state;
    serves_at_once = true;
    kit_peer *peer = kit_connect(&kit, 0);
    kit_ask(&kit, peer,
        "GET /1 HTTP/1.1\r\nHost: example.org\r\n\r\nGET /2 HTTP/1.1\r\nHost: example.org\r\n\r\n"
        "POST /3 HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\r\nabc");
    assert_string_equal(held->head.path, "/1");
    assert_int_equal(served, 1);
    answer_held();
    assert_string_equal(held->head.path, "/2");
    assert_int_equal(served, 2);
    answer_held();
    assert_string_equal(held->head.path, "/3");
    assert_int_equal(held->body.len, 3);
    answer_held();
    kit_ask(&kit, peer, "GET /4 HTTP/1.1\r\nHo");
    kit_ask(&kit, peer, "st: a\r\n\r\n");
    assert_string_equal(held->head.path, "/4");
    assert_int_equal(served, 4);
    assert_int_equal(completed, 1);
    answer_held();
}

static void releasing_without_a_reply_cuts(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    held->ops->release(held);
    assert_string_equal(kit_take(&kit, &kit.peers[0]), "");
    assert_true(kit.peers[0].eof || kit.peers[0].reset);
    assert_int_equal(spout_http_server_connections(kit.server), 0);
    assert_int_equal(gone, 0);
}

static void an_exchange_outlives_its_peer(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    kit_close(&kit.peers[0]);
    kit_pump(&kit);
    assert_int_equal(gone, 1);
    assert_true(held->gone);
    assert_string_equal(held->head.path, "/a");
    assert_int_equal(held->ops->send_head(held, &plain), SPOUT_ECLOSED);
    assert_int_equal(held->ops->send_continue(held), SPOUT_ECLOSED);
    spi_shared_file file = { .refs = 1, .fd = 0 };
    assert_int_equal(held->ops->send_file(held, &file, 0, 1), SPOUT_ECLOSED);
    assert_int_equal(file.refs, 1);
    assert_int_equal(held->ops->finish(held), SPOUT_ECLOSED);
    assert_int_equal(held->ops->wait_writable(held), SPOUT_ECLOSED);
    assert_int_equal(held->ops->upgrade(held, &plain, NULL, NULL), SPOUT_ECLOSED);
    held->ops->reset(held);
    assert_int_equal(spout_http_server_connections(kit.server), 1);
    held->ops->release(held);
    assert_int_equal(spout_http_server_connections(kit.server), 0);
    assert_int_equal(gone, 1);
}

static void an_exchange_outlives_its_server(void **state)
{
    (void)state;
    mode = SPI_BODY_STREAM;
    kit_ask(
        &kit, kit_connect(&kit, 0), "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    spout_http_server_free(kit.server);
    kit.server = NULL;
    assert_int_equal(gone, 1);
    assert_string_equal(held->head.path, "/a");
    spout_bytes piece;
    assert_int_equal(held->ops->read_more(held, &piece), SPOUT_ECLOSED);
    assert_int_equal(held->ops->send_head(held, &plain), SPOUT_ECLOSED);
    held->ops->release(held);
}

static void a_finished_exchange_is_not_told_of_the_end(void **state)
{
    (void)state;
    kit_ask(&kit, kit_connect(&kit, 0), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    held->ops->send_head(held, &(spi_reply_head){ .status = 204 });
    assert_int_equal(held->ops->finish(held), 0);
    kit_close(&kit.peers[0]);
    kit_pump(&kit);
    assert_int_equal(gone, 0);
    held->ops->release(held);
    assert_int_equal(spout_http_server_connections(kit.server), 0);
}

static void a_head_of_any_size_is_sent(void **state)
{
    (void)state;
    char value[40000];
    memset(value, 'v', sizeof value);
    const spi_field field = { "X", value, 1, sizeof value };
    kit_ask(&kit, kit_connect(&kit, 0), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(held->ops->send_head(held,
                         &(spi_reply_head){ .status = 204, .fields = &field, .field_count = 1 }),
        0);
    assert_int_equal(held->ops->finish(held), 0);
    held->ops->release(held);
    const char *text = kit_take(&kit, &kit.peers[0]);
    assert_int_equal(strlen(text), sizeof value + strlen("HTTP/1.1 204 No Content\r\nX: \r\n\r\n"));
}

static int read_in_task(void *arg)
{
    spout_bytes piece;
    *(int *)arg = held->ops->read_more(held, &piece);
    return 0;
}

static void one_coroutine_reads_a_body(void **state)
{
    (void)state;
    mode = SPI_BODY_STREAM;
    kit_ask(&kit, kit_connect(&kit, 0), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    int first = 77, second = 77;
    spout_spawn(read_in_task, &first, NULL);
    spout_spawn(read_in_task, &second, NULL);
    kit_pump(&kit);
    assert_int_equal(first, 77);
    assert_int_equal(second, SPOUT_ESTATE);
    kit_ask(&kit, &kit.peers[0], "abc");
    assert_int_equal(first, 1);
    spout_bytes piece = { NULL, 0 };
    assert_int_equal(held->ops->read_more(held, &piece), 0);
    assert_int_equal(piece.len, 0);
    assert_int_equal(held->ops->read_more(held, &piece), 0);
    held->ops->release(held);
}

/* A piece stays where it is while more comes in. */
static void a_piece_is_valid_until_the_next(void **state)
{
    (void)state;
    mode = SPI_BODY_STREAM;
    kit_ask(&kit, kit_connect(&kit, 0),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100003\r\n\r\nabc");
    spout_bytes piece;
    assert_int_equal(held->ops->read_more(held, &piece), 1);
    for (int i = 0; i < 10000; i++)
        kit_send(&kit, &kit.peers[0], (spout_bytes){ "0123456789", 10 });
    kit_pump(&kit);
    assert_int_equal(piece.len, 3);
    assert_memory_equal(piece.data, "abc", 3);
    held->ops->release(held);
}

static void limits_may_be_raised_before_the_first_read(void **state)
{
    (void)state;
    mode = SPI_BODY_STREAM;
    kit_ask(
        &kit, kit_connect(&kit, 0), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    spout_bytes piece;
    held->max_body = 2;
    assert_int_equal(held->ops->read_more(held, &piece), SPOUT_EHTTP);
    assert_int_equal(spout_error_get_status(spout_error_current()), 413);
    held->ops->release(held);
    kit_ask(&kit, kit_connect(&kit, 1),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000000\r\n\r\nabc");
    held->max_body = UINT64_MAX;
    assert_int_equal(held->ops->read_more(held, &piece), 1);
    assert_int_equal(piece.len, 3);
    held->ops->release(held);
}

static void the_next_request_waits_for_the_release(void **state)
{
    (void)state;
    kit_peer *peer = kit_connect(&kit, 0);
    kit_ask(&kit, peer, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(served, 1);
    held->ops->send_head(held, &(spi_reply_head){ .status = 204 });
    held->ops->finish(held);
    kit_pump(&kit);
    assert_int_equal(served, 1);
    held->ops->release(held);
    assert_int_equal(served, 1); /* not from inside the call */
    kit_pump(&kit);
    assert_int_equal(served, 2);
    assert_string_equal(held->head.path, "/2");
    held->ops->release(held);
}

static const char conversation[] =
    "\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /about?q HTTP/1.1\r\nHost: a\r\nX-Tag: t\r\nContent-Length: 5\r\n\r\nhello"
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;e=\"x\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: 1\r\n\r\n"
    "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /stream-in HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nstream"
    "POST /stream-early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "4\r\nskip\r\n0\r\n\r\n"
    "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nX\r\n";

static void forget_peer(kit_peer *peer)
{
    kit_close(peer);
    spi_buffer_release(&peer->received);
    spi_buffer_release(&peer->unsent);
    *peer = (kit_peer){ .fd = -1 };
    kit_pump(&kit);
}

/* However the bytes are cut, the answers are the same. */
static void pieces_don_t_matter(void **state)
{
    (void)state;
    const size_t len = sizeof conversation - 1;
    char *whole = spi_strdup(kit_ask(&kit, kit_connect(&kit, 0), conversation));
    assert_non_null(strstr(whole, "400 Bad Request"));
    forget_peer(&kit.peers[0]);
    for (size_t piece = 1; piece < len; piece += 1 + piece / 16) {
        kit_peer *peer = kit_connect(&kit, 0);
        for (size_t at = 0; at < len; at += piece) {
            size_t rest = len - at;
            kit_send(&kit, peer, (spout_bytes){ conversation + at, rest < piece ? rest : piece });
            kit_pump(&kit);
        }
        assert_string_equal(kit_take(&kit, peer), whole);
        forget_peer(peer);
    }
    assert_int_equal(spout_http_server_connections(kit.server), 0);
    spi_free(whole);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void act(kit_peer *peer, uint32_t choice, uint32_t random)
{
    static const char *const more[] = { "GET /big?200000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n", "GET /wake HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /stream-count HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n",
        "GET /flood?300000 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /file?9999 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /short HTTP/1.1\r\nHost: a\r\n\r\n",
        "pause", "bye" };
    const size_t at = random % sizeof conversation;
    switch (choice) {
    case 0: forget_peer(peer); break;
    case 1: peer->half_close = true; break;
    case 2: peer->held = !peer->held; break;
    case 3: kit_advance(&kit, random % 20000); break;
    case 4:
    case 5: kit_send(&kit, peer, (spout_bytes){ conversation, at }); break;
    case 6:
        kit_send(&kit, peer, (spout_bytes){ conversation + at, sizeof conversation - 1 - at });
        break;
    default:
        kit_send(&kit, peer, spout_bytes_of(more[random % (sizeof more / sizeof more[0])]));
        break;
    }
}

/* For a minute, 64 KiB of a reply every four seconds; how many times that went well. */
static int sip(int64_t min_write_rate)
{
    enum { SIPS = 15, SIP = 64 * 1024 };
    static char sink[SIP];
    kit.options.min_write_rate = min_write_rate;
    kit_peer *peer = kit_connect(&kit, 0);
    peer->held = true;
    (void)kit_ask(&kit, peer, "GET /big?8000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    int sips = 0;
    while (sips < SIPS && spout_http_server_connections(kit.server) > 0) {
        kit_advance(&kit, 4000);
        sips += read(peer->fd, sink, SIP) > 0;
        kit_pump(&kit);
    }
    return sips;
}

static void a_reply_may_be_taken_slowly(void **state)
{
    (void)state;
    assert_int_equal(sip(1000), 15);
    assert_int_equal(spout_http_server_connections(kit.server), 1);
}

static void a_reply_may_not_be_sipped_for_ever(void **state)
{
    (void)state;
    assert_in_range(sip(1000 * 1000), 3, 6);
    assert_int_equal(spout_http_server_connections(kit.server), 0);
}

static void no_rate_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(sip(SPOUT_NONE), 15);
}

/* Whatever clients do in whatever order: no handler, connection or tunnel is left when they are
   gone. */
static void nothing_is_left_of_careless_clients(void **state)
{
    (void)state;
    uint32_t seed = 20;
    kit_make_server(&kit);
    for (int step = 0; step < 8000; step++) {
        int number = (int)(next_random(&seed) % KIT_PEERS);
        kit_peer *peer = &kit.peers[number];
        if (peer->eof || peer->reset)
            forget_peer(peer);
        if (peer->fd < 0)
            peer = kit_connect(&kit, number);
        act(peer, next_random(&seed) % 12, next_random(&seed));
        if (next_random(&seed) % 2 == 0)
            kit_pump(&kit);
        spi_buffer_clear(&peer->received);
        spi_buffer_clear(&kit.log);
    }
    for (int i = 0; i < KIT_PEERS; i++)
        forget_peer(&kit.peers[i]);
    test_service_wake(&kit.service);
    kit_pump(&kit);
    assert_int_equal(kit.service.running, 0);
    assert_true(kit.service.requests > 1000);
    assert_true(spi_list_is_empty(&kit.service.tunnels));
    assert_int_equal(spout_http_server_connections(kit.server), 0);
}

#define held_test(name) cmocka_unit_test_setup_teardown(name, set_up_holding, tear_down)
#define kit_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        kit_test(idle_connections_are_small),
        kit_test(an_idle_tunnel_has_no_arena),
        held_test(calls_in_a_wrong_order_fail),
        held_test(a_request_that_is_complete_is_served_with_its_head),
        held_test(a_service_may_leave_it_for_later),
        held_test(other_requests_are_served_behind_their_heads),
        held_test(releasing_without_a_reply_cuts),
        held_test(an_exchange_outlives_its_peer),
        held_test(an_exchange_outlives_its_server),
        held_test(a_finished_exchange_is_not_told_of_the_end),
        held_test(a_head_of_any_size_is_sent),
        held_test(one_coroutine_reads_a_body),
        held_test(a_piece_is_valid_until_the_next),
        held_test(limits_may_be_raised_before_the_first_read),
        held_test(the_next_request_waits_for_the_release),
        kit_test(pieces_don_t_matter),
        kit_test(a_reply_may_be_taken_slowly),
        kit_test(a_reply_may_not_be_sipped_for_ever),
        kit_test(no_rate_is_no_limit),
        kit_test(nothing_is_left_of_careless_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
