/* A client's socket once it is open: reading, masks, back-pressure, handlers, the end. */
#include "websocket_peer.h"

#include <spout/topic.h>

#include "http/websocket_deflate.h"

static unsigned seen_code;
static char seen_text[256];
static int seen_frames;
static unsigned char seen_masks[64][4];
static char trace[256];

static void note(const char *text)
{
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof trace - len, "%s ", text);
}

static void assert_trace(const char *expected)
{
    assert_string_equal(trace, expected);
    trace[0] = '\0';
}

static void expect_result(spout_websocket *ws, int expected)
{
    spout_message m;
    assert_int_equal(spout_websocket_read(ws, &m), expected);
}

/* --- masks --- */

static int collect_script(peer *p, spout_stream *stream)
{
    int first;
    seen_frames = 0;
    if (peer_accept(p, stream) < 0)
        return -1;
    while ((first = peer_receive(p, stream)) >= 0 && first != CLOSE) {
        memcpy(seen_masks[seen_frames % 64], p->mask, 4);
        seen_frames++;
    }
    seen_code = p->payload.len >= 2 ? peer_close_code(p) : 0;
    snprintf(seen_text, sizeof seen_text, "%s", p->payload.len > 2 ? p->payload.data + 2 : "");
    return first == CLOSE ? peer_send(stream, CLOSE, p->payload.data, p->payload.len) : -1;
}

static int send_many(void *arg)
{
    (void)arg;
    static char large[100000];
    const char *kept = "unchanged";
    spout_websocket *ws = connect_plain();
    for (int i = 0; i < 20; i++)
        assert_int_equal(spout_websocket_write_text(ws, kept), 0);
    assert_string_equal(kept, "unchanged");
    for (size_t len = 0; len < sizeof large; len = len * 3 + 1)
        assert_int_equal(spout_websocket_write(ws, (spout_message){ large, len, true }), 0);
    assert_int_equal(large[50], 0);
    assert_int_equal(spout_websocket_ping(ws, spout_bytes_of("p")), 0);
    assert_int_equal(spout_websocket_write_json(ws, json_pack("{s:i}", "a", 1)), 0);
    assert_int_equal(spout_websocket_close(ws, 4321, "enough"), 0);
    assert_int_equal(spout_websocket_write_text(ws, "late"), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_ping(ws, spout_bytes_of("p")), SPOUT_ECLOSED);
    expect_end(ws, 4321, "enough");
    spout_websocket_unref(ws);
    return 0;
}

static void masks_each_frame_anew(void **state)
{
    (void)state;
    assert_int_equal(play(collect_script, send_many), 0);
    assert_int_equal(seen_frames, 20 + 12 + 2);
    assert_int_equal(seen_code, 4321);
    assert_string_equal(seen_text, "enough");
    int equal = 0;
    for (int i = 1; i < 20; i++)
        equal += memcmp(seen_masks[i], seen_masks[i - 1], 4) == 0;
    assert_true(equal < 2);
}

static int masked_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0 || peer_say(stream, "\x81\x82\x01\x02\x03\x04hi") < 0)
        return -1;
    if (peer_receive(p, stream) == CLOSE)
        seen_code = peer_close_code(p);
    return 0;
}

static int read_masked(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    expect_end(ws, 0, "");
    spout_websocket_unref(ws);
    return 0;
}

static void refuses_masked_frames(void **state)
{
    (void)state;
    seen_code = 0;
    assert_int_equal(play(masked_script, read_masked), 0);
    assert_int_equal(seen_code, 1002);
    assert_non_null(strstr(log_text, "a masked frame from a server"));
}

/* --- reading --- */

static int busy_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    /* Answered although nobody reads. */
    peer_send(stream, PING, "1", 1);
    assert_int_equal(peer_receive(p, stream), PONG);
    note(p->payload.data);
    for (int i = 0; i < 5; i++)
        peer_send_text(stream, spout_scope_format("m%d", i));
    peer_send(stream, PING, "2", 1);
    peer_send_close(stream, 4000, "done");
    while (peer_receive(p, stream) >= 0)
        note(p->payload.data);
    return 0;
}

