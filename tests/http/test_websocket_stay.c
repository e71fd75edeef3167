/* Staying connected: when it is tried again, after how long, and when not. */
#include "websocket_peer.h"

static int sessions;
static int session_result;
static int session_limit; /* of sessions; then they have had enough */
static int64_t session_ms;

static int read_all(spout_websocket *ws, void *data)
{
    spout_message m;
    int result;
    assert_true(data == &sessions);
    sessions++;
    if (spout_websocket_write_text(ws, "subscribe") < 0)
        return -1;
    while ((result = spout_websocket_read(ws, &m)) > 0)
        if (session_limit && sessions >= session_limit)
            return session_result;
    return result;
}

static spout_websocket_stay_options stay_options;

static int stay(void *arg)
{
    (void)arg;
    const spout_websocket_connect_options connect = { .unix_path = the_peer.name,
        .data = &sessions };
    spout_websocket_stay_options options = stay_options;
    options.connect = &connect;
    sessions = 0;
    the_peer.connections = 0;
    return spout_websocket_stay_connected(the_peer.url, read_all, &options);
}

static int play_stay(peer_script *script, const spout_websocket_stay_options *options)
{
    stay_options = options ? *options : (spout_websocket_stay_options){ .max_failures = 0 };
    return play(script, stay);
}

/* The pause before the connection of that number, from 1 on. */
static int64_t pause_before(int number)
{
    return the_peer.times[number] - the_peer.times[number - 1] - session_ms;
}

/* --- scripts --- */

static int close_codes[8], close_count;

/* Ends the first connections with these codes (0: breaks), then just echoes. */
static int closing_script(peer *p, spout_stream *stream)
{
    int number = p->connections - 1;
    if (number >= close_count)
        return echo_script(p, stream);
    if (peer_accept(p, stream) < 0 || peer_receive(p, stream) < 0)
        return -1;
    assert_string_equal(p->payload.data, "subscribe");
    if (session_ms > 0)
        spout_sleep(session_ms);
    if (close_codes[number] == 0)
        return 0;
    return peer_send_close(stream, (unsigned)close_codes[number], "so") < 0
               ? -1
               : peer_receive(p, stream);
}

static void set_codes(int count, ...)
{
    va_list args;
    va_start(args, count);
    close_count = count;
    for (int i = 0; i < count; i++)
        close_codes[i] = va_arg(args, int);
    va_end(args);
}

static const char *refusal;

static int refusing_script(peer *p, spout_stream *stream)
{
    if (peer_read_request(p, stream) < 0)
        return -1;
    return peer_say(stream, refusal);
}

static int set_up(void **state)
{
    session_limit = session_result = 0;
    session_ms = 0;
    return peer_set_up(state);
}

#define stay_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, peer_tear_down)

/* --- tests --- */

static void connects_anew_and_subscribes_anew(void **state)
{
    (void)state;
    set_codes(5, 1001, 1011, 1012, 0, 4000);
    session_limit = 6;
    session_result = 7;
    assert_int_equal(play_stay(closing_script, NULL), 7);
    assert_int_equal(sessions, 6);
    assert_int_equal(the_peer.connections, 6);
}

static void waits_longer_and_longer(void **state)
{
    (void)state;
    set_codes(8, 0, 0, 0, 0, 0, 0, 0, 0);
    session_limit = 9;
    assert_int_equal(play_stay(closing_script, &(spout_websocket_stay_options){ .min_delay_ms = 100,
                                                   .max_delay_ms = 800 }),
        0);
    static const int64_t most[] = { 100, 200, 400, 800, 800, 800, 800, 800 };
    int64_t all = 0;
    for (int i = 0; i < 8; i++) {
        assert_in_range(pause_before(i + 1), most[i] / 2, most[i]);
        all += pause_before(i + 1);
    }
    assert_true(all < 4700); /* a random part is left out */
}

static void a_stable_connection_starts_anew(void **state)
{
    (void)state;
    set_codes(5, 0, 0, 0, 0, 0);
    session_limit = 6;
    session_ms = 5000;
    assert_int_equal(play_stay(closing_script,
                         &(spout_websocket_stay_options){ .min_delay_ms = 100, .stable_ms = 5000 }),
        0);
    for (int i = 1; i <= 5; i++)
        assert_in_range(pause_before(i), 50, 100);
}

