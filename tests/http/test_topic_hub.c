/* Topics with names: alone, and with a backend that is played by the test. */
#include "tunnel.h"

#include "http/topic_record.h"

#include <spout/sys/topic_backend.h>

static client a, b;
static spout_websocket *wa, *wb;
static const spout_websocket_handler member = { .max_queue_size = 1000 };

/* What the played backend was given, in order. */
enum { MAX_SENT = 64 };
static struct {
    int to;
    bool may_drop;
    char bytes[512];
    size_t len;
} sent[MAX_SENT];
static size_t sent_count, taken_count;
static int send_result;
static int closed_count;

static int play_send(void *self, int to, bool may_drop, const spout_bytes *pieces, int count)
{
    (void)self;
    if (send_result < 0)
        return spout_error_set(send_result, "played");
    assert_true(sent_count < MAX_SENT);
    sent[sent_count].to = to;
    sent[sent_count].may_drop = may_drop;
    sent[sent_count].len = 0;
    for (int i = 0; i < count; i++) {
        memcpy(sent[sent_count].bytes + sent[sent_count].len, pieces[i].data, pieces[i].len);
        sent[sent_count].len += pieces[i].len;
    }
    sent_count++;
    return 0;
}

static void play_close(void *self)
{
    (void)self;
    closed_count++;
}

static const spout_topic_backend played = { .send = play_send, .close = play_close };

/* Everything that was sent comes back, and only now. */
static void come_back(int own)
{
    for (; taken_count < sent_count; taken_count++)
        if (sent[taken_count].to == SPOUT_ALL_WORKERS)
            spout_topic_backend_deliver(
                own, (spout_bytes){ sent[taken_count].bytes, sent[taken_count].len });
}

static void hear(
    int from, spi_record_kind kind, uint64_t number, const char *name, const char *rest)
{
    const spi_record record = { kind, false, number, spout_bytes_of(name), spout_bytes_of(rest) };
    char bytes[512];
    spi_record_head(bytes, &record);
    memcpy(bytes + SPI_RECORD_HEAD, name, record.name.len);
    memcpy(bytes + SPI_RECORD_HEAD + record.name.len, rest, record.rest.len);
    spout_topic_backend_deliver(
        from, (spout_bytes){ bytes, SPI_RECORD_HEAD + record.name.len + record.rest.len });
}

static int connect_two(void **state)
{
    set_up(state);
    wa = connect_client(&a, &member);
    wb = connect_client(&b, &member);
    return 0;
}

static int connect_two_shared(void **state)
{
    set_up(state);
    sent_count = taken_count = 0;
    send_result = closed_count = 0;
    assert_int_equal(spout_topic_backend_set(&played, NULL), 0);
    wa = connect_client(&a, &member);
    wb = connect_client(&b, &member);
    return 0;
}

static int end(void **state)
{
    client_finish(&a);
    client_finish(&b);
    turn();
    return tear_down(state);
}

static void note_joined(void *arg, spout_topic *topic, const spout_member *m)
{
    (void)arg;
    note("%s+%s@%d%s", spout_topic_name(topic), m->info, m->worker, m->ws ? "!" : "");
}

static void note_left(void *arg, spout_topic *topic, const spout_member *m)
{
    (void)arg;
    note("%s-%s@%d", spout_topic_name(topic), m->info, m->worker);
}

static void note_message(void *arg, spout_topic *topic, spout_message message)
{
    (void)arg;
    assert_int_equal(message.data[message.len], 0);
    note("%s:%s", spout_topic_name(topic), message.data);
}

static void note_ready(void *arg, spout_topic *topic, const int *others, size_t count)
{
    (void)arg, (void)topic;
    note("ready:%zu,%d", count, count ? others[0] : -1);
}

static void note_came(void *arg, spout_topic *topic, int worker)
{
    (void)arg, (void)topic;
    note("came:%d", worker);
}

static void note_gone(void *arg, spout_topic *topic, int worker)
{
    (void)arg, (void)topic;
    note("gone:%d", worker);
}

static const spout_topic_watcher noting = { .joined = note_joined,
    .left = note_left,
    .message = note_message,
    .ready = note_ready,
    .came = note_came,
    .gone = note_gone };