static int read_late(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    spout_sleep(100);
    assert_trace("1 ");
    for (int i = 0; i < 5; i++) {
        spout_sleep(10);
        assert_false(spout_websocket_is_closed(ws));
        expect_message(ws, spout_scope_format("m%d", i));
    }
    expect_end(ws, 4000, "done");
    expect_end(ws, 4000, "done");
    spout_websocket_unref(ws);
    spout_sleep(100);
    return 0;
}

static void takes_messages_one_by_one(void **state)
{
    (void)state;
    assert_int_equal(play(busy_script, read_late), 0);
    assert_string_equal(trace, "2 \x0F\xA0 ");
    trace[0] = '\0';
}

static int flood_script(peer *p, spout_stream *stream)
{
    static char block[10000];
    if (peer_accept(p, stream) < 0)
        return -1;
    for (int i = 0; i < 2000; i++) {
        if (peer_send(stream, BINARY, block, sizeof block) < 0)
            return -1;
        seen_frames = i;
    }
    return peer_finish(p, stream);
}

static int dont_read(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    spout_sleep(1000);
    assert_true(seen_frames < 500); /* what the system's buffers and one message hold */
    spout_message m;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(spout_websocket_read(ws, &m), 1);
        assert_int_equal(m.len, 10000);
    }
    spout_websocket_unref(ws);
    return 0;
}

static void slows_a_fast_server_down(void **state)
{
    (void)state;
    assert_int_equal(play(flood_script, dont_read), 0);
}

static int quiet_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    spout_sleep(1000);
    peer_send_text(stream, "at last");
    return peer_finish(p, stream);
}

static int read_a_message(void *arg)
{
    spout_message m;
    return spout_websocket_read(arg, &m);
}

static int read_with_limits(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    int64_t outer = spout_deadline_set_ms(100);
    expect_result(ws, SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, read_a_message, ws, NULL), 0);
    spout_sleep(100);
    expect_result(ws, SPOUT_ESTATE); /* one at a time */
    spout_group_cancel(group);
    assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
    spout_group_free(group);
    /* Nothing is lost by all that. */
    expect_message(ws, "at last");
    spout_websocket_unref(ws);
    return 0;
}

static void stays_usable_after_an_early_end_of_a_read(void **state)
{
    (void)state;
    assert_int_equal(play(quiet_script, read_with_limits), 0);
}

/* --- writing to who doesn't read --- */

static int deaf_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    spout_sleep(1000);
    return peer_finish(p, stream);
}

static int write_much(void *arg)
{
    (void)arg;
    static char block[50000];
    spout_websocket *ws = connect_plain();
    int64_t start = now_ms;
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            spout_websocket_write(ws, (spout_message){ block, sizeof block, true }), 0);
    assert_true(now_ms - start >= 900);
    spout_websocket_close(ws, 0, NULL);
    expect_end(ws, 1005, "");
    spout_websocket_unref(ws);
    return 0;
}

static void writers_wait(void **state)
{
    (void)state;
    assert_int_equal(play(deaf_script, write_much), 0);
}

static int write_until_cancelled(void *arg)
{
    static char block[50000];
    int result = 0;
    while (result == 0)
        result = spout_websocket_write(arg, (spout_message){ block, sizeof block, true });
    return result;
}

static int cancel_a_writer(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, write_until_cancelled, ws, NULL), 0);
    spout_sleep(100);
    spout_group_cancel(group);
    assert_int_equal(spout_group_join(group), SPOUT_ECANCELED);
    spout_group_free(group);
    spout_websocket_unref(ws);
    return 0;
}

static void a_waiting_writer_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(play(deaf_script, cancel_a_writer), 0);
}

/* --- the end --- */