static void some_codes_are_final(void **state)
{
    (void)state;
    static const int final[] = { 1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003 };
    for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
        set_codes(1, final[i]);
        assert_int_equal(play_stay(closing_script, NULL), SPOUT_ECLOSED);
        assert_int_equal(sessions, 1);
    }
    set_codes(1, 1000);
    assert_int_equal(play_stay(closing_script, NULL), 0);
    assert_int_equal(sessions, 1);
    set_codes(2, 0, 1000); /* what is meant is no failure, the last attempt's neither */
    assert_int_equal(
        play_stay(closing_script, &(spout_websocket_stay_options){ .max_failures = 2 }), 0);
    assert_int_equal(sessions, 2);
}

static void some_statuses_are_final(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code, attempts;
    } cases[] = { { "HTTP/1.1 401 X\r\n\r\n", SPOUT_EPROTO, 1 },
        { "HTTP/1.1 404 X\r\n\r\n", SPOUT_ENOTFOUND, 1 },
        { "HTTP/1.1 200 X\r\n\r\n", SPOUT_EPROTO, 1 },
        { "HTTP/1.1 302 X\r\nLocation: /\r\n\r\n", SPOUT_EPROTO, 1 },
        { "HTTP/1.1 501 X\r\n\r\n", SPOUT_EPROTO, 1 },
        { "HTTP/1.1 429 X\r\n\r\n", SPOUT_EPROTO, 3 },
        { "HTTP/1.1 503 X\r\n\r\n", SPOUT_EPROTO, 3 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refusal = cases[i].text;
        assert_int_equal(
            play_stay(refusing_script, &(spout_websocket_stay_options){ .max_failures = 3 }),
            cases[i].code);
        assert_int_equal(the_peer.connections, cases[i].attempts);
        assert_int_equal(sessions, 0);
    }
}

static void gives_up_after_so_many(void **state)
{
    (void)state;
    set_codes(8, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(
        play_stay(closing_script, &(spout_websocket_stay_options){ .max_failures = 5 }),
        SPOUT_ECLOSED);
    assert_int_equal(sessions, 5);
}

static void waits_as_long_as_it_is_asked_to(void **state)
{
    (void)state;
    static const struct {
        const char *refusal;
        int64_t least_ms, most_ms;
    } cases[] = {
        { "HTTP/1.1 503 X\r\nRetry-After: 120\r\n\r\n", 120000, 120100 },
        /* it is 1970 here */
        { "HTTP/1.1 503 X\r\nRetry-After: Thu, 01 Jan 1970 00:03:20 GMT\r\n\r\n", 200000, 200100 },
        { "HTTP/1.1 503 X\r\nRetry-After: Wed, 31 Dec 1969 23:59:59 GMT\r\n\r\n", 250, 500 },
        { "HTTP/1.1 503 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", 250, 500 },
        { "HTTP/1.1 503 X\r\nRetry-After: soon\r\n\r\n", 250, 500 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refusal = cases[i].refusal;
        assert_int_equal(
            play_stay(refusing_script, &(spout_websocket_stay_options){ .max_failures = 2 }),
            SPOUT_EPROTO);
        assert_in_range(pause_before(1), cases[i].least_ms, cases[i].most_ms);
    }
}

static int end_here(spout_websocket *ws, void *data)
{
    (void)data;
    sessions++;
    spout_websocket_close(ws, 1000, "enough");
    expect_end(ws, 1000, "enough");
    return 0;
}

static int fail_here(spout_websocket *ws, void *data)
{
    (void)ws;
    (void)data;
    sessions++;
    return spout_error_set(SPOUT_EFAILED, "no idea");
}

static unsigned last_code;

static int note_close_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0 || peer_finish(p, stream) < 0)
        return -1;
    last_code = p->payload.len >= 2 ? peer_close_code(p) : 0;
    return 0;
}

static spout_websocket_session *short_session;

static int stay_for_short(void *arg)
{
    (void)arg;
    const spout_websocket_connect_options connect = { .unix_path = the_peer.name };
    int result = spout_websocket_stay_connected(
        the_peer.url, short_session, &(spout_websocket_stay_options){ .connect = &connect });
    spout_sleep(100);
    return result;
}

static void ends_when_the_session_has_had_enough(void **state)
{
    (void)state;
    sessions = 0;
    the_peer.script = note_close_script;
    short_session = end_here;
    assert_int_equal(spout_loop_run_sync(loop, stay_for_short, NULL, 0), 0);
    assert_int_equal(sessions, 1);
    assert_int_equal(last_code, 1000);
    short_session = fail_here;
    assert_int_equal(spout_loop_run_sync(loop, stay_for_short, NULL, 0), SPOUT_EFAILED);
    assert_int_equal(sessions, 2);
    assert_int_equal(last_code, 1011);
}

