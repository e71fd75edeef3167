/*
 * Lets the n-th socket call of a conversation fail; then the n+1-th; until none is left; with each
 * error in turn. And the whole conversation once with calls that move a byte at a time. For each
 * kind of stream.
 */
#define _GNU_SOURCE
#include "faults.h"
#include "tls_kit.h"

#include <spout/stream.h>
#include <spout/task.h>
#include <spout/tcpclient.h>
#include <spout/tcpserver.h>

/* --- the conversations --- */

enum { LARGE = 100 * 1000, SMALL = 9000, FILE_SIZE = 5000, LIMIT_MS = 3600 * 1000 };

static size_t large_size;
static bool is_cut_short; /* part of an answer looked like a whole one */
static char *large;
static spout_tls *server_tls, *client_tls;

static int echo(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes bytes;
    while (spout_stream_read_some(stream, 0, &bytes) == 0)
        if (spout_stream_write(stream, bytes) < 0)
            return SPOUT_ECLOSED;
    return SPOUT_ECLOSED;
}

static int speak(void *arg)
{
    spout_stream *stream = arg;
    const spout_bytes pieces[] = { spout_bytes_of("head"), { large, large_size } };
    if (spout_stream_writev(stream, pieces, 2) < 0 ||
        spout_stream_write_file(stream, kit_file(large, FILE_SIZE), 0, SPOUT_NONE) < 0 ||
        spout_stream_write(stream, spout_bytes_of("tail")) < 0)
        return spout_error_code_current();
    return spout_stream_shutdown(stream);
}

static bool is_answer(spout_bytes got)
{
    return got.len == 8 + large_size + FILE_SIZE && memcmp(got.data, "head", 4) == 0 &&
           memcmp(got.data + 4, large, large_size) == 0 &&
           memcmp(got.data + 4 + large_size, large, FILE_SIZE) == 0 &&
           memcmp(got.data + 4 + large_size + FILE_SIZE, "tail", 4) == 0;
}

static int listen_for_answer(void *arg)
{
    spout_bytes got;
    int result = spout_stream_read_until_close(arg, 0, &got);
    if (result < 0)
        return result;
    is_cut_short = !is_answer(got);
    return is_cut_short ? spout_error_set(SPOUT_EPROTO, "%zu bytes came back", got.len) : 0;
}