static int drop_it(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain(), *again = spout_websocket_ref(ws);
    spout_websocket_unref(ws);
    assert_false(spout_websocket_is_closed(again));
    spout_websocket_unref(again);
    spout_sleep(100);
    return 0;
}

static void says_goodbye_when_it_is_dropped(void **state)
{
    (void)state;
    seen_code = 0;
    assert_int_equal(play(collect_script, drop_it), 0);
    assert_int_equal(seen_code, 1001);
}

static int vanish_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0 || peer_send_text(stream, "x") < 0)
        return -1;
    return spout_stream_flush(stream);
}

static int lose_it(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    expect_message(ws, "x");
    expect_end(ws, 0, "");
    assert_int_equal(spout_websocket_write_text(ws, "y"), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_close(ws, 1000, NULL), 0);
    spout_websocket_unref(ws);
    return 0;
}

static void notices_a_lost_connection(void **state)
{
    (void)state;
    assert_int_equal(play(vanish_script, lose_it), 0);
}

static int never_answers_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    while (peer_receive(p, stream) >= 0)
        peer_send_text(stream, "ignored");
    return 0;
}

static int close_alone(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    int64_t start = now_ms;
    spout_websocket_close(ws, 1000, NULL);
    expect_end(ws, 0, "");
    assert_int_equal(now_ms - start, 5000);
    spout_websocket_unref(ws);
    return 0;
}

static void gives_an_answer_five_seconds(void **state)
{
    (void)state;
    assert_int_equal(play(never_answers_script, close_alone), 0);
}

static int64_t ended_at;

static int lingering_script(peer *p, spout_stream *stream)
{
    spout_bytes more;
    if (peer_accept(p, stream) < 0 || peer_send_close(stream, 1000, "") < 0)
        return -1;
    assert_int_equal(peer_receive(p, stream), CLOSE);
    /* The server doesn't close: the client does in the end. */
    int64_t start = now_ms;
    int result = spout_stream_read_some(stream, 1, &more);
    ended_at = now_ms - start;
    return result;
}

static int let_the_server_end(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    expect_end(ws, 1000, "");
    spout_websocket_unref(ws);
    spout_sleep(5000);
    return 0;
}

static void lets_the_server_close_tcp_first(void **state)
{
    (void)state;
    assert_int_equal(play(lingering_script, let_the_server_end), 0);
    assert_int_equal(ended_at, 2000);
}

static spout_websocket *kept;

static int keep_it(void *arg)
{
    (void)arg;
    kept = connect_plain();
    spout_sleep(1000); /* a message waits */
    return 0;
}

static void may_outlive_its_loop(void **state)
{
    (void)state;
    spout_message m;
    assert_int_equal(play(quiet_script, keep_it), 0);
    spout_tcp_server_free(the_peer.server);
    the_peer.server = NULL;
    spout_loop_free(loop);
    loop = NULL;
    assert_true(spout_websocket_is_closed(kept));
    assert_int_equal(spout_websocket_write_text(kept, "x"), SPOUT_ECLOSED);
    assert_int_equal(spout_websocket_read(kept, &m), 1);
    assert_int_equal(spout_websocket_read(kept, &m), 0);
    spout_websocket_unref(kept);
}

static int connect_in_vain(void *arg)
{
    (void)arg;
    spout_websocket_unref(connect_with(NULL));
    return 0;
}

static void a_loop_ends_while_it_connects(void **state)
{
    (void)state;
    the_peer.script = quiet_script;
    assert_int_equal(spout_spawn(connect_in_vain, NULL, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_loop_run_once(loop, 0), 0);
}

/* --- limits and pings --- */

static int large_script(peer *p, spout_stream *stream)
{
    static char block[2000];
    if (peer_accept(p, stream) < 0 || peer_send(stream, BINARY, block, 1000) < 0 ||
        peer_send(stream, BINARY, block, 1001) < 0)
        return -1;
    if (peer_receive(p, stream) == CLOSE)
        seen_code = peer_close_code(p);
    return 0;
}

static int read_too_much(void *arg)
{
    (void)arg;
    static const spout_websocket_handler small = { .max_message_size = 1000 };
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .handler = &small });
    expect_result(ws, 1);
    expect_end(ws, 0, "");
    spout_websocket_unref(ws);
    return 0;
}