static int subscribe(spout_websocket *ws)
{
    sessions++;
    return spout_websocket_write_text(ws, "subscribe");
}

static int end_at_last(spout_websocket *ws, spout_message m)
{
    (void)m;
    return spout_websocket_close(ws, 1000, NULL);
}

static int stay_with_handlers(void *arg)
{
    (void)arg;
    static const spout_websocket_handler handler = { .open = subscribe, .message = end_at_last };
    const spout_websocket_connect_options connect = { .unix_path = the_peer.name,
        .handler = &handler };
    return spout_websocket_stay_connected(
        the_peer.url, NULL, &(spout_websocket_stay_options){ .connect = &connect });
}

static void handlers_need_no_session(void **state)
{
    (void)state;
    sessions = 0;
    set_codes(3, 1012, 0, 1001);
    assert_int_equal(play(closing_script, stay_with_handlers), 0);
    assert_int_equal(sessions, 4);
}

static char asked[256];

static bool ask(const spout_websocket_outcome *outcome, void *data)
{
    size_t len = strlen(asked);
    assert_true(data == &sessions);
    snprintf(asked + len, sizeof asked - len, "%d/%d/%d/%d ", outcome->close_code, outcome->status,
        outcome->error, outcome->failures);
    return outcome->failures < 3;
}

static void the_user_may_decide(void **state)
{
    (void)state;
    asked[0] = '\0';
    set_codes(3, 1008, 0, 1000);
    assert_int_equal(
        play_stay(closing_script, &(spout_websocket_stay_options){ .should_retry = ask }), 0);
    assert_string_equal(asked, "1008/0/0/1 0/0/0/2 1000/0/0/3 ");
    asked[0] = '\0';
    refusal = "HTTP/1.1 404 X\r\n\r\n";
    assert_int_equal(
        play_stay(refusing_script, &(spout_websocket_stay_options){ .should_retry = ask }),
        SPOUT_ENOTFOUND);
    assert_string_equal(asked, "0/404/-9/1 0/404/-9/2 0/404/-9/3 ");
}

static int stay_under_a_group(void *arg)
{
    int64_t after_ms = *(const int64_t *)arg;
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, stay, NULL, NULL), 0);
    spout_sleep(after_ms);
    spout_group_cancel(group);
    assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
    spout_group_free(group);
    return 0;
}

static void stops_when_it_is_cancelled(void **state)
{
    (void)state;
    stay_options = (spout_websocket_stay_options){ .min_delay_ms = 1000 };
    set_codes(8, 0, 0, 0, 0, 0, 0, 0, 0);
    the_peer.script = closing_script;
    for (int64_t after = 0; after < 5000; after += 137)
        assert_int_equal(spout_loop_run_sync(loop, stay_under_a_group, &after, 0), 0);
}

static int stay_until(void *arg)
{
    int64_t outer = spout_deadline_set_ms(*(const int64_t *)arg), start = now_ms;
    assert_int_equal(stay(NULL), SPOUT_ETIMEDOUT);
    assert_int_equal(now_ms - start, *(const int64_t *)arg);
    spout_deadline_restore(outer);
    return 0;
}

static int no_answer_script(peer *p, spout_stream *stream)
{
    spout_bytes end;
    return peer_read_request(p, stream) < 0 ? -1 : spout_stream_read_some(stream, 1, &end);
}

static void stops_when_time_is_up(void **state)
{
    (void)state;
    int64_t limit = 5000;
    stay_options = (spout_websocket_stay_options){ .max_failures = 0 };
    the_peer.script = refusing_script;
    refusal = "HTTP/1.1 503 X\r\n\r\n";
    assert_int_equal(spout_loop_run_sync(loop, stay_until, &limit, 0), 0);
    the_peer.script = no_answer_script;
    assert_int_equal(spout_loop_run_sync(loop, stay_until, &limit, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stay_test(connects_anew_and_subscribes_anew),
        stay_test(waits_longer_and_longer),
        stay_test(a_stable_connection_starts_anew),
        stay_test(some_codes_are_final),
        stay_test(some_statuses_are_final),
        stay_test(gives_up_after_so_many),
        stay_test(waits_as_long_as_it_is_asked_to),
        stay_test(ends_when_the_session_has_had_enough),
        stay_test(handlers_need_no_session),
        stay_test(the_user_may_decide),
        stay_test(stops_when_it_is_cancelled),
        stay_test(stops_when_time_is_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
