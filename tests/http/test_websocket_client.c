/* Connecting: the request, the answers that are taken and refused, redirects, proxies, time. */
#include "websocket_peer.h"

static int talk(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    assert_int_equal(spout_websocket_write_text(ws, "hello"), 0);
    expect_message(ws, "hello");
    assert_string_equal(spout_websocket_remote_ip(ws, (char[46]){ 0 }), "");
    assert_null(spout_websocket_subprotocol(ws));
    assert_null(spout_websocket_request(ws));
    assert_null(spout_websocket_data(ws));
    assert_false(spout_websocket_is_compressed(ws));
    assert_false(spout_websocket_is_closed(ws));
    assert_int_equal(spout_websocket_close(ws, 1000, "bye"), 0);
    expect_end(ws, 1000, "bye");
    spout_websocket_unref(ws);
    return 0;
}

static void connects_and_talks(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, talk), 0);
    assert_memory_equal(
        the_peer.request, "GET /path HTTP/1.1\r\nHost: test\r\nUser-Agent: Waterspout/", 55);
    assert_string_equal(peer_field(&the_peer, "Upgrade"), "websocket");
    assert_string_equal(peer_field(&the_peer, "Connection"), "Upgrade");
    assert_string_equal(peer_field(&the_peer, "Sec-WebSocket-Version"), "13");
    assert_int_equal(strlen(peer_field(&the_peer, "Sec-WebSocket-Key")), 24);
    assert_null(peer_field(&the_peer, "Sec-WebSocket-Extensions"));
    assert_null(peer_field(&the_peer, "Sec-WebSocket-Protocol"));
}

static int talk_over_tcp(void *arg)
{
    (void)arg;
    spout_websocket *ws = connect_plain();
    char ip[46];
    assert_string_equal(spout_websocket_remote_ip(ws, ip), "127.0.0.1");
    spout_websocket_unref(ws);
    return 0;
}

static void connects_over_tcp(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, talk_over_tcp), 0);
}

static int connect_with_headers(void *arg)
{
    (void)arg;
    const char *const headers[] = { "Authorization: Bearer x", "Origin:https://o", "HOST: other",
        "Cookie: a=b; c=d", "user-agent: mine", "X-Empty:", NULL };
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .headers = headers });
    assert_non_null(ws);
    spout_websocket_unref(ws);
    return 0;
}

static void sends_the_users_headers(void **state)
{
    (void)state;
    snprintf(the_peer.url, sizeof the_peer.url, "ws://user:pass@test/");
    assert_int_equal(play(echo_script, connect_with_headers), 0);
    assert_string_equal(peer_field(&the_peer, "Authorization"), "Bearer x");
    assert_string_equal(peer_field(&the_peer, "Origin"), "https://o");
    assert_string_equal(peer_field(&the_peer, "HOST"), "other");
    assert_string_equal(peer_field(&the_peer, "Cookie"), "a=b; c=d");
    assert_string_equal(peer_field(&the_peer, "user-agent"), "mine");
    assert_string_equal(peer_field(&the_peer, "X-Empty"), "");
    assert_null(peer_field(&the_peer, "Host"));
    assert_null(peer_field(&the_peer, "User-Agent"));
}

static int connect_once(void *arg)
{
    (void)arg;
    spout_websocket_unref(connect_plain());
    return 0;
}

static void knows_the_urls_user(void **state)
{
    (void)state;
    snprintf(the_peer.url, sizeof the_peer.url, "ws://us%%3Aer:pass@test:81/?q");
    assert_int_equal(play(echo_script, connect_once), 0);
    assert_string_equal(peer_field(&the_peer, "Authorization"), "Basic dXM6ZXI6cGFzcw==");
    assert_string_equal(peer_field(&the_peer, "Host"), "test:81");
    assert_memory_equal(the_peer.request, "GET /?q HTTP/1.1\r\n", 18);
}