static void bounds_messages(void **state)
{
    (void)state;
    seen_code = 0;
    assert_int_equal(play(large_script, read_too_much), 0);
    assert_int_equal(seen_code, 1009);
}

static int pong_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    seen_frames = 0;
    for (int first; (first = peer_receive(p, stream)) >= 0;) {
        if (first == PING && ++seen_frames < 4)
            peer_send(stream, PONG, p->payload.data, p->payload.len);
        if (first == CLOSE)
            seen_code = peer_close_code(p);
    }
    return 0;
}

static int wait_for_silence(void *arg)
{
    (void)arg;
    static const spout_websocket_handler handler = { .ping_interval_ms = 1000,
        .ping_timeout_ms = 300 };
    int64_t start = now_ms;
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .handler = &handler });
    expect_end(ws, 0, "");
    assert_int_equal(now_ms - start, 4300);
    spout_websocket_unref(ws);
    return 0;
}

static void notices_a_silent_server(void **state)
{
    (void)state;
    seen_code = 0;
    assert_int_equal(play(pong_script, wait_for_silence), 0);
    assert_int_equal(seen_frames, 4);
    assert_int_equal(seen_code, 1011);
}

/* --- handlers --- */

static int on_open(spout_websocket *ws)
{
    note("open");
    assert_string_equal(spout_websocket_data(ws), "data");
    return spout_websocket_write_text(ws, "first");
}

static int on_message(spout_websocket *ws, spout_message m)
{
    int *count = spout_websocket_state(ws);
    spout_message other;
    note(m.data);
    assert_int_equal(spout_websocket_read(ws, &other), SPOUT_ESTATE);
    spout_sleep(10);
    if (++*count == 1)
        return spout_websocket_ping(ws, spout_bytes_of("pinged"));
    return 0;
}

static int on_pong(spout_websocket *ws, spout_bytes data)
{
    note(data.data);
    return spout_websocket_close(ws, 4001, "mine");
}

static int on_close(spout_websocket *ws)
{
    note(spout_scope_format("close%d", spout_websocket_close_code(ws)));
    return 0;
}

static const spout_websocket_handler handling = { .open = on_open,
    .message = on_message,
    .pong = on_pong,
    .close = on_close,
    .state_size = sizeof(int) };

static int ponging_script(peer *p, spout_stream *stream)
{
    if (peer_accept(p, stream) < 0)
        return -1;
    for (int first; (first = peer_receive(p, stream)) >= 0;) {
        unsigned answer = first == PING ? PONG : (unsigned)first;
        if (peer_send(stream, answer, p->payload.data, p->payload.len) < 0 || first == CLOSE)
            return -1;
    }
    return 0;
}

static int connect_handler(void *arg)
{
    (void)arg;
    spout_websocket_handler copied = handling;
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){
        .handler = &copied, .data = (void *)(uintptr_t) "data" });
    assert_non_null(ws);
    memset(&copied, 0xFF, sizeof copied);
    spout_websocket_unref(ws); /* lives on */
    spout_sleep(1000);
    return 0;
}

static void calls_handlers(void **state)
{
    (void)state;
    assert_int_equal(play(ponging_script, connect_handler), 0);
    assert_trace("open first pinged close4001 ");
}

static int fail_to_open(spout_websocket *ws)
{
    (void)ws;
    return spout_error_set(SPOUT_ENOTFOUND, "no topic");
}

static int connect_badly(void *arg)
{
    (void)arg;
    static const spout_websocket_handler handler = { .open = fail_to_open };
    assert_null(connect_with(&(spout_websocket_connect_options){ .handler = &handler }));
    assert_int_equal(spout_error_code_current(), SPOUT_ENOTFOUND);
    spout_sleep(100);
    return 0;
}