static spout_topic *watched(const char *name)
{
    spout_topic *topic = spout_topic_new_named(name);
    assert_non_null(topic);
    assert_int_equal(spout_topic_watch(topic, &noting, NULL), 0);
    return topic;
}

static size_t publish(spout_topic *topic, const char *text, const spout_websocket *except)
{
    size_t count = 99;
    assert_int_equal(spout_topic_publish_except(topic, spout_message_of(text), except, &count), 0);
    return count;
}

/* --- alone --- */

static void a_name_is_one_topic(void **state)
{
    (void)state;
    spout_topic *one = spout_topic_new_named("room"), *same = spout_topic_new_named("room");
    assert_ptr_equal(one, same);
    spout_topic *pattern = spout_topic_new_pattern("room");
    assert_ptr_not_equal(one, pattern);
    assert_string_equal(spout_topic_name(one), "room");
    assert_int_equal(spout_topic_join(one, wa), 0);
    spout_topic_free(one);
    assert_int_equal(spout_topic_count(same), 1);
    assert_int_equal(publish(same, "x", NULL), 1);
    expect_text(&a, "x");
    spout_topic_free(same);
    one = spout_topic_new_named("room");
    assert_int_equal(spout_topic_count(one), 0);
    spout_topic_free(one);
    spout_topic_free(pattern);
    one = spout_topic_new();
    assert_string_equal(spout_topic_name(one), "");
    assert_int_equal(spout_topic_watch(one, &noting, NULL), SPOUT_EINVAL);
    spout_topic_free(one);
}

static void refuses_names_that_are_none(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    assert_null(spout_topic_new_named(name));
    name[255] = 0;
    spout_topic *longest = spout_topic_new_named(name);
    assert_non_null(longest);
    spout_topic_free(longest);
    assert_null(spout_topic_new_named(""));
    assert_null(spout_topic_new_named(NULL));
    assert_null(spout_topic_new_pattern("\xFF"));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
}

static void patterns_get_what_matches_once(void **state)
{
    (void)state;
    spout_topic *room = spout_topic_new_named("room/1"), *star = spout_topic_new_pattern("room/*");
    spout_topic *all = spout_topic_new_pattern("**"), *literal = spout_topic_new_named("room/*");
    spout_topic_join(room, wa);
    spout_topic_join(star, wa);
    spout_topic_join(all, wa);
    spout_topic_join(star, wb);
    spout_topic_join(all, wb);
    assert_int_equal(publish(room, "x", NULL), 2);
    expect_text(&a, "x");
    expect_nothing(&a);
    expect_text(&b, "x");
    expect_nothing(&b);
    assert_int_equal(publish(room, "y", wb), 1);
    expect_text(&a, "y");
    expect_nothing(&b);
    spout_topic_leave(room, wa);
    spout_topic_leave(star, wa);
    assert_int_equal(publish(room, "z", NULL), 2);
    expect_text(&a, "z");
    expect_text(&b, "z");
    assert_int_equal(publish(literal, "only by the patterns", NULL), 2);
    assert_int_equal(spout_topic_publish(star, spout_message_of("x")), SPOUT_EINVAL);
    assert_int_equal(
        spout_topic_publish_here(all, spout_message_of("x"), NULL, NULL), SPOUT_EINVAL);
    spout_topic_free(room);
    spout_topic_free(star);
    spout_topic_free(all);
    spout_topic_free(literal);
}

static void tells_of_members_and_messages(void **state)
{
    (void)state;
    spout_topic *room = watched("room");
    spout_topic *all = spout_topic_new_pattern("*");
    spout_topic_watch(all, &noting, NULL);
    assert_int_equal(spout_topic_join_as(room, wa, "ada"), 0);
    assert_int_equal(spout_topic_join_as(room, wb, NULL), 0);
    assert_trace("room+ada@0! room+@0! ");
    spout_member m = { 0 };
    assert_true(spout_topic_next_member(room, &m));
    assert_string_equal(m.info, "ada");
    assert_ptr_equal(m.ws, wa);
    assert_true(spout_topic_next_member(room, &m));
    assert_ptr_equal(m.ws, wb);
    assert_false(spout_topic_next_member(room, &m));
    publish(room, "hello", NULL);
    assert_trace("room:hello *:hello ");
    lose(&a);
    spout_topic_leave(room, wb);
    assert_trace("room-ada@0 room-@0 ");
    assert_int_equal(spout_topic_count(room), 0);
    spout_topic_free(room);
    spout_topic_free(all);
    spout_topic_figures figures = spout_topics_figures();
    assert_false(figures.shared);
    assert_int_equal(figures.workers, 1);
}

