#include "tunnel.h"

enum { COUNT = 4 };

static client c[COUNT];
static spout_websocket *ws[COUNT];
static spout_topic *topic;

static int note_close(spout_websocket *socket)
{
    (void)socket;
    note("close");
    return 0;
}

static int leave_and_publish(spout_websocket *socket, spout_message message)
{
    if (strcmp(message.data, "leave") == 0)
        spout_topic_leave(topic, socket);
    return spout_topic_publish(topic, message);
}

static const spout_websocket_handler member = {
    .message = leave_and_publish, .close = note_close, .max_queue_size = 1000
};

static int join_all(void **state)
{
    set_up(state);
    topic = spout_topic_new();
    for (int i = 0; i < COUNT; i++) {
        ws[i] = connect_client(&c[i], &member);
        assert_int_equal(spout_topic_join(topic, ws[i]), 0);
    }
    return 0;
}

static int leave_all(void **state)
{
    for (int i = 0; i < COUNT; i++)
        client_finish(&c[i]);
    spout_topic_free(topic);
    turn();
    return tear_down(state);
}

static size_t publish(const char *text, const spout_websocket *except)
{
    size_t count = 99;
    assert_int_equal(spout_topic_publish_except(topic, spout_message_of(text), except, &count), 0);
    return count;
}

static void reaches_all_members_but_one(void **state)
{
    (void)state;
    assert_int_equal(publish("a", NULL), COUNT);
    assert_int_equal(publish("b", ws[1]), COUNT - 1);
    assert_int_equal(spout_topic_publish(topic, (spout_message){ "\xff", 1, true }), 0);
    for (int i = 0; i < COUNT; i++) {
        expect_text(&c[i], "a");
        if (i != 1)
            expect_text(&c[i], "b");
        assert_int_equal(next_frame(&c[i], BINARY).len, 1);
        expect_nothing(&c[i]);
        assert_int_equal(c[i].blobs, c[i].writes);
    }
}

static void refuses_texts_that_are_not_utf8(void **state)
{
    (void)state;
    size_t count = 99;
    assert_int_equal(
        spout_topic_publish_except(topic, spout_message_of("\xff"), NULL, &count), SPOUT_EINVAL);
    assert_int_equal(count, 99);
    expect_nothing(&c[0]);
}

static void membership_is_single(void **state)
{
    (void)state;
    assert_int_equal(spout_topic_join(topic, ws[0]), 0);
    assert_int_equal(spout_topic_count(topic), COUNT);
    spout_topic_leave(topic, ws[0]);
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
    spout_topic_leave(topic, ws[0]);
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
    assert_int_equal(publish("a", NULL), COUNT - 1);
    expect_nothing(&c[0]);
}

static void socket_may_be_in_several(void **state)
{
    (void)state;
    spout_topic *other = spout_topic_new(), *third = spout_topic_new();
    assert_int_equal(spout_topic_publish(other, spout_message_of("nobody")), 0);
    assert_int_equal(spout_topic_join(other, ws[0]), 0);
    assert_int_equal(spout_topic_join(third, ws[0]), 0);
    assert_int_equal(spout_topic_join(other, ws[2]), 0);
    spout_topic_leave(topic, ws[0]);
    assert_int_equal(spout_topic_publish(other, spout_message_of("x")), 0);
    expect_text(&c[0], "x");
    expect_text(&c[2], "x");
    expect_nothing(&c[1]);
    spout_topic_free(other);
    assert_int_equal(spout_topic_count(third), 1);
    lose(&c[0]);
    assert_int_equal(spout_topic_count(third), 0);
    spout_topic_free(third);
    spout_topic_free(NULL);
}

static void members_leave_when_they_close(void **state)
{
    (void)state;
    lose(&c[0]);
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
    send_close(&c[1], 1000, "");
    assert_int_equal(spout_topic_count(topic), COUNT - 2);
    spout_websocket_close(ws[2], 1000, "");
    assert_int_equal(spout_topic_count(topic), COUNT - 3);
    assert_int_equal(publish("a", NULL), 1);
    expect_text(&c[3], "a");
    spout_websocket *gone = ws[2];
    assert_int_equal(spout_topic_join(topic, gone), SPOUT_ECLOSED);
    assert_int_equal(spout_topic_count(topic), 1);
}

static void members_may_leave_in_their_handler(void **state)
{
    (void)state;
    send_text(&c[0], "leave");
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
    expect_nothing(&c[0]);
    expect_text(&c[1], "leave");
    expect_text(&c[3], "leave");
    send_text(&c[1], "hello");
    expect_text(&c[1], "hello");
    expect_text(&c[3], "hello");
    expect_nothing(&c[0]);
}