static void a_failed_open_ends_it(void **state)
{
    (void)state;
    seen_code = 0;
    assert_int_equal(play(collect_script, connect_badly), 0);
    assert_int_equal(seen_code, 1011);
}

static int run_it(spout_websocket *ws)
{
    spout_message m;
    spout_websocket_write_text(ws, "one");
    assert_int_equal(spout_websocket_read(ws, &m), 1);
    note(m.data);
    return 0;
}

static int connect_runner(void *arg)
{
    (void)arg;
    static const spout_websocket_handler handler = { .run = run_it, .close = on_close };
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .handler = &handler });
    assert_non_null(ws);
    expect_result(ws, SPOUT_ESTATE);
    spout_websocket_unref(ws);
    spout_sleep(100);
    return 0;
}

static void runs_a_sequence(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, connect_runner), 0);
    assert_trace("one close1000 ");
}

static int on_piece(spout_websocket *ws, spout_message piece, bool is_last)
{
    int *count = spout_websocket_state(ws);
    *count += (int)piece.len;
    if (!is_last)
        return 0;
    note(spout_scope_format("%d", *count));
    return spout_websocket_close(ws, 1000, NULL);
}

static int write_in_pieces(void *arg)
{
    (void)arg;
    static const spout_websocket_handler handler = { .piece = on_piece, .state_size = sizeof(int) };
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .handler = &handler });
    assert_non_null(ws);
    assert_int_equal(spout_websocket_set_nodelay(ws, false), 0);
    assert_int_equal(spout_websocket_begin(ws, false), 0);
    assert_int_equal(spout_websocket_write_piece(ws, spout_bytes_of("a ")), 0);
    assert_int_equal(spout_websocket_write_piece(ws, spout_bytes_of("message ")), 0);
    assert_int_equal(spout_websocket_write_piece(ws, spout_bytes_of("in pieces")), 0);
    assert_int_equal(spout_websocket_end(ws), 0);
    spout_websocket_unref(ws);
    spout_sleep(100);
    return 0;
}

static void sends_and_receives_in_pieces(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, write_in_pieces), 0);
    assert_trace("19 ");
}

static int join_a_topic(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    spout_topic *topic = spout_topic_new();
    assert_int_equal(spout_topic_join(topic, ws), SPOUT_EUNSUPPORTED);
    spout_topic_free(topic);
    spout_websocket_unref(ws);
    return 0;
}

static void is_no_member_of_topics(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, join_a_topic), 0);
}

/* --- compression --- */

#define LONG_TEXT \
    "a text that is long enough, a text that is long enough, a text that is long enough"

static const char *extension_answer;
static int compressed_frames;

/* Echoes compressed frames as they are, with its own context where the client's has none. */
static int deflate_script(peer *p, spout_stream *stream)
{
    int first;
    if (peer_read_request(p, stream) < 0 || peer_switch(p, stream, extension_answer) < 0)
        return -1;
    compressed_frames = 0;
    while ((first = peer_receive(p, stream)) >= 0) {
        compressed_frames += (first & RSV1) != 0;
        if (peer_send(stream, (unsigned)first, p->payload.data, p->payload.len) < 0 ||
            first == CLOSE)
            return -1;
    }
    return 0;
}

static int send_compressed(void *arg)
{
    (void)arg;
    for (int takeover = 0; takeover < 2; takeover++) {
        const spout_websocket_compression compression = { .takeover = takeover };
        const spout_websocket_handler handler = { .compression = &compression };
        spout_websocket *ws = connect_with(
            &(spout_websocket_connect_options){ .handler = &handler });
        assert_non_null(ws);
        assert_true(spout_websocket_is_compressed(ws));
        for (int i = 0; i < 3; i++) {
            assert_int_equal(spout_websocket_write_text(ws, LONG_TEXT), 0);
            expect_message(ws, LONG_TEXT);
            assert_int_equal(spout_websocket_write_text(ws, "short"), 0);
            expect_message(ws, "short");
        }
        spout_websocket_close(ws, 1000, NULL);
        expect_end(ws, 1000, "");
        spout_websocket_unref(ws);
        assert_int_equal(compressed_frames, 3);
    }
    return 0;
}

