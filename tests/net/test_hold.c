/* Quick replies leave together: what waits for others, and what lets it out. */
#include "kit.h"

#include "base/ticks.h"
#include "net/net.h"
#include "net/tls.h"

#include <spout/tls.h>

#include <sys/ioctl.h>

enum { MOST = 12, LARGE = 20000 };

typedef struct client {
    recorder server;
    int fd;
} client;

static spout_loop *loop;
static spi_hold *hold; /* the loop's */
static client clients[MOST];
static client *called[MOST]; /* in the order of their events */
static int calls;
static const char *reply;
static void (*step)(void); /* called in each event, when it is answered */

static void answer(recorder *self, happening what)
{
    if (what != DATA)
        return;
    called[calls++] = spi_container(self, client, server);
    assert_int_equal(spi_transport_write(&self->transport, reply, strlen(reply)), 0);
    if (step)
        step();
}

/* Here every event is quick, however slow the machine. */
static int set_up(void **state)
{
    (void)state;
    loop = kit_loop();
    hold = &spi_net_get(loop)->hold;
    hold->quick_ticks = UINT64_MAX;
    memset(clients, 0, sizeof clients);
    calls = 0;
    reply = "answer";
    step = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        if (clients[i].fd > 0) {
            recorder_finish(&clients[i].server);
            close(clients[i].fd);
        }
    spout_loop_free(loop);
    return 0;
}

static void open_with(client *self, const int fds[2], const spi_transport_ops *ops)
{
    recorder_open_with(&self->server, loop, fds[0], ops);
    self->server.on = answer;
    self->fd = fds[1];
}

static void open_clients(int count)
{
    for (int i = 0; i < count; i++) {
        int fds[2];
        kit_unix_pair(fds);
        open_with(&clients[i], fds, &spi_transport_plain);
    }
}

static void ask(int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(write(clients[i].fd, "?", 1), 1);
}

static void ask_and_turn(int count)
{
    ask(count);
    kit_turn(loop, 1000);
    assert_int_equal(calls, count);
}

static int bytes_at(const client *self)
{
    int len = 0;
    assert_int_equal(ioctl(self->fd, FIONREAD, &len), 0);
    return len;
}

static void expect_nothing(int from, int to)
{
    for (int i = from; i < to; i++)
        assert_int_equal(bytes_at(called[i]), 0);
}

static void expect_answers(int from, int to)
{
    for (int i = from; i < to; i++)
        assert_int_equal(bytes_at(called[i]), strlen(reply));
}

/* So many in one turn, of which all are answered in the end. */
static void serve(int count, void (*in_each)(void))
{
    open_clients(count);
    step = in_each;
    ask_and_turn(count);
    expect_answers(0, count);
}