static void slow_member_is_closed_and_nobody_else(void **state)
{
    (void)state;
    c[1].stuck = 990;
    c[1].takes_nothing = true;
    assert_int_equal(publish("fits", NULL), COUNT);
    assert_int_equal(publish("too much for it", NULL), COUNT - 1);
    assert_int_equal(publish("more", NULL), COUNT - 1);
    assert_false(spout_websocket_is_closed(ws[1])); /* not inside of publish */
    turn();
    assert_true(spout_websocket_is_closed(ws[1]));
    expect_text(&c[1], "fits");
    expect_close(&c[1], 1013, "reading too slowly");
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
    assert_int_equal(count_in_log("WebSocket closed (10.1.2.3): the peer reads too slowly"), 1);
    assert_int_equal(publish("after", NULL), COUNT - 1);
    for (int i = 0; i < COUNT; i++) {
        if (i == 1)
            continue;
        expect_text(&c[i], "fits");
        expect_text(&c[i], "too much for it");
        expect_text(&c[i], "more");
        expect_text(&c[i], "after");
        assert_false(spout_websocket_is_closed(ws[i]));
    }
    assert_trace("");
    pass(5000);
    assert_true(c[1].aborted);
    assert_trace("close ");
    assert_int_equal(count_in_log("too slowly"), 1);
}

static void member_whose_transport_is_full_is_slow_too(void **state)
{
    (void)state;
    c[2].full = true;
    assert_int_equal(publish("a", NULL), COUNT - 1);
    turn();
    assert_true(c[2].aborted);
    assert_trace("close ");
    assert_int_equal(spout_topic_count(topic), COUNT - 1);
}

static void empty_queue_takes_a_large_message(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(publish(text, NULL), COUNT);
    turn();
    assert_int_equal(spout_topic_count(topic), COUNT);
}

/* The connection is gone, but on_lost comes in the next turn. */
static void member_that_is_being_lost_is_skipped(void **state)
{
    (void)state;
    c[0].aborted = true;
    lose_later(&c[0]);
    assert_int_equal(publish("a", NULL), COUNT - 1);
    turn();
    assert_trace("close ");
    assert_int_equal(count_in_log("slow"), 0);
}

static void walks_its_members(void **state)
{
    (void)state;
    spout_websocket *at = NULL;
    for (int i = 0; i < COUNT; i++) {
        at = spout_topic_next(topic, at);
        assert_ptr_equal(at, ws[i]);
    }
    assert_null(spout_topic_next(topic, at));
    spout_topic_leave(topic, ws[1]);
    assert_null(spout_topic_next(topic, ws[1]));
    assert_ptr_equal(spout_topic_next(topic, ws[0]), ws[2]);
    spout_topic *empty = spout_topic_new();
    assert_null(spout_topic_next(empty, NULL));
    spout_topic_free(empty);
}

static void policy_may_be_1008(void **state)
{
    (void)state;
    static const spout_websocket_handler strict = { .max_queue_size = 1000,
        .queue_policy = SPOUT_QUEUE_CLOSE_1008 };
    client slow;
    assert_int_equal(spout_topic_join(topic, connect_client(&slow, &strict)), 0);
    slow.stuck = 999;
    slow.takes_nothing = true;
    assert_int_equal(publish("too much", NULL), COUNT);
    turn();
    expect_close(&slow, 1008, "reading too slowly");
    client_finish(&slow);
}

static void policy_may_be_to_drop(void **state)
{
    (void)state;
    static const spout_websocket_handler lossy = { .max_queue_size = 1000,
        .queue_policy = SPOUT_QUEUE_DROP_NEWEST };
    client slow;
    spout_websocket *lossy_one = connect_client(&slow, &lossy);
    assert_int_equal(spout_topic_join(topic, lossy_one), 0);
    slow.stuck = 990;
    slow.takes_nothing = true;
    assert_int_equal(publish("fits", NULL), COUNT + 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(publish("missed", NULL), COUNT);
    turn();
    assert_false(spout_websocket_is_closed(lossy_one));
    assert_int_equal(spout_websocket_dropped(lossy_one), 3);
    assert_int_equal(count_in_log("WebSocket misses messages (10.1.2.3): "), 1);
    slow.stuck = 0;
    assert_int_equal(publish("again", NULL), COUNT + 1);
    expect_text(&slow, "fits");
    expect_text(&slow, "again");
    expect_nothing(&slow);
    assert_int_equal(spout_websocket_dropped(lossy_one), 3);
    client_finish(&slow);
}

int main(void)
{
#define with_members(name) cmocka_unit_test_setup_teardown(name, join_all, leave_all)
    const struct CMUnitTest tests[] = {
        with_members(reaches_all_members_but_one),
        with_members(refuses_texts_that_are_not_utf8),
        with_members(membership_is_single),
        with_members(socket_may_be_in_several),
        with_members(members_leave_when_they_close),
        with_members(members_may_leave_in_their_handler),
        with_members(slow_member_is_closed_and_nobody_else),
        with_members(member_whose_transport_is_full_is_slow_too),
        with_members(empty_queue_takes_a_large_message),
        with_members(member_that_is_being_lost_is_skipped),
        with_members(walks_its_members),
        with_members(policy_may_be_1008),
        with_members(policy_may_be_to_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