static void compresses_both_ways(void **state)
{
    (void)state;
    static const char *const agreed[] = { "permessage-deflate",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9" };
    for (size_t i = 0; i < sizeof agreed / sizeof *agreed; i++) {
        char line[128];
        snprintf(line, sizeof line, "Sec-WebSocket-Extensions: %s\r\n", agreed[i]);
        extension_answer = line;
        assert_int_equal(play(deflate_script, send_compressed), 0);
    }
}

static int connect_to_bad_extensions(void *arg)
{
    (void)arg;
    static const spout_websocket_compression compression = { .level = 6 };
    static const spout_websocket_handler handler = { .compression = &compression };
    assert_null(connect_with(&(spout_websocket_connect_options){ .handler = &handler }));
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    return 0;
}

static void refuses_extensions_that_make_no_sense(void **state)
{
    (void)state;
    extension_answer = "Sec-WebSocket-Extensions: permessage-deflate; x=1\r\n";
    assert_int_equal(play(deflate_script, connect_to_bad_extensions), 0);
    extension_answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    assert_int_equal(play(deflate_script, connect_to_bad_extensions), 0);
}

/* zlib's matches stay within the smaller window, which no setting of its own asks for. */
static void keeps_to_a_window_of_256_bytes(void **state)
{
    (void)state;
    char text[4096];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (i * 7 + i / 97 + i / 300) % 23);
    for (uint8_t level = 1; level <= 9; level++) {
        spi_buffer out;
        spi_buffer_init(&out, 1 << 20);
        spi_deflater *deflater = spi_deflater_new((spi_deflate_setting){ level, 8, 9 });
        assert_int_equal(spi_deflater_run(deflater, (spout_bytes){ text, sizeof text }, &out), 0);
        spi_deflater_free(deflater);
        assert_int_equal(spi_buffer_append(&out, "\0\0\xFF\xFF", 4), 0);
        spi_inflater *inflater = spi_inflater_new();
        spi_buffer back;
        spi_buffer_init(&back, 1 << 20);
        assert_int_equal(spi_inflater_feed(inflater,
                             (spout_bytes){ spi_buffer_head(&out), spi_buffer_len(&out) }, &back),
            0);
        assert_memory_equal(spi_buffer_head(&back), text, sizeof text);
        spi_inflater_free(inflater);
        spi_buffer_release(&out);
        spi_buffer_release(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(masks_each_frame_anew),
        peer_test(refuses_masked_frames),
        peer_test(takes_messages_one_by_one),
        peer_test(slows_a_fast_server_down),
        peer_test(stays_usable_after_an_early_end_of_a_read),
        peer_test(writers_wait),
        peer_test(a_waiting_writer_is_cancelled),
        peer_test(says_goodbye_when_it_is_dropped),
        peer_test(notices_a_lost_connection),
        peer_test(gives_an_answer_five_seconds),
        peer_test(lets_the_server_close_tcp_first),
        peer_test(may_outlive_its_loop),
        peer_test(a_loop_ends_while_it_connects),
        peer_test(bounds_messages),
        peer_test(notices_a_silent_server),
        peer_test(calls_handlers),
        peer_test(a_failed_open_ends_it),
        peer_test(runs_a_sequence),
        peer_test(sends_and_receives_in_pieces),
        peer_test(is_no_member_of_topics),
        peer_test(compresses_both_ways),
        peer_test(refuses_extensions_that_make_no_sense),
        cmocka_unit_test(keeps_to_a_window_of_256_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