static void expect_text(const client *self, const char *text)
{
    char got[64];
    assert_int_equal(recv(self->fd, got, sizeof got, MSG_DONTWAIT), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void expect_end(const client *self)
{
    char got;
    assert_int_equal(recv(self->fd, &got, 1, MSG_DONTWAIT), 0);
}

static void nobody_has_any(void)
{
    expect_nothing(0, calls);
}

static void test_replies_of_a_turn_leave_together(void **state)
{
    (void)state;
    open_clients(5);
    step = nobody_has_any;
    ask_and_turn(5);
    for (int i = 0; i < 5; i++)
        expect_text(&clients[i], "answer");
    assert_int_equal(hold->count, 0);
}

static void test_turn_after_turn(void **state)
{
    (void)state;
    open_clients(3);
    step = nobody_has_any;
    for (int i = 0; i < 5; i++) {
        calls = 0;
        ask_and_turn(3);
        for (int k = 0; k < 3; k++)
            expect_text(&clients[k], "answer");
    }
}

static void eight_have_theirs(void)
{
    int gone = (calls - 1) / SPI_HELD_MOST * SPI_HELD_MOST;
    expect_answers(0, gone);
    expect_nothing(gone, calls);
}

static void test_eight_are_enough(void **state)
{
    (void)state;
    serve(MOST, eight_have_theirs);
}

static void all_before_have_theirs(void)
{
    expect_answers(0, calls - 1);
}

static void test_slow_events_hold_nothing_back(void **state)
{
    (void)state;
    hold->quick_ticks = 0;
    serve(4, all_before_have_theirs);
}

static void third_is_slow(void)
{
    hold->quick_ticks = calls == 3 ? 0 : UINT64_MAX;
    if (calls <= 3)
        expect_nothing(0, calls);
    else
        expect_answers(0, calls - 1);
}

static void test_slow_event_lets_out_what_is_held(void **state)
{
    (void)state;
    serve(6, third_is_slow);
    assert_in_range(hold->pause, SPI_HOLD_PAUSE - 6, SPI_HOLD_PAUSE);
}

static void fifth_is_the_last_of_a_pause(void)
{
    int gone = calls <= 5 ? calls - 1 : 5;
    expect_answers(0, gone);
    expect_nothing(gone, calls);
}

static void test_a_pause_ends(void **state)
{
    (void)state;
    hold->pause = 5;
    serve(9, fifth_is_the_last_of_a_pause);
    assert_int_equal(hold->pause, 0);
}

static void last_is_slow(void)
{
    hold->quick_ticks = calls == 3 ? 0 : UINT64_MAX;
}

static void test_slow_event_at_the_turns_end(void **state)
{
    (void)state;
    serve(3, last_is_slow);
    assert_in_range(hold->pause, 1, SPI_HOLD_PAUSE);
}

static void first_is_slow(void)
{
    hold->quick_ticks = calls == 1 ? 0 : UINT64_MAX;
    expect_answers(0, calls - 1);
}

static void test_slow_event_at_the_turns_beginning(void **state)
{
    (void)state;
    serve(3, first_is_slow);
}

static void test_slow_event_alone(void **state)
{
    (void)state;
    open_clients(4);
    hold->quick_ticks = 0;
    ask_and_turn(1);
    expect_text(&clients[0], "answer");
    hold->quick_ticks = UINT64_MAX;
    step = all_before_have_theirs;
    calls = 0;
    ask_and_turn(4);
    expect_answers(0, 4);
}

static void test_waiting_is_not_slow(void **state)
{
    (void)state;
    if (spi_ticks_of_20us() == 0)
        skip();
    open_clients(3);
    step = nobody_has_any;
    hold->left_at_ticks = 0;
    hold->quick_ticks = spi_ticks() / 2; /* all the time since, and half of that */
    ask_and_turn(3);
    expect_answers(0, 3);
    assert_int_equal(hold->pause, 0);
}

/* As if the turn had begun long ago. */
static void turn_is_long(void)
{
    ((spi_loop_front *)(void *)loop)->events_since_ticks = 0;
    expect_nothing(0, calls);
}

static void test_many_quick_events_are_not_slow(void **state)
{
    (void)state;
    if (spi_ticks_of_20us() == 0)
        skip();
    open_clients(5);
    step = turn_is_long;
    hold->left_at_ticks = spi_ticks();
    hold->quick_ticks = spi_ticks() / 2;
    ask_and_turn(5);
    expect_answers(0, 5);
    assert_int_equal(hold->pause, 0);
}

static void reply_with(size_t len)
{
    static char text[SPI_HELD_BYTES + 2];
    memset(text, 'x', len);
    text[len] = '\0';
    reply = text;
}

static void test_large_replies_are_not_held(void **state)
{
    (void)state;
    reply_with(SPI_HELD_BYTES + 1);
    serve(3, all_before_have_theirs);
}

static void test_replies_as_large_as_may_be_held(void **state)
{
    (void)state;
    reply_with(SPI_HELD_BYTES);
    serve(MOST, eight_have_theirs);
}

/* While one has gathered much itself, others are let out: its bytes stay where they are. */
static void third_gathers_much(void)
{
    static char much[15000];
    if (calls != 3)
        return;
    memset(much, 'm', sizeof much);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spi_transport_write(&called[2]->server.transport, much, sizeof much), 0);
    spi_transport_flush(&called[0]->server.transport);
    expect_answers(0, 2);
    assert_int_equal(spi_transport_write(&called[2]->server.transport, much, sizeof much), 0);
    assert_int_equal(bytes_at(called[2]), 0);
}

static void test_letting_out_while_another_gathers(void **state)
{
    (void)state;
    open_clients(6);
    step = third_gathers_much;
    ask_and_turn(6);
    expect_answers(0, 2);
    expect_answers(3, 6);
    spi_buffer got;
    spi_buffer_init(&got, 1 << 20);
    kit_collect(loop, called[2]->fd, &got, 60006);
    assert_memory_equal(spi_buffer_head(&got), "answerm", 7);
    for (size_t i = 6; i < 60006; i++)
        assert_int_equal(spi_buffer_head(&got)[i], 'm');
    spi_buffer_release(&got);
}

/* The room behind what is held stays whole, wherever it was when it was let out. */
static void eighth_lets_out_and_last_gathers(void)
{
    static char much[15000];
    spout_transport *self = &called[calls - 1]->server.transport;
    if (calls == SPI_HELD_MOST)
        spi_transport_flush(&called[0]->server.transport);
    for (int i = 0; calls == MOST && i < 4; i++)
        assert_int_equal(spi_transport_write(self, much, i < 3 ? sizeof much : 10000), 0);
}

static void test_room_for_what_is_gathered(void **state)
{
    (void)state;
    reply_with(SPI_HELD_BYTES);
    open_clients(MOST);
    step = eighth_lets_out_and_last_gathers;
    ask_and_turn(MOST);
    expect_answers(0, MOST - 1);
    spi_buffer got;
    spi_buffer_init(&got, 1 << 20);
    kit_collect(loop, called[MOST - 1]->fd, &got, SPI_HELD_BYTES + 55000);
    spi_buffer_release(&got);
}

/* --- written to again, in another's event --- */

static char large_text[LARGE];

static void write_small(spout_transport *to)
{
    assert_int_equal(spi_transport_write(to, "more", 4), 0);
}

static void write_in_place(spout_transport *to)
{
    char *room = spi_transport_reserve(to, 16);
    memcpy(room, "more", 4);
    spi_transport_commit(to, 4);
}

static void write_large(spout_transport *to)
{
    memcpy(large_text, "more", 4);
    assert_int_equal(spi_transport_write(to, large_text, LARGE), 0);
}

static void write_blob(spout_transport *to)
{
    spi_blob *blob = spi_blob_new(4);
    memcpy(blob->data, "more", 4);
    assert_int_equal(spi_transport_write_blob(to, blob), 0);
    spi_blob_unref(blob);
}

static void write_file(spout_transport *to)
{
    assert_int_equal(spi_transport_write_file(to, kit_file("more", 4), 0, 4), 0);
}

static void (*write_more)(spout_transport *to);

static void third_writes_to_the_first(void)
{
    if (calls == 3)
        write_more(&called[0]->server.transport);
}

static void test_order_is_kept(void **state)
{
    (void)state;
    void (*const ways[])(
        spout_transport *) = { write_small, write_in_place, write_large, write_blob, write_file };
    open_clients(4);
    step = third_writes_to_the_first;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char got[LARGE + 16];
        write_more = ways[i];
        calls = 0;
        ask_and_turn(4);
        kit_turns(loop, 2);
        assert_int_equal(recv(called[0]->fd, got, sizeof got, MSG_DONTWAIT),
            write_more == write_large ? LARGE + 6 : 10);
        assert_memory_equal(got, "answermore", 10);
        for (int k = 1; k < 4; k++)
            expect_text(called[k], "answer");
    }
}