static int no_options_of_that_kind(void *arg)
{
    (void)arg;
    static const char *const lines[] = { "Upgrade: x", "connection: x", "Sec-WebSocket-Key: x",
        "sec-websocket-extensions: x", "Sec-WebSocket-Protocol: x", "Content-Length: 0",
        "Transfer-Encoding: chunked", "nothing", ": x", "A b: x", "A: x\r\nB: y", "A: \x01" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *const headers[] = { lines[i], NULL };
        assert_null(connect_with(&(spout_websocket_connect_options){ .headers = headers }));
        assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    }
    const char *const twice[] = { "a", "b", "a", NULL }, *const odd[] = { "a b", NULL };
    assert_null(connect_with(&(spout_websocket_connect_options){ .subprotocols = twice }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(connect_with(&(spout_websocket_connect_options){ .subprotocols = odd }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    static const char *const urls[] = { "ftp://a/", "ws://", "ws://a/#f", "ws://a b/" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_null(spout_websocket_connect(urls[i], NULL));
        assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    }
    assert_null(spout_websocket_connect(
        "ws://a/", &(spout_websocket_connect_options){ .unix_path = "nothing" }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_websocket_connect(
        "ws://a/", &(spout_websocket_connect_options){ .unix_path = "@x", .proxy = "http://p:1" }));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_websocket_connect(
        "ws://a/", &(spout_websocket_connect_options){ .proxy = "https://p:1" }));
    assert_int_equal(spout_error_code_current(), SPOUT_EUNSUPPORTED);
    return 0;
}

static void refuses_options_that_make_no_sense(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, no_options_of_that_kind), 0);
    assert_int_equal(the_peer.connections, 0);
    assert_null(spout_websocket_connect("ws://a/", NULL)); /* outside of a coroutine */
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
}

/* --- subprotocols --- */

static const char *answer_lines;

static int answer_script(peer *p, spout_stream *stream)
{
    if (peer_read_request(p, stream) < 0 || peer_switch(p, stream, answer_lines) < 0)
        return -1;
    return peer_finish(p, stream);
}

static const char *const offered[] = { "chat", "super.chat", NULL };

static const char *choose(const char *lines)
{
    answer_lines = lines;
    spout_websocket *ws = connect_with(
        &(spout_websocket_connect_options){ .subprotocols = offered });
    const char *chosen = !ws                                ? "refused"
                         : !spout_websocket_subprotocol(ws) ? "none"
                                                            : spout_websocket_subprotocol(ws);
    chosen = spout_scope_text(chosen);
    if (!ws)
        assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    spout_websocket_unref(ws);
    return chosen;
}

static int choose_all(void *arg)
{
    (void)arg;
    assert_string_equal(choose(""), "none");
    assert_string_equal(choose("Sec-WebSocket-Protocol: super.chat\r\n"), "super.chat");
    assert_string_equal(choose("sec-websocket-protocol:  chat \r\n"), "chat");
    assert_string_equal(choose("Sec-WebSocket-Protocol: Chat\r\n"), "refused");
    assert_string_equal(choose("Sec-WebSocket-Protocol: chat, super.chat\r\n"), "refused");
    assert_string_equal(choose("Sec-WebSocket-Protocol:\r\n"), "refused");
    assert_string_equal(
        choose("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n"), "refused");
    return 0;
}

static void agrees_on_a_subprotocol(void **state)
{
    (void)state;
    assert_int_equal(play(answer_script, choose_all), 0);
    assert_string_equal(peer_field(&the_peer, "Sec-WebSocket-Protocol"), "chat, super.chat");
}

static int take_what_was_not_offered(void *arg)
{
    (void)arg;
    answer_lines = "Sec-WebSocket-Protocol: chat\r\n";
    assert_null(connect_with(NULL));
    assert_non_null(strstr(all_messages(), "not offered"));
    answer_lines = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    assert_null(connect_with(NULL));
    assert_non_null(strstr(all_messages(), "extension that was not offered"));
    return 0;
}

static void refuses_what_was_not_offered(void **state)
{
    (void)state;
    assert_int_equal(play(answer_script, take_what_was_not_offered), 0);
}

/* --- answers --- */

static const char *answer_text;

static int say_script(peer *p, spout_stream *stream)
{
    spout_bytes end;
    if (peer_read_request(p, stream) < 0)
        return -1;
    char accept[29];
    spi_websocket_accept_value(peer_field(p, "Sec-WebSocket-Key"), accept);
    const char *mark = strchr(answer_text, '$');
    if (mark)
        peer_say(stream, spout_scope_format(
                             "%.*s%s%s", (int)(mark - answer_text), answer_text, accept, mark + 1));
    else
        peer_say(stream, answer_text);
    return spout_stream_read_some(stream, 1, &end);
}

typedef struct answer_case {
    const char *text;
    int code, status;
} answer_case;

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: WebSocket\r\n"
#define CONNECTION "Connection: keep-alive, upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: $\r\n"

static const answer_case answers[] = {
    { SWITCHING UPGRADE CONNECTION ACCEPT "\r\n", 0, 101 },
    { "HTTP/1.1 101\r\n" CONNECTION ACCEPT UPGRADE "\r\n", 0, 101 },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" SWITCHING UPGRADE
            CONNECTION ACCEPT "\r\n",
        0, 101 },
    { SWITCHING CONNECTION ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE UPGRADE CONNECTION ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING "Upgrade: h2c\r\n" CONNECTION ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE "Connection: close\r\n" ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE CONNECTION "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE CONNECTION ACCEPT ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { SWITCHING UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        SPOUT_EPROTO, 101 },
    { "HTTP/1.0 101 Switching Protocols\r\n" UPGRADE CONNECTION ACCEPT "\r\n", SPOUT_EPROTO, 101 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", SPOUT_EPROTO, 200 },
    { "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", SPOUT_EPROTO, 302 },
    { "HTTP/1.1 403 Forbidden\r\n\r\n", SPOUT_EPROTO, 403 },
    { "HTTP/1.1 404 Not Found\r\n\r\n", SPOUT_ENOTFOUND, 404 },
    { "HTTP/1.1 503 Busy\r\n\r\n", SPOUT_EPROTO, 503 },
    { "HTTP/1.1 200 OK\n\n", SPOUT_EPROTO, 0 },
    { "220 mail.example.org\r\n", SPOUT_EPROTO, 0 },
    { "HTTP/1.1 101 X\r\nA : b\r\n\r\n", SPOUT_EPROTO, 0 },
};

static int try_answers(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        int status = -1;
        answer_text = answers[i].text;
        spout_websocket *ws = connect_with(
            &(spout_websocket_connect_options){ .ret_status = &status });
        if ((ws != NULL) != (answers[i].code == 0))
            print_message("%s", answers[i].text);
        assert_int_equal(ws != NULL, answers[i].code == 0);
        if (!ws)
            assert_int_equal(spout_error_code_current(), answers[i].code);
        assert_int_equal(status, answers[i].status);
        spout_websocket_unref(ws);
    }
    return 0;
}

static void takes_proper_answers_alone(void **state)
{
    (void)state;
    assert_int_equal(play(say_script, try_answers), 0);
}

static int read_message_of_failure(void *arg)
{
    (void)arg;
    answer_text = "HTTP/1.1 403 No way\r\n\r\n";
    assert_null(connect_with(NULL));
    assert_string_equal(all_messages(),
        "cannot connect to ws://test/path: the server has answered 403 No way instead of 101 "
        "Switching Protocols");
    return 0;
}

static void says_what_went_wrong(void **state)
{
    (void)state;
    assert_int_equal(play(say_script, read_message_of_failure), 0);
}

static int endless_script(peer *p, spout_stream *stream)
{
    int result = peer_read_request(p, stream);
    for (int i = 0; result == 0 && i < 100000; i++)
        result = peer_say(stream, "HTTP/1.1 100 Continue\r\n\r\n");
    return result;
}

static int long_script(peer *p, spout_stream *stream)
{
    int result = peer_read_request(p, stream);
    if (result == 0)
        result = peer_say(stream, "HTTP/1.1 101 X\r\n");
    for (int i = 0; result == 0 && i < 100000; i++)
        result = peer_say(stream, "A: bcdefghijklmnopqrstuvwxyz\r\n");
    return result;
}

static int hang_up_script(peer *p, spout_stream *stream)
{
    return peer_read_request(p, stream);
}

static int fail_with(int code)
{
    assert_null(connect_with(NULL));
    assert_int_equal(spout_error_code_current(), code);
    return 0;
}

static int fail_proto(void *arg)
{
    (void)arg;
    return fail_with(SPOUT_EPROTO);
}

static int fail_limit(void *arg)
{
    (void)arg;
    return fail_with(SPOUT_ELIMIT);
}

static int fail_closed(void *arg)
{
    (void)arg;
    return fail_with(SPOUT_ECLOSED);
}

static void bounds_what_it_reads(void **state)
{
    (void)state;
    assert_int_equal(play(endless_script, fail_proto), 0);
    assert_int_equal(play(long_script, fail_limit), 0);
    assert_int_equal(play(hang_up_script, fail_closed), 0);
}

static int nobody_there(void *arg)
{
    (void)arg;
    spout_tcp_server_stop(the_peer.server);
    return fail_with(SPOUT_ESYSTEM);
}

static void says_that_nobody_is_there(void **state)
{
    (void)state;
    assert_int_equal(play(echo_script, nobody_there), 0);
    assert_int_equal(play(echo_script, nobody_there), 0);
}

/* --- time --- */

static int silent_script(peer *p, spout_stream *stream)
{
    spout_bytes end;
    return peer_read_request(p, stream) < 0 ? -1 : spout_stream_read_some(stream, 1, &end);
}

static int wait_for_an_answer(void *arg)
{
    (void)arg;
    int64_t start = now_ms;
    fail_with(SPOUT_ETIMEDOUT);
    assert_int_equal(now_ms - start, 20000);
    start = now_ms;
    assert_null(connect_with(&(spout_websocket_connect_options){ .handshake_timeout_ms = 300 }));
    assert_int_equal(spout_error_code_current(), SPOUT_ETIMEDOUT);
    assert_int_equal(now_ms - start, 300);
    /* Whose deadline it is doesn't matter. */
    int64_t outer = spout_deadline_set_ms(50);
    start = now_ms;
    assert_null(connect_with(&(spout_websocket_connect_options){
        .handshake_timeout_ms = SPOUT_NONE, .connect_timeout_ms = SPOUT_NONE }));
    assert_int_equal(spout_error_code_current(), SPOUT_ETIMEDOUT);
    assert_int_equal(now_ms - start, 50);
    spout_deadline_restore(outer);
    assert_int_equal(spout_deadline_left_ms(), SPOUT_NONE);
    return 0;
}

static void waits_so_long_and_no_longer(void **state)
{
    (void)state;
    assert_int_equal(play(silent_script, wait_for_an_answer), 0);
}

/* --- redirects --- */

static int redirect_script(peer *p, spout_stream *stream)
{
    if (peer_read_request(p, stream) < 0)
        return -1;
    int hop = p->connections;
    if (strncmp(p->request, "GET /end ", 9) == 0)
        return peer_switch(p, stream, "") < 0 ? -1 : peer_finish(p, stream);
    if (strncmp(p->request, "GET /foreign ", 13) == 0)
        return peer_say(stream, "HTTP/1.1 307 X\r\nLocation: http://other:99/end\r\n\r\n");
    if (strncmp(p->request, "GET /loop ", 10) == 0)
        return peer_say(stream, "HTTP/1.1 308 X\r\nLocation: /loop\r\n\r\n");
    if (strncmp(p->request, "GET /bad ", 9) == 0)
        return peer_say(stream, "HTTP/1.1 302 X\r\nLocation: ftp://other/\r\n\r\n");
    return peer_say(
        stream, hop == 1 ? "HTTP/1.1 301 X\r\nContent-Length: 3\r\nLocation: a/b?c\r\n\r\nabc"
                         : "HTTP/1.1 302 X\r\nLocation: ../end\r\n\r\n");
}

static spout_websocket *connect_redirected(const char *path, int max, int *ret_status)
{
    const char *const headers[] = { "Authorization: x", "Cookie: a=b", "X-Kept: y", NULL };
    snprintf(the_peer.url, sizeof the_peer.url, "ws://test%s", path);
    the_peer.connections = 0;
    return connect_with(&(spout_websocket_connect_options){
        .max_redirects = max, .headers = headers, .ret_status = ret_status });
}

static int follow_redirects(void *arg)
{
    (void)arg;
    int status = 0;
    assert_null(connect_redirected("/x", 0, &status));
    assert_int_equal(status, 301);
    assert_null(connect_redirected("/x", 1, &status));
    assert_int_equal(status, 302);
    assert_int_equal(the_peer.connections, 2);
    spout_websocket *ws = connect_redirected("/x", 2, &status);
    assert_non_null(ws);
    assert_int_equal(status, 101);
    assert_string_equal(peer_field(&the_peer, "Authorization"), "x");
    assert_string_equal(peer_field(&the_peer, "Cookie"), "a=b");
    spout_websocket_unref(ws);
    ws = connect_redirected("/foreign", 5, &status);
    assert_non_null(ws);
    assert_string_equal(peer_field(&the_peer, "Host"), "other:99");
    assert_string_equal(peer_field(&the_peer, "X-Kept"), "y");
    assert_null(peer_field(&the_peer, "Authorization"));
    assert_null(peer_field(&the_peer, "Cookie"));
    spout_websocket_unref(ws);
    assert_null(connect_redirected("/loop", 7, &status));
    assert_int_equal(the_peer.connections, 8);
    assert_int_equal(status, 308);
    assert_null(connect_redirected("/bad", 7, &status));
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    assert_int_equal(status, 302);
    return 0;
}

static void follows_redirects_if_told_to(void **state)
{
    (void)state;
    assert_int_equal(play(redirect_script, follow_redirects), 0);
}

/* --- proxies --- */

static const char *proxy_answer;
static char proxy_request[sizeof the_peer.request];

static int proxy_script(peer *p, spout_stream *stream)
{
    if (peer_read_request(p, stream) < 0)
        return -1;
    snprintf(proxy_request, sizeof proxy_request, "%s", p->request);
    if (peer_say(stream, proxy_answer) < 0 || strncmp(proxy_answer, "HTTP/1.1 200", 12) != 0)
        return -1;
    return echo_script(p, stream);
}

static spout_websocket *connect_by_proxy(const char *user, int *ret_status)
{
    const char *proxy = spout_scope_format(
        "http://%s127.0.0.1:%d", user, spout_tcp_server_port(the_peer.server));
    return spout_websocket_connect("ws://far.example/chat",
        &(spout_websocket_connect_options){ .proxy = proxy, .ret_status = ret_status });
}

static int go_through_a_proxy(void *arg)
{
    (void)arg;
    int status = -1;
    proxy_answer = "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n";
    spout_websocket *ws = connect_by_proxy("", &status);
    assert_non_null(ws);
    assert_int_equal(status, 101);
    assert_string_equal(
        proxy_request, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\r\n");
    assert_memory_equal(the_peer.request, "GET /chat HTTP/1.1\r\nHost: far.example\r\n", 39);
    assert_int_equal(spout_websocket_write_text(ws, "through"), 0);
    expect_message(ws, "through");
    spout_websocket_unref(ws);
    ws = connect_by_proxy("Aladdin:open%20sesame@", &status);
    assert_non_null(ws);
    assert_non_null(
        strstr(proxy_request, "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    assert_null(strstr(the_peer.request, "Authorization"));
    spout_websocket_unref(ws);
    proxy_answer = "HTTP/1.1 407 Who are you\r\n\r\n";
    assert_null(connect_by_proxy("", &status));
    assert_int_equal(status, 407);
    assert_non_null(strstr(all_messages(), "the proxy has answered 407 Who are you"));
    proxy_answer = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 X\r\n";
    assert_null(connect_by_proxy("", &status));
    assert_int_equal(spout_error_code_current(), SPOUT_EPROTO);
    return 0;
}

static void goes_through_proxies(void **state)
{
    (void)state;
    assert_int_equal(play(proxy_script, go_through_a_proxy), 0);
}

/* --- cancellation --- */

static int connect_and_read(void *arg)
{
    int *result = arg;
    spout_websocket *ws = connect_with(&(spout_websocket_connect_options){ .max_redirects = 3 });
    spout_message m;
    *result = ws ? spout_websocket_read(ws, &m) : spout_error_code_current();
    spout_websocket_unref(ws);
    return 0;
}

static int cancel_after_turns(void *arg)
{
    (void)arg;
    int reached_end = 0;
    for (int turns = 0; turns < 40; turns++) {
        int result = 1;
        spout_group *group = spout_group_new();
        the_peer.connections = 0;
        assert_int_equal(spout_group_start(group, connect_and_read, &result, NULL), 0);
        for (int i = 0; i < turns; i++)
            spout_yield();
        spout_group_cancel(group);
        (void)spout_group_join(group);
        spout_group_free(group);
        assert_true(result == SPOUT_ECANCELED || result == 1);
        reached_end += result == SPOUT_ECANCELED;
    }
    assert_true(reached_end > 20);
    return 0;
}

static void is_cancelled_anywhere(void **state)
{
    (void)state;
    assert_int_equal(play(redirect_script, cancel_after_turns), 0);
}

/* --- what comes with the answer --- */

static int hasty_script(peer *p, spout_stream *stream)
{
    char accept[29], text[512];
    static char large[200000];
    if (peer_read_request(p, stream) < 0)
        return -1;
    spi_websocket_accept_value(peer_field(p, "Sec-WebSocket-Key"), accept);
    int len = snprintf(text, sizeof text,
        SWITCHING UPGRADE CONNECTION
        "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi\x82\x7F%c%c%c%c%c%c%c%c",
        accept, 0, 0, 0, 0, 0, 3, 0x0D, 0x40);
    memset(large, 'x', sizeof large);
    spout_bytes pieces[] = { { text, (size_t)len }, { large, sizeof large } };
    if (spout_stream_writev(stream, pieces, 2) < 0)
        return -1;
    return peer_finish(p, stream);
}

static int read_hasty_messages(void *arg)
{
    (void)arg;
    spout_message m;
    spout_websocket *ws = connect_plain();
    expect_message(ws, "hi");
    assert_int_equal(spout_websocket_read(ws, &m), 1);
    assert_int_equal(m.len, 200000);
    assert_true(m.binary);
    spout_websocket_unref(ws);
    return 0;
}

static void keeps_what_comes_with_the_answer(void **state)
{
    (void)state;
    assert_int_equal(play(hasty_script, read_hasty_messages), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(connects_and_talks),
        peer_test_tcp(connects_over_tcp),
        peer_test(sends_the_users_headers),
        peer_test(knows_the_urls_user),
        peer_test(refuses_options_that_make_no_sense),
        peer_test(agrees_on_a_subprotocol),
        peer_test(refuses_what_was_not_offered),
        peer_test(takes_proper_answers_alone),
        peer_test(says_what_went_wrong),
        peer_test(bounds_what_it_reads),
        peer_test(says_that_nobody_is_there),
        peer_test(waits_so_long_and_no_longer),
        peer_test(follows_redirects_if_told_to),
        peer_test_tcp(goes_through_proxies),
        peer_test(is_cancelled_anywhere),
        peer_test(keeps_what_comes_with_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