static void info_has_its_bounds(void **state)
{
    (void)state;
    char info[4002];
    memset(info, 'i', sizeof info);
    info[4001] = 0;
    spout_topic *room = spout_topic_new_named("room");
    assert_int_equal(spout_topic_join_as(room, wa, info), SPOUT_EINVAL);
    assert_int_equal(spout_topic_join_as(room, wa, "\xFF"), SPOUT_EINVAL);
    assert_int_equal(spout_topic_count(room), 0);
    info[4000] = 0;
    assert_int_equal(spout_topic_join_as(room, wa, info), 0);
    assert_int_equal(spout_topic_count(room), 1);
    spout_topic_free(room);
}

/* Watchers may change anything. */
static spout_topic *doomed;

static void free_it(void *arg, spout_topic *topic, spout_message message)
{
    (void)arg, (void)message;
    if (topic == doomed)
        spout_topic_free(topic);
    doomed = NULL;
}

static void leave_at_once(void *arg, spout_topic *topic, const spout_member *m)
{
    (void)arg;
    spout_topic_leave(topic, m->ws);
}

static void watchers_may_change_topics(void **state)
{
    (void)state;
    static const spout_topic_watcher freeing = { .message = free_it };
    static const spout_topic_watcher leaving = { .joined = leave_at_once };
    doomed = spout_topic_new_named("doomed");
    spout_topic_watch(doomed, &freeing, NULL);
    spout_topic_join(doomed, wa);
    assert_int_equal(spout_topic_publish(doomed, spout_message_of("x")), 0);
    assert_null(doomed);
    expect_text(&a, "x");
    spout_topic *hot = spout_topic_new_named("hot");
    spout_topic_watch(hot, &leaving, NULL);
    assert_int_equal(spout_topic_join(hot, wa), 0);
    assert_int_equal(spout_topic_count(hot), 0);
    spout_topic_free(hot);
}

static void outlives_its_loop(void **state)
{
    connect_two(state);
    spout_topic *one = spout_topic_new_named("one"), *two = spout_topic_new_named("two");
    assert_ptr_equal(spout_topic_new_named("one"), one);
    spout_topic_join(one, wa);
    end(state);
    spout_topic_free(one);
    spout_topic_free(two);
    spout_topic_free(one);
}

/* --- shared --- */

static void takes_effect_when_it_comes_back(void **state)
{
    (void)state;
    spout_topic *room = watched("room");
    assert_int_equal(spout_topics_figures().workers, 0);
    spout_topic_join_as(room, wa, "ada");
    spout_topic_backend_ready(3, NULL, 0);
    assert_int_equal(spout_topics_figures().workers, 1);
    assert_trace("ready:0,-1 ");
    spout_topic_join_as(room, wb, "bob");
    assert_int_equal(spout_topic_count(room), 0);
    assert_null(spout_topic_next(room, NULL));
    assert_null(spout_topic_next(room, wa));
    publish(room, "x", wb);
    assert_true(sent[2].may_drop);
    assert_false(sent[0].may_drop);
    expect_nothing(&a);
    come_back(3);
    assert_trace("room+ada@3! room+bob@3! room:x ");
    expect_text(&a, "x");
    expect_nothing(&b);
    assert_int_equal(publish(room, "y", wa), 1);
    spout_topic_leave(room, wb);
    come_back(3);
    /* Bob hears nothing more at once; the order is as it was done. */
    assert_trace("room:y room-bob@3 ");
    expect_nothing(&b);
    expect_nothing(&a);
    spout_topic_free(room);
    come_back(3);
}