static int both(spout_task_fn *first, void *first_arg, spout_task_fn *second, void *second_arg)
{
    spout_group *group = spout_group_new();
    spout_group_start(group, first, first_arg, NULL);
    spout_group_start(group, second, second_arg, NULL);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static int introduce(spout_stream *stream, bool tls)
{
    int result = spout_stream_write(
        stream, spout_bytes_of("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"));
    if (result == 0)
        result = spout_stream_flush(stream);
    return result < 0 || !tls ? result : spout_stream_start_tls(stream, client_tls, "localhost");
}

static int call(const spout_listen_options *options, int port)
{
    spout_stream *stream = spout_tcp_connect(options->unix_path ? options->unix_path : "127.0.0.1",
        port, &(spout_tcp_connect_options){ .source_ip = "127.0.0.1" });
    if (!stream)
        return spout_error_code_current();
    int result = introduce(stream, options->tls);
    if (result == 0)
        result = both(speak, stream, listen_for_answer, stream);
    spout_stream_close(stream);
    return result;
}

/* A server that sends everything back, and its client. */
static int converse(const spout_listen_options *options)
{
    spout_tcp_server *server = spout_tcp_server_new(echo, NULL, NULL);
    int result = spout_tcp_server_listen(server, options);
    int port = spout_tcp_server_port(server);
    if (result == 0 && port == 0 && !options->unix_path)
        result = SPOUT_ESYSTEM; /* the port could not be asked for */
    if (result == 0)
        result = call(options, port);
    spout_tcp_server_free(server);
    return result;
}

static const char *const proxies[] = { "127.0.0.0/8", "unix", NULL };

static int over_tcp(void)
{
    return converse(&(spout_listen_options){ .address = "127.0.0.1", .proxies = proxies });
}

static int over_unix(void)
{
    char path[64];
    snprintf(path, sizeof path, "@spout-fault-walk-%d", (int)getpid());
    return converse(&(spout_listen_options){ .unix_path = path, .proxies = proxies });
}

static int over_tls(void)
{
    return converse(
        &(spout_listen_options){ .address = "127.0.0.1", .proxies = proxies, .tls = server_tls });
}

static int write_to_pipe(void *arg)
{
    int result = spout_stream_write(arg, (spout_bytes){ large, large_size });
    return result < 0 ? result : spout_stream_shutdown(arg);
}

static int read_from_pipe(void *arg)
{
    spout_bytes got;
    int result = spout_stream_read_until_close(arg, 0, &got);
    if (result < 0)
        return result;
    bool same = got.len == large_size && memcmp(got.data, large, large_size) == 0;
    return same ? 0 : spout_error_set(SPOUT_EPROTO, "%zu bytes came through", got.len);
}

static int over_pipes(void)
{
    assert_int_equal(pipe(pipe_fds), 0);
    spout_stream *in = spout_stream_open_pipe(pipe_fds[0], NULL);
    spout_stream *out = spout_stream_open_pipe(pipe_fds[1], NULL);
    int result = both(write_to_pipe, out, read_from_pipe, in);
    spout_stream_close(in);
    spout_stream_close(out);
    pipe_fds[0] = pipe_fds[1] = -1;
    return result;
}

/* --- the walk --- */

typedef int conversation(void) SPOUT_SUSPENDS;

static conversation *current;

static int run_current(void *arg)
{
    int *result = arg;
    spout_deadline_set_ms(LIMIT_MS);
    *result = current();
    if (*result < 0 && getenv("SPOUT_TEST_TELL"))
        fprintf(stderr, "call %d (%s), errno %d: %s\n", fatal_call, struck, fatal_errno,
            spout_error_message());
    return 0;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int run_once(void)
{
    fake_clock now;
    int result = 1, before = open_descriptors();
    spout_loop *loop = kit_fake_loop_with(&now, fake_skip_patiently);
    calls = 0;
    is_cut_short = false;
    assert_int_equal(spout_loop_run_sync(loop, run_current, &result, 0), 0);
    spout_loop_free(loop);
    assert_int_equal(open_descriptors(), before);
    return result;
}

/* An interruption, or "not now", is no failure where bytes are moved or connections taken. A call
   that sets something up has no right to either, and may fail. */
static bool may_fail(int errnum)
{
    return (errnum != EINTR && errnum != EAGAIN) || !struck_a_move;
}

/* Returns how many of the runs failed. */
static int walk(int errnum)
{
    int failed = 0;
    for (fatal_call = 1;; fatal_call++) {
        kit_log_text[0] = '\0';
        fatal_errno = errnum;
        int result = run_once();
        if (calls < fatal_call) {
            assert_int_equal(result, 0);
            break;
        }
        if (result == SPOUT_ETIMEDOUT)
            fail_msg("call %d (%s) with errno %d: stands still", fatal_call, struck, errnum);
        if (result < 0 && !may_fail(errnum))
            fail_msg("call %d (%s) with errno %d: error %d", fatal_call, struck, errnum, result);
        if (is_cut_short && (current == over_tcp || current == over_tls))
            fail_msg("call %d (%s) with errno %d: cut short", fatal_call, struck, errnum);
        failed += result < 0;
    }
    int walked = fatal_call - 1;
    fatal_call = 0;
    assert_true(walked >= 4);
    return failed;
}

static void walk_all(conversation *what)
{
    static const int errnums[] = { ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EMFILE, EINTR, EAGAIN };
    current = what;
    fatal_call = 0;
    large_size = SMALL;
    byte_by_byte = true;
    assert_int_equal(run_once(), 0);
    byte_by_byte = false;
    large_size = LARGE;
    kit_log_capture();
    for (size_t i = 0; i < sizeof errnums / sizeof errnums[0]; i++) {
        int failed = walk(errnums[i]);
        assert_true(failed > 0 || errnums[i] == EINTR || errnums[i] == EAGAIN);
    }
    spout_log_set_sink(NULL);
}

static void test_tcp(void **state)
{
    (void)state;
    walk_all(over_tcp);
}

static void test_unix(void **state)
{
    (void)state;
    walk_all(over_unix);
}

static void test_tls(void **state)
{
    (void)state;
    walk_all(over_tls);
}

static void test_pipes(void **state)
{
    (void)state;
    walk_all(over_pipes);
}

static int set_up(void **state)
{
    certs_set_up(state);
    server_tls = certs_server("server");
    client_tls = certs_client();
    large = kit_pattern(LARGE, 6);
    return 0;
}

static int tear_down(void **state)
{
    spi_free(large);
    spout_tls_unref(server_tls);
    spout_tls_unref(client_tls);
    return certs_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_pipes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
