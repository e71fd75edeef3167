/* Streams: each kind of read, limits, splits, ends, back-pressure. One coroutine is under test, the
   peer is a descriptor. */
#include "kit.h"

#include <spout/stream.h>
#include <spout/task.h>

#include <netinet/tcp.h>

static spout_loop *loop;
static int fds[2];
static spout_stream *stream;

static int set_up(void **state)
{
    (void)state;
    loop = kit_loop();
    kit_unix_pair(fds);
    stream = spout_stream_open(fds[0], NULL);
    assert_non_null(stream);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spout_stream_close(stream);
    if (fds[1] >= 0)
        close(fds[1]);
    spout_loop_free(loop);
    return 0;
}

static void reopen(const spout_stream_options *options)
{
    spout_stream_close(stream);
    close(fds[1]);
    kit_unix_pair(fds);
    stream = spout_stream_open(fds[0], options);
    assert_non_null(stream);
}

static void send_text(const char *text)
{
    assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void end_peer(void)
{
    close(fds[1]);
    fds[1] = -1;
}

static void run(spout_task_fn *fn, void *arg)
{
    assert_int_equal(spout_loop_run_sync(loop, fn, arg, 30000), 0);
}

static void expect(spout_bytes bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

static int reads(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    char out[4];
    send_text("line one\r\nline two\r\n0123456789abcdef");
    assert_int_equal(spout_stream_read_until(stream, "\r\n", 100, &bytes), 0);
    expect(bytes, "line one\r\n");
    assert_int_equal(spout_stream_read_until(stream, "\r\n", 0, &bytes), 0);
    expect(bytes, "line two\r\n");
    assert_int_equal(spout_stream_read(stream, 4, &bytes), 0);
    expect(bytes, "0123");
    assert_int_equal(spout_stream_read(stream, 0, &bytes), 0);
    expect(bytes, "");
    assert_int_equal(spout_stream_read_into(stream, out, 4), 0);
    assert_memory_equal(out, "4567", 4);
    assert_int_equal(spout_stream_read_some(stream, 3, &bytes), 0);
    expect(bytes, "89a");
    assert_int_equal(spout_stream_read_some(stream, 100, &bytes), 0);
    expect(bytes, "bcdef");
    end_peer();
    assert_int_equal(spout_stream_read_until_close(stream, 100, &bytes), 0);
    expect(bytes, "");
    assert_int_equal(spout_stream_read_some(stream, 100, &bytes), SPOUT_ECLOSED);
    return 0;
}

static void test_each_read(void **state)
{
    (void)state;
    run(reads, NULL);
}

static int read_all_at_close(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    send_text("everything ");
    assert_int_equal(spout_yield(), 0);
    send_text("until the end");
    shutdown(fds[1], SHUT_WR);
    assert_int_equal(spout_stream_read_until_close(stream, 100, &bytes), 0);
    expect(bytes, "everything until the end");
    assert_false(spout_stream_is_closed(stream));
    assert_int_equal(spout_stream_write(stream, spout_bytes_of("half-open")), 0);
    assert_int_equal(spout_stream_flush(stream), 0);
    return 0;
}

static void test_read_until_close(void **state)
{
    (void)state;
    run(read_all_at_close, NULL);
    char got[16];
    assert_int_equal(read(fds[1], got, sizeof got), 9);
}

static void test_outside_a_coroutine(void **state)
{
    (void)state;
    spout_bytes bytes;
    assert_int_equal(spout_stream_read(stream, 1, &bytes), SPOUT_ESTATE);
}

/* A conversation is delivered in pieces of every size. */
static const char conversation[] = "GET\r\n\r\n12345678\r\rX\r\nabcdefgh.rest";
static size_t piece;

static int deliver(void *arg)
{
    (void)arg;
    for (size_t at = 0; at < sizeof conversation - 1; at += piece) {
        size_t len = sizeof conversation - 1 - at < piece ? sizeof conversation - 1 - at : piece;
        assert_int_equal(write(fds[1], conversation + at, len), (ssize_t)len);
        if (spout_sleep(0) < 0 || spout_yield() < 0)
            return -1;
    }
    shutdown(fds[1], SHUT_WR);
    return 0;
}

static int follow(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    assert_int_equal(spout_spawn(deliver, NULL, NULL), 0);
    assert_int_equal(spout_stream_read_until(stream, "\r\n\r\n", 64, &bytes), 0);
    expect(bytes, "GET\r\n\r\n");
    assert_int_equal(spout_stream_read(stream, 8, &bytes), 0);
    expect(bytes, "12345678");
    assert_int_equal(spout_stream_read_until(stream, "\r\n", 64, &bytes), 0);
    expect(bytes, "\r\rX\r\n");
    char out[9] = { 0 };
    assert_int_equal(spout_stream_read_into(stream, out, 8), 0);
    assert_string_equal(out, "abcdefgh");
    assert_int_equal(spout_stream_read_some(stream, 1, &bytes), 0);
    expect(bytes, ".");
    assert_int_equal(spout_stream_read_until_close(stream, 0, &bytes), 0);
    expect(bytes, "rest");
    return 0;
}

static void test_split_deliveries(void **state)
{
    (void)state;
    for (piece = 1; piece < sizeof conversation; piece++) {
        run(follow, NULL);
        reopen(NULL);
    }
}

static int limits(void *arg)
{
    (void)arg;
    spout_bytes bytes = { "untouched", 9 };
    send_text("0123456789\nrest");
    assert_int_equal(spout_stream_read_until(stream, "\n", 10, &bytes), SPOUT_ELIMIT);
    assert_message("10 bytes");
    assert_int_equal(spout_stream_read_until(stream, "none", 15, &bytes), SPOUT_ELIMIT);
    assert_int_equal(spout_stream_read_until_close(stream, 14, &bytes), SPOUT_ELIMIT);
    assert_int_equal(spout_stream_read_until(stream, "", 15, &bytes), SPOUT_EINVAL);
    assert_int_equal(spout_stream_read_until(stream, NULL, 15, &bytes), SPOUT_EINVAL);
    expect(bytes, "untouched");
    assert_int_equal(spout_stream_read_until(stream, "\n", 11, &bytes), 0);
    expect(bytes, "0123456789\n");
    assert_int_equal(spout_stream_read(stream, 4, &bytes), 0);
    expect(bytes, "rest");
    return 0;
}

static void test_limits(void **state)
{
    (void)state;
    run(limits, NULL);
}

static int small_buffer(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    char *data = kit_pattern(5000, 1);
    assert_int_equal(spout_stream_read(stream, 1001, &bytes), SPOUT_ELIMIT);
    assert_int_equal(write(fds[1], data, 5000), 5000);
    assert_int_equal(spout_stream_read_until(stream, "no such thing", 0, &bytes), SPOUT_ELIMIT);
    for (size_t at = 0; at < 5000; at += 1000) {
        assert_int_equal(spout_stream_read(stream, 1000, &bytes), 0);
        assert_memory_equal(bytes.data, data + at, 1000);
    }
    spi_free(data);
    return 0;
}

static void test_small_buffer(void **state)
{
    (void)state;
    reopen(&(spout_stream_options){ .max_buffer_size = 1000 });
    run(small_buffer, NULL);
}

static int interrupted(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    send_text("half");
    int64_t outer = spout_deadline_set_ms(20);
    assert_int_equal(spout_stream_read(stream, 8, &bytes), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    send_text("half");
    assert_int_equal(spout_stream_read(stream, 8, &bytes), 0);
    expect(bytes, "halfhalf");
    return 0;
}

static void test_deadline_keeps_the_bytes(void **state)
{
    (void)state;
    run(interrupted, NULL);
}

static int read_eight(void *arg)
{
    spout_bytes bytes;
    *(int *)arg = spout_stream_read(stream, 8, &bytes);
    return 0;
}

static int cancelled(void *arg)
{
    (void)arg;
    int result = 0;
    spout_bytes bytes;
    spout_group *group = spout_group_new();
    send_text("half");
    assert_int_equal(spout_group_start(group, read_eight, &result, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(spout_yield(), 0);
    assert_int_equal(spout_stream_read(stream, 1, &bytes), SPOUT_ESTATE);
    spout_group_cancel(group);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECANCELED);
    assert_int_equal(spout_stream_read(stream, 4, &bytes), 0);
    expect(bytes, "half");
    return 0;
}

static void test_cancelling_keeps_the_bytes(void **state)
{
    (void)state;
    run(cancelled, NULL);
}

static int what_came_before_the_end(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    assert_int_equal(spout_stream_read(stream, 6, &bytes), 0);
    expect(bytes, "enough");
    assert_int_equal(spout_stream_read(stream, 20, &bytes), SPOUT_ECLOSED);
    assert_message("the peer has closed the connection");
    assert_int_equal(spout_stream_read_until(stream, "\n", 20, &bytes), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_read(stream, 5, &bytes), 0);
    expect(bytes, " more");
    return 0;
}

static void test_satisfiable_reads_come_before_the_end(void **state)
{
    (void)state;
    send_text("enough more");
    end_peer();
    kit_turns(loop, 3);
    run(what_came_before_the_end, NULL);
}

static int reset_after_some_bytes(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    send_text("abcd");
    int64_t outer = spout_deadline_set_ms(1);
    assert_int_equal(
        spout_stream_read(stream, 100, &bytes), SPOUT_ETIMEDOUT); /* now the stream has them */
    spout_deadline_restore(outer);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    end_peer();
    assert_int_equal(spout_stream_read(stream, 2, &bytes), 0);
    expect(bytes, "ab");
    assert_int_equal(spout_stream_read_until_close(stream, 0, &bytes), SPOUT_ECLOSED);
    assert_message("reset");
    assert_int_equal(spout_stream_read(stream, 2, &bytes), 0);
    expect(bytes, "cd");
    assert_int_equal(spout_stream_write(stream, spout_bytes_of("x")), SPOUT_ECLOSED);
    assert_message("reset");
    assert_int_equal(spout_stream_flush(stream), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_shutdown(stream), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_set_nodelay(stream, true), SPOUT_ECLOSED);
    assert_true(spout_stream_is_closed(stream));
    return 0;
}

static void test_reset_is_no_end(void **state)
{
    (void)state;
    spout_stream_close(stream);
    close(fds[1]);
    kit_tcp_pair(fds);
    stream = spout_stream_open(fds[0], NULL);
    run(reset_after_some_bytes, NULL);
}

/* Slow reader: the writer must wait, and neither side's buffers grow beyond their marks. */
enum { PUMPED = 10 * 1024 * 1024 };
static size_t most_pending;

static int write_all(void *arg)
{
    const char *data = arg;
    for (size_t at = 0; at < PUMPED; at += 32768) {
        assert_int_equal(spout_stream_write(stream, (spout_bytes){ data + at, 32768 }), 0);
        size_t pending = spi_transport_pending((spout_transport *)stream);
        most_pending = pending > most_pending ? pending : most_pending;
    }
    assert_int_equal(spout_stream_shutdown(stream), 0);
    return 0;
}

static int read_slowly(void *arg)
{
    spout_stream *other = arg;
    spout_bytes bytes;
    size_t total = 0;
    unsigned seed = 77;
    int result;
    while ((result = spout_stream_read_some(other, 5000, &bytes)) == 0) {
        for (size_t i = 0; i < bytes.len; i++) {
            seed = seed * 1103515245u + 12345u;
            if (bytes.data[i] != (char)(seed >> 16))
                return spout_error_set(SPOUT_EPROTO, "other bytes than were sent");
        }
        total += bytes.len;
        if (total % 7 == 0 && spout_yield() < 0)
            return -1;
    }
    assert_int_equal(result, SPOUT_ECLOSED);
    assert_int_equal(total, PUMPED);
    return 0;
}

static int pump(void *arg)
{
    spout_group *group = spout_group_new();
    spout_stream *other = spout_stream_open(
        fds[1], &(spout_stream_options){ .max_buffer_size = 65536 });
    fds[1] = -1;
    assert_int_equal(spout_group_start(group, write_all, arg, NULL), 0);
    assert_int_equal(spout_group_start(group, read_slowly, other, NULL), 0);
    int result = spout_group_join(group);
    spout_group_free(group);
    spout_stream_close(other);
    return result;
}

static void test_back_pressure(void **state)
{
    (void)state;
    char *data = kit_pattern(PUMPED, 77);
    most_pending = 0;
    run(pump, data);
    assert_true(most_pending > 0);
    assert_true(most_pending <= 64 * 1024 + 64 * 1024);
    spi_free(data);
}

static int echo_with_the_line_held(void *arg)
{
    (void)arg;
    spout_bytes line;
    char *large = kit_pattern(300000, 3);
    send_text("held\nnext\n");
    assert_int_equal(spout_stream_read_until(stream, "\n", 100, &line), 0);
    assert_int_equal(spout_stream_write(stream, (spout_bytes){ large, 300000 }), 0);
    send_text("and much more that comes meanwhile\n");
    int64_t outer = spout_deadline_set_ms(10);
    assert_int_equal(spout_stream_flush(stream), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    expect(line, "held\n");
    assert_int_equal(spout_stream_read_until(stream, "\n", 100, &line), 0);
    expect(line, "next\n");
    spi_free(large);
    return 0;
}

static void test_what_was_read_stays_while_writing(void **state)
{
    (void)state;
    run(echo_with_the_line_held, NULL);
}

static int flush_large(void *arg)
{
    (void)arg;
    char *large = kit_pattern(1 << 20, 3);
    assert_int_equal(spout_stream_write(stream, (spout_bytes){ large, 1 << 20 }), 0);
    spi_free(large);
    int result = spout_stream_flush(stream);
    assert_int_equal(spi_transport_pending((spout_transport *)stream), 0);
    return result;
}

static int drain_peer(void *arg)
{
    spi_buffer *got = arg;
    while (spi_buffer_len(got) < 1 << 20) {
        kit_drain_fd(fds[1], got);
        if (spout_yield() < 0)
            return -1;
    }
    return 0;
}

static int flush_and_drain(void *arg)
{
    spout_group *group = spout_group_new();
    spout_group_start(group, flush_large, NULL, NULL);
    spout_group_start(group, drain_peer, arg, NULL);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void test_flush_waits_for_all(void **state)
{
    (void)state;
    spi_buffer got;
    spi_buffer_init(&got, 1 << 21);
    run(flush_and_drain, &got);
    assert_int_equal(spi_buffer_len(&got), 1 << 20);
    spi_buffer_release(&got);
}

static int write_and_leave(void *arg)
{
    char *large = arg;
    assert_int_equal(spout_stream_write(stream, (spout_bytes){ large, 1 << 20 }), 0);
    spout_stream_close(stream);
    stream = NULL;
    return 0;
}

static void test_close_drains_in_the_background(void **state)
{
    (void)state;
    char *large = kit_pattern(1 << 20, 9);
    spi_buffer got;
    spi_buffer_init(&got, 1 << 21);
    run(write_and_leave, large);
    kit_collect(loop, fds[1], &got, 1 << 20);
    assert_memory_equal(spi_buffer_head(&got), large, 1 << 20);
    spi_free(large);
    spi_buffer_release(&got);
}

static void test_loop_ends_while_closing(void **state)
{
    (void)state;
    char *large = kit_pattern(1 << 20, 9);
    run(write_and_leave, large);
    spi_free(large);
}

static void test_stream_outlives_its_loop(void **state)
{
    (void)state;
    spout_bytes bytes;
    spout_loop_free(loop);
    loop = NULL;
    assert_true(spout_stream_is_closed(stream));
    assert_int_equal(spout_stream_read(stream, 1, &bytes), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_write(stream, spout_bytes_of("x")), SPOUT_ECLOSED);
}

static int waiting_reader(void *arg)
{
    spout_bytes bytes;
    *(int *)arg = spout_stream_read(stream, 1, &bytes);
    return 0;
}

static int close_under_reader(void *arg)
{
    (void)arg;
    int result = 0;
    spout_group *group = spout_group_new();
    spout_group_start(group, waiting_reader, &result, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_yield(), 0);
    spout_stream *gone = stream;
    stream = NULL;
    spout_stream_close(gone);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECLOSED);
    return 0;
}

static void test_closed_under_a_waiting_reader(void **state)
{
    (void)state;
    run(close_under_reader, NULL);
    end_peer();
    kit_turns(loop, 3);
}

/* The loss has happened, but neither the reader nor the stream knows yet. */
static int close_when_lost(void *arg)
{
    (void)arg;
    int result = 0;
    spout_group *group = spout_group_new();
    spout_group_start(group, waiting_reader, &result, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spout_yield(), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    end_peer();
    while (!spout_stream_is_closed(stream))
        assert_int_equal(spout_yield(), 0);
    spout_stream *gone = stream;
    stream = NULL;
    spout_stream_close(gone);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECLOSED);
    return 0;
}

static void test_closed_when_lost_under_a_waiting_reader(void **state)
{
    (void)state;
    spout_stream_close(stream);
    close(fds[1]);
    kit_tcp_pair(fds);
    stream = spout_stream_open(fds[0], NULL);
    run(close_when_lost, NULL);
}

static void test_settings(void **state)
{
    (void)state;
    assert_string_equal(spout_stream_remote_ip(stream), "");
    assert_int_equal(spout_stream_set_nodelay(stream, true), 0);
    spout_stream_close(stream);
    close(fds[1]);
    kit_tcp_pair(fds);
    stream = spout_stream_open(fds[0], NULL);
    assert_string_equal(spout_stream_remote_ip(stream), "127.0.0.1");
    for (int on = 1; on >= 0; on--) {
        int is_on = -1;
        socklen_t len = sizeof is_on;
        assert_int_equal(spout_stream_set_nodelay(stream, on), 0);
        assert_int_equal(getsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &is_on, &len), 0);
        assert_int_equal(is_on != 0, on);
    }
    spout_stream_close(NULL);
    assert_null(spout_stream_open(-1, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESYSTEM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_read),
        TEST(test_read_until_close),
        TEST(test_outside_a_coroutine),
        TEST(test_split_deliveries),
        TEST(test_limits),
        TEST(test_small_buffer),
        TEST(test_deadline_keeps_the_bytes),
        TEST(test_cancelling_keeps_the_bytes),
        TEST(test_satisfiable_reads_come_before_the_end),
        TEST(test_reset_is_no_end),
        TEST(test_back_pressure),
        TEST(test_what_was_read_stays_while_writing),
        TEST(test_flush_waits_for_all),
        TEST(test_close_drains_in_the_background),
        TEST(test_loop_ends_while_closing),
        TEST(test_stream_outlives_its_loop),
        TEST(test_closed_under_a_waiting_reader),
        TEST(test_closed_when_lost_under_a_waiting_reader),
        TEST(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