static void leaving_overtakes_joining(void **state)
{
    (void)state;
    spout_topic_backend_ready(0, NULL, 0);
    spout_topic *room = watched("room");
    assert_trace("ready:0,-1 ");
    spout_topic_join_as(room, wa, "ada");
    lose(&a);
    come_back(0);
    assert_trace("room+ada@0 room-ada@0 ");
    spout_topic_join_as(room, wb, "bob");
    spout_topic_free(room);
    come_back(0);
    assert_trace("");
    expect_nothing(&b);
    room = spout_topic_new_named("room");
    assert_int_equal(spout_topic_count(room), 0);
    spout_topic_free(room);
}

static void others_are_members_too(void **state)
{
    (void)state;
    spout_topic *room = watched("room");
    spout_topic_backend_ready(0, (const int[]){ 1, 2 }, 2);
    assert_trace("ready:2,1 ");
    hear(1, SPI_RECORD_JOIN, 5, "room", "eve");
    hear(2, SPI_RECORD_JOIN, 5, "room", "fay");
    hear(2, SPI_RECORD_JOIN, 5, "room", "fay again");
    hear(1, SPI_RECORD_JOIN, 6, "elsewhere", "eve");
    assert_trace("room+eve@1 room+fay@2 ");
    assert_int_equal(spout_topic_count(room), 2);
    spout_topic_join(room, wa);
    come_back(0);
    assert_trace("room+@0! ");
    hear(1, SPI_RECORD_PUBLISH, 7, "room", "hi");
    expect_text(&a, "hi");
    assert_trace("room:hi ");
    hear(1, SPI_RECORD_PUBLISH, 8, "nowhere", "hi");
    hear(7, SPI_RECORD_PUBLISH, 8, "room", "of a stranger");
    expect_nothing(&a);
    assert_int_equal(publish(room, "x", wa), 2);
    come_back(0);
    assert_trace("room:x ");
    hear(1, SPI_RECORD_LEAVE, 5, "", "");
    hear(1, SPI_RECORD_LEAVE, 99, "", "");
    assert_trace("room-eve@1 ");
    spout_topic *elsewhere = spout_topic_new_named("elsewhere");
    assert_int_equal(spout_topic_count(elsewhere), 1);
    spout_topic_backend_gone(1);
    spout_topic_backend_gone(2);
    assert_trace("gone:1 room-fay@2 gone:2 ");
    spout_topic_backend_gone(2);
    spout_topic_backend_gone(0);
    assert_trace("");
    assert_int_equal(spout_topic_count(elsewhere), 0);
    assert_int_equal(spout_topic_count(room), 1);
    assert_int_equal(spout_topics_figures().workers, 1);
    spout_topic_free(elsewhere);
    spout_topic_free(room);
    come_back(0);
}

static void a_newcomer_is_told_who_is_here(void **state)
{
    (void)state;
    spout_topic_backend_ready(0, NULL, 0);
    spout_topic *room = spout_topic_new_named("room"), *all = spout_topic_new_pattern("*");
    spout_topic_join_as(room, wa, "ada");
    spout_topic_join_as(all, wa, "ada");
    spout_topic_join_as(room, wb, "bob");
    come_back(0);
    spout_topic_leave(room, wb);
    spout_topic_watch(room, &noting, NULL);
    spi_buffer_clear(&trace);
    size_t before = sent_count;
    spout_topic_backend_came(4);
    assert_trace("came:4 ");
    assert_int_equal(sent_count - before, 2);
    spi_record record;
    assert_int_equal(sent[before].to, 4);
    assert_true(spi_record_parse((spout_bytes){ sent[before].bytes, sent[before].len }, &record));
    assert_int_equal(record.kind, SPI_RECORD_JOIN);
    assert_false(record.flag);
    assert_memory_equal(record.rest.data, "ada", 3);
    assert_true(
        spi_record_parse((spout_bytes){ sent[before + 1].bytes, sent[before + 1].len }, &record));
    assert_true(record.flag);
    spout_topic_free(room);
    spout_topic_free(all);
    come_back(0);
}