/* --- ended in another's event --- */

static void (*end)(client *self);

static void third_ends_the_first(void)
{
    if (calls == 3)
        end(called[0]);
}

static void end_by_shutdown(client *self)
{
    spi_transport_shutdown(&self->server.transport);
}

static void end_by_close(client *self)
{
    spi_transport_close(&self->server.transport);
}

static void end_by_abort(client *self)
{
    spi_transport_abort(&self->server.transport);
}

static void end_by_losing(client *self)
{
    spi_transport_lose(&self->server.transport, SPOUT_EFAILED, 0, "lost");
}

static void end_by_detaching(client *self)
{
    int fd = spi_transport_detach(&self->server.transport);
    assert_true(fd >= 0);
    close(fd);
}

static void end_by_moving(client *self)
{
    static recorder moved;
    moved = (recorder){ 0 };
    assert_int_equal(
        spi_transport_move(&self->server.transport, &moved.transport, &recorder_consumer), 0);
    spi_transport_abort(&moved.transport);
}

static void test_reply_comes_before_the_end(void **state)
{
    void (*const ways[])(client *) = { end_by_shutdown, end_by_close, end_by_abort, end_by_losing,
        end_by_detaching, end_by_moving };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        open_clients(4);
        end = ways[i];
        step = third_ends_the_first;
        ask_and_turn(4);
        expect_text(called[0], "answer");
        expect_end(called[0]);
        for (int k = 1; k < 4; k++)
            expect_text(called[k], "answer");
        tear_down(state);
        set_up(state);
    }
}