static void starts_over(void **state)
{
    (void)state;
    spout_topic *room = watched("room");
    spout_topic_backend_ready(0, (const int[]){ 1 }, 1);
    hear(1, SPI_RECORD_JOIN, 5, "room", "eve");
    spout_topic_join_as(room, wa, "ada");
    come_back(0);
    spout_topic_join_as(room, wb, "bob");
    spout_topic_leave(room, wa);
    assert_trace("ready:1,1 room+eve@1 room+ada@0! ");
    /* Nothing of this comes back; bob is in, and ada is out. */
    spout_topic_backend_ready(0, (const int[]){ 1 }, 1);
    assert_trace("room-eve@1 room-ada@0 room+bob@0! ready:1,1 ");
    hear(1, SPI_RECORD_JOIN, 5, "room", "eve");
    /* Or it does, late. */
    come_back(0);
    assert_trace("room+eve@1 ");
    assert_int_equal(spout_topic_count(room), 2);
    spout_topic_free(room);
    come_back(0);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    spout_topic_backend_ready(0, NULL, 0);
    spout_topic *room = spout_topic_new_named("room");
    send_result = SPOUT_ELIMIT;
    size_t count = 99;
    assert_int_equal(
        spout_topic_publish_except(room, spout_message_of("x"), wa, &count), SPOUT_ELIMIT);
    assert_int_equal(count, 99);
    assert_int_equal(spout_topic_join(room, wa), SPOUT_ELIMIT);
    assert_int_equal(spout_topics_figures().refused, 2);
    send_result = 0;
    assert_int_equal(spout_topic_join(room, wa), 0);
    come_back(0);
    assert_int_equal(spout_topic_count(room), 1);
    /* Cut off: it takes effect here at least. */
    send_result = SPOUT_ECLOSED;
    spout_topic_leave(room, wa);
    assert_int_equal(spout_topic_count(room), 0);
    spout_topic_backend_dropped(3);
    spout_topic_backend_dropped(4);
    assert_int_equal(spout_topics_figures().dropped, 7);
    assert_int_equal(count_in_log("are dropped"), 1);
    spout_topic_free(room);
}

static void exceptions_survive_losses(void **state)
{
    (void)state;
    spout_topic_backend_ready(0, NULL, 0);
    spout_topic *room = spout_topic_new_named("room");
    spout_topic_join(room, wa);
    spout_topic_join(room, wb);
    come_back(0);
    publish(room, "lost", wa);
    publish(room, "to all", NULL);
    publish(room, "not to bob", wb);
    taken_count++;
    come_back(0);
    expect_text(&a, "to all");
    expect_text(&a, "not to bob");
    expect_text(&b, "to all");
    expect_nothing(&b);
    publish(room, "never back", wa); /* what it holds goes with the loop */
    spout_topic_free(room);
}

static void nonsense_is_logged(void **state)
{
    (void)state;
    spout_topic_backend_ready(0, (const int[]){ 1 }, 1);
    spout_topic_backend_deliver(1, (spout_bytes){ "nonsense", 8 });
    spout_topic_backend_deliver(1, (spout_bytes){ "", 0 });
    assert_int_equal(count_in_log("makes no sense"), 2);
}

static void is_set_before_the_first_topic(void **state)
{
    (void)state;
    assert_int_equal(spout_topic_backend_set(&played, NULL), 0);
    assert_int_equal(closed_count, 1);
    spout_topic *room = spout_topic_new_named("room");
    assert_int_equal(spout_topic_backend_set(&played, NULL), SPOUT_ESTATE);
    spout_topic_free(room);
}

#define WITH(name, set_up_) cmocka_unit_test_setup_teardown(name, set_up_, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_name_is_one_topic, connect_two),
        WITH(refuses_names_that_are_none, connect_two),
        WITH(patterns_get_what_matches_once, connect_two),
        WITH(tells_of_members_and_messages, connect_two),
        WITH(info_has_its_bounds, connect_two),
        WITH(watchers_may_change_topics, connect_two),
        cmocka_unit_test(outlives_its_loop),
        WITH(takes_effect_when_it_comes_back, connect_two_shared),
        WITH(leaving_overtakes_joining, connect_two_shared),
        WITH(others_are_members_too, connect_two_shared),
        WITH(a_newcomer_is_told_who_is_here, connect_two_shared),
        WITH(starts_over, connect_two_shared),
        WITH(a_full_queue_refuses, connect_two_shared),
        WITH(exceptions_survive_losses, connect_two_shared),
        WITH(nonsense_is_logged, connect_two_shared),
        WITH(is_set_before_the_first_topic, connect_two_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