static void held_counts_as_sent(void)
{
    for (int i = 0; i < calls - 1; i++)
        assert_int_equal(spi_transport_pending(&called[i]->server.transport), 0);
}

static void test_what_is_held_counts_as_sent(void **state)
{
    (void)state;
    open_clients(3);
    step = held_counts_as_sent;
    ask_and_turn(3);
}

/* --- what the system does not take --- */

static void test_refused_output_waits(void **state)
{
    (void)state;
    char block[4096] = { 0 };
    ssize_t filled = 0, sent;
    spi_buffer got;
    open_clients(3);
    while ((sent = write(clients[0].server.transport.fd, block, sizeof block)) > 0)
        filled += sent;
    ask_and_turn(3);
    assert_int_equal(spi_transport_pending(&clients[0].server.transport), 6);
    expect_text(&clients[1], "answer");
    expect_text(&clients[2], "answer");
    spi_buffer_init(&got, 1 << 20);
    kit_collect(loop, clients[0].fd, &got, (size_t)filled + 6);
    assert_memory_equal(spi_buffer_head(&got) + filled, "answer", 6);
    spi_buffer_release(&got);
}

static void test_peer_that_is_gone(void **state)
{
    (void)state;
    open_clients(3);
    ask(3);
    close(clients[0].fd);
    clients[0].fd = dup(clients[1].fd);
    kit_turn(loop, 1000);
    kit_until(loop, &clients[0].server.is_lost);
    assert_int_equal(clients[0].server.lost_code, SPOUT_ECLOSED);
    expect_text(&clients[1], "answer");
    expect_text(&clients[2], "answer");
}

/* --- beside other things --- */

static void nobody_has_any_yet(void *arg, int fd, unsigned events)
{
    char byte;
    bool *was_called = arg;
    (void)events;
    *was_called = true;
    assert_int_equal(read(fd, &byte, 1), 1);
    expect_nothing(0, calls);
    hold->quick_ticks = 0; /* and it is slow */
}

static void test_what_is_dispatched_last_is_no_transport(void **state)
{
    (void)state;
    int fds[2];
    bool was_called = false;
    open_clients(3);
    kit_unix_pair(fds);
    spout_watch *watch = spout_watch_start(fds[0], SPOUT_READABLE, nobody_has_any_yet, &was_called);
    ask(3);
    assert_int_equal(write(fds[1], "?", 1), 1);
    kit_turn(loop, 1000);
    assert_true(was_called);
    assert_int_equal(calls, 3);
    expect_answers(0, 3);
    assert_in_range(hold->pause, 1, SPI_HOLD_PAUSE);
    spout_watch_stop(watch);
    close(fds[0]);
    close(fds[1]);
}

static spi_ready soon;
static bool was_soon;

static void all_have_theirs(spi_ready *ready)
{
    (void)ready;
    was_soon = true;
    expect_answers(0, 3);
}

static void second_schedules(void)
{
    if (calls == 2)
        spi_ready_schedule(loop, &soon);
}

static void test_replies_leave_before_the_next_turn(void **state)
{
    (void)state;
    spi_ready_init(&soon, all_have_theirs);
    was_soon = false;
    open_clients(3);
    step = second_schedules;
    ask_and_turn(3);
    kit_until(loop, &was_soon);
}

static int64_t bytes_sent;

static void add(void *self, const char *name, int64_t delta)
{
    (void)self;
    if (strcmp(name, "net_sent_bytes") == 0)
        bytes_sent += delta;
}

static void test_held_bytes_are_counted(void **state)
{
    (void)state;
    spout_loop_free(loop);
    loop = spout_loop_new(&(spout_loop_options){ .metrics = &(spout_metrics){ .count = add } });
    hold = &spi_net_get(loop)->hold;
    hold->quick_ticks = UINT64_MAX;
    bytes_sent = 0;
    serve(4, nobody_has_any);
    assert_int_equal(bytes_sent, 4 * 6);
}

static spi_transport_ops layer;

static void layer_comes_second(void)
{
    int gone = calls > 2 ? 2 : 0;
    expect_answers(0, gone);
    expect_nothing(gone, calls);
}

static void test_only_plain_sockets_are_held(void **state)
{
    (void)state;
    layer = spi_transport_plain;
    for (int i = 0; i < 5; i++) {
        int fds[2];
        kit_unix_pair(fds);
        open_with(&clients[i], fds, i == 1 ? &layer : &spi_transport_plain);
    }
    step = layer_comes_second;
    ask_and_turn(5);
    expect_answers(0, 5);
}

static spout_tls *tls;

static void third_puts_tls_on_the_first(void)
{
    if (calls == 3)
        assert_int_equal(spi_tls_wrap(&called[0]->server.transport, tls,
                             &(spi_tls_wrap_options){ .server_name = "localhost" }),
            0);
}

static void test_reply_comes_before_tls(void **state)
{
    (void)state;
    char got[4096];
    tls = spout_tls_client_new(NULL);
    open_clients(4);
    step = third_puts_tls_on_the_first;
    ask_and_turn(4);
    assert_true(recv(called[0]->fd, got, sizeof got, MSG_DONTWAIT) > 6);
    assert_memory_equal(got, "answer\x16\x03", 8);
    spout_tls_unref(tls);
}

/* TLS shakes hands in there, which takes its time. */
static bool prepare(spout_transport *transport, unsigned events)
{
    (void)transport, (void)events;
    expect_answers(0, calls);
    return true;
}

static void test_handshake_lets_out_what_is_held(void **state)
{
    (void)state;
    int fds[2];
    layer = spi_transport_plain;
    layer.prepare = prepare;
    open_clients(2);
    kit_unix_pair(fds);
    open_with(&clients[2], fds, &layer);
    ask_and_turn(3);
    expect_answers(0, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_replies_of_a_turn_leave_together),
        TEST(test_turn_after_turn),
        TEST(test_eight_are_enough),
        TEST(test_slow_events_hold_nothing_back),
        TEST(test_slow_event_lets_out_what_is_held),
        TEST(test_a_pause_ends),
        TEST(test_slow_event_at_the_turns_end),
        TEST(test_slow_event_at_the_turns_beginning),
        TEST(test_slow_event_alone),
        TEST(test_waiting_is_not_slow),
        TEST(test_many_quick_events_are_not_slow),
        TEST(test_large_replies_are_not_held),
        TEST(test_replies_as_large_as_may_be_held),
        TEST(test_letting_out_while_another_gathers),
        TEST(test_room_for_what_is_gathered),
        TEST(test_order_is_kept),
        TEST(test_reply_comes_before_the_end),
        TEST(test_what_is_held_counts_as_sent),
        TEST(test_refused_output_waits),
        TEST(test_peer_that_is_gone),
        TEST(test_what_is_dispatched_last_is_no_transport),
        TEST(test_replies_leave_before_the_next_turn),
        TEST(test_held_bytes_are_counted),
        TEST(test_only_plain_sockets_are_held),
        TEST(test_reply_comes_before_tls),
        TEST(test_handshake_lets_out_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
