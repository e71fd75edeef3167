/* What holds for streams of every kind: each test runs once for each row of kinds.h. */
#include "kinds.h"

static const kind *now;
static spout_loop *loop;
static end left, right; /* left writes, right reads, unless a test says otherwise */

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

static void send_text(const char *text)
{
    assert_int_equal(spout_stream_write(left.out, spout_bytes_of(text)), 0);
}

/* Sent, and in the reader's system buffers. */
static void deliver(const char *text)
{
    send_text(text);
    assert_int_equal(spout_stream_flush(left.out), 0);
}

static void reopen(const spout_stream_options *options)
{
    end_close(&left);
    end_close(&right);
    end ends[2];
    now->open(ends, options);
    left = ends[0];
    right = ends[1];
}

/* Runs two coroutines to their ends. */
static void both(spout_task_fn *first, void *first_arg, spout_task_fn *second, void *second_arg)
{
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, first, first_arg, NULL), 0);
    assert_int_equal(spout_group_start(group, second, second_arg, NULL), 0);
    if (spout_group_join(group) < 0)
        fail_msg("%s", spout_error_message());
    spout_group_free(group);
}

static void turns(int count)
{
    while (count-- > 0)
        assert_int_equal(spout_yield(), 0);
}

/* --- reads --- */

static void each_read(void)
{
    spout_bytes bytes;
    char out[8] = { 0 };
    size_t len;
    deliver("one\r\ntwo\r\n0123456789abcdefKEY: 42;rest");
    assert_int_equal(spout_stream_read_until(right.in, "\r\n", 100, &bytes), 0);
    expect(bytes, "one\r\n");
    assert_int_equal(spout_stream_read_until(right.in, "\r\n", 0, &bytes), 0);
    expect(bytes, "two\r\n");
    assert_int_equal(spout_stream_read(right.in, 4, &bytes), 0);
    expect(bytes, "0123");
    assert_int_equal(spout_stream_read_into(right.in, out, 4), 0);
    assert_memory_equal(out, "4567", 4);
    assert_int_equal(spout_stream_read_some(right.in, 3, &bytes), 0);
    expect(bytes, "89a");
    assert_int_equal(spout_stream_read_some_into(right.in, out, 5, &len), 0);
    assert_int_equal(len, 5);
    assert_memory_equal(out, "bcdef", 5);
    assert_int_equal(spout_stream_read_until_regex(right.in, "[A-Z]+: \\d+;", 0, &bytes), 0);
    expect(bytes, "KEY: 42;");
    end_close_out(&left);
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), 0);
    expect(bytes, "rest");
    assert_int_equal(spout_stream_read_some(right.in, 0, &bytes), SPOUT_ECLOSED);
}

static void nothing_is_something(void)
{
    spout_bytes bytes = { NULL, 9 };
    char out[1];
    size_t len = 9;
    assert_int_equal(spout_stream_write(left.out, (spout_bytes){ "", 0 }), 0);
    assert_int_equal(spout_stream_writev(left.out, NULL, 0), 0);
    assert_int_equal(spout_stream_read(right.in, 0, &bytes), 0);
    expect(bytes, "");
    assert_int_equal(spout_stream_read_into(right.in, out, 0), 0);
    assert_int_equal(spout_stream_read_some_into(right.in, out, 0, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(spout_stream_flush(left.out), 0);
    deliver("x");
    assert_int_equal(spout_stream_read(right.in, 1, &bytes), 0);
    expect(bytes, "x");
}

static const char conversation[] = "GET\r\n\r\n12345678\r\rX\r\nabcdefgh.k=v;;rest";
static size_t piece;

static int talk(void *arg)
{
    (void)arg;
    for (size_t at = 0; at < sizeof conversation - 1; at += piece) {
        size_t left_over = sizeof conversation - 1 - at;
        spout_bytes part = { conversation + at, left_over < piece ? left_over : piece };
        assert_int_equal(spout_stream_write(left.out, part), 0);
        assert_int_equal(spout_stream_flush(left.out), 0);
        turns(2);
    }
    end_close_out(&left);
    return 0;
}

static int listen_to_it(void *arg)
{
    (void)arg;
    spout_bytes bytes;
    assert_int_equal(spout_stream_read_until(right.in, "\r\n\r\n", 64, &bytes), 0);
    expect(bytes, "GET\r\n\r\n");
    assert_int_equal(spout_stream_read(right.in, 8, &bytes), 0);
    expect(bytes, "12345678");
    assert_int_equal(spout_stream_read_until_regex(right.in, "X\\r?\\n", 64, &bytes), 0);
    expect(bytes, "\r\rX\r\n");
    char out[9] = { 0 };
    assert_int_equal(spout_stream_read_into(right.in, out, 8), 0);
    assert_string_equal(out, "abcdefgh");
    assert_int_equal(spout_stream_read_some(right.in, 1, &bytes), 0);
    expect(bytes, ".");
    assert_int_equal(spout_stream_read_until_regex(right.in, "=(.*);;", 0, &bytes), 0);
    expect(bytes, "k=v;;");
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), 0);
    expect(bytes, "rest");
    return 0;
}

static void pieces_of_every_size(void)
{
    for (piece = 1; piece < sizeof conversation; piece++) {
        both(talk, NULL, listen_to_it, NULL);
        reopen(NULL);
    }
}

static void limits(void)
{
    spout_bytes bytes = { "untouched", 9 };
    deliver("0123456789\nrest");
    assert_int_equal(spout_stream_read_until(right.in, "\n", 10, &bytes), SPOUT_ELIMIT);
    assert_message("10 bytes");
    assert_int_equal(spout_stream_read_until_regex(right.in, "\\d+\n", 10, &bytes), SPOUT_ELIMIT);
    assert_message("10 bytes");
    assert_int_equal(spout_stream_read_until_regex(right.in, "none", 15, &bytes), SPOUT_ELIMIT);
    assert_int_equal(spout_stream_read_until_regex(right.in, "(", 15, &bytes), SPOUT_EINVAL);
    assert_message("bad pattern");
    assert_int_equal(spout_stream_read_until_close(right.in, 14, &bytes), SPOUT_ELIMIT);
    expect(bytes, "untouched");
    assert_int_equal(spout_stream_read_until_regex(right.in, "\\d+\n", 11, &bytes), 0);
    expect(bytes, "0123456789\n");
    assert_int_equal(spout_stream_read(right.in, 4, &bytes), 0);
    expect(bytes, "rest");
}

/* A pattern that would backtrack for ages is an error, not a loop that stands still. */
static void a_pattern_that_takes_too_long(void)
{
    spout_bytes bytes;
    char many[200];
    memset(many, 'a', sizeof many);
    many[sizeof many - 1] = '\0';
    deliver(many);
    assert_int_equal(
        spout_stream_read_until_regex(right.in, "(?:a+)+(?:b|c)", 0, &bytes), SPOUT_ELIMIT);
    assert_message("takes too long");
    assert_int_equal(spout_stream_read(right.in, sizeof many - 1, &bytes), 0);
}

static void the_end_comes_after_the_data(void)
{
    spout_bytes bytes;
    send_text("enough more");
    end_close_out(&left);
    turns(3);
    assert_int_equal(spout_stream_read(right.in, 6, &bytes), 0);
    expect(bytes, "enough");
    assert_int_equal(spout_stream_read(right.in, 20, &bytes), SPOUT_ECLOSED);
    assert_message("the peer has closed the connection");
    assert_int_equal(spout_stream_read_until_regex(right.in, "\n", 20, &bytes), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_read_until(right.in, "\n", 20, &bytes), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), 0);
    expect(bytes, " more");
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), 0);
    expect(bytes, "");
}

static int read_eight(void *arg)
{
    spout_bytes bytes;
    *(int *)arg = spout_stream_read(right.in, 8, &bytes);
    return 0;
}

static void interrupted_reads_keep_the_bytes(void)
{
    spout_bytes bytes;
    int result = 0;
    deliver("half");
    int64_t outer = spout_deadline_set_ms(10);
    assert_int_equal(spout_stream_read(right.in, 8, &bytes), SPOUT_ETIMEDOUT);
    spout_deadline_restore(outer);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, read_eight, &result, NULL), 0);
    turns(4);
    assert_int_equal(spout_stream_read(right.in, 1, &bytes), SPOUT_ESTATE);
    spout_group_cancel(group);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECANCELED);
    deliver("half");
    assert_int_equal(spout_stream_read(right.in, 8, &bytes), 0);
    expect(bytes, "halfhalf");
}

static int feed_lines(void *arg)
{
    const int *count = arg;
    for (int i = 0; i < *count; i++) {
        char line[32];
        snprintf(line, sizeof line, "%d\r\n", i);
        if (spout_stream_write(left.out, spout_bytes_of(line)) < 0)
            return -1;
    }
    return 0;
}

static int count_lines(void *arg)
{
    const int *count = arg;
    for (int i = 0; i < *count; i++) {
        spout_bytes line;
        char expected[32];
        snprintf(expected, sizeof expected, "%d\r\n", i);
        int result = i % 2 ? spout_stream_read_until(right.in, "\r\n", 100, &line)
                           : spout_stream_read_until_regex(right.in, "\\r\\n", 100, &line);
        if (result < 0)
            return result;
        expect(line, expected);
    }
    return 0;
}

static void small_reads_from_a_large_buffer(void)
{
    int count = 20000;
    both(feed_lines, &count, count_lines, &count);
}

/* --- writes --- */

static void gathered_writes(void)
{
    spout_bytes pieces[100], bytes;
    char *large = kit_pattern(40000, 5);
    for (int i = 0; i < 100; i++)
        pieces[i] = spout_bytes_of(i % 2 ? "odd " : "even ");
    assert_int_equal(spout_stream_writev(left.out, pieces, 3), 0);
    pieces[1] = (spout_bytes){ large, 40000 };
    assert_int_equal(spout_stream_writev(left.out, pieces, 3), 0);
    pieces[1] = spout_bytes_of("odd ");
    assert_int_equal(spout_stream_writev(left.out, pieces, 100), 0);
    assert_int_equal(spout_stream_read(right.in, 14, &bytes), 0);
    expect(bytes, "even odd even ");
    assert_int_equal(spout_stream_read(right.in, 5, &bytes), 0);
    assert_int_equal(spout_stream_read(right.in, 40000, &bytes), 0);
    assert_memory_equal(bytes.data, large, 40000);
    assert_int_equal(spout_stream_read(right.in, 5 + 450, &bytes), 0);
    assert_memory_equal(bytes.data + 5 + 441, "even odd ", 9);
    spi_free(large);
}

enum { FILE_SIZE = 1 << 20 };

static int write_file(void *arg)
{
    char *data = arg;
    int fd = kit_file(data, FILE_SIZE);
    assert_int_equal(spout_stream_write(left.out, spout_bytes_of("head ")), 0);
    assert_int_equal(spout_stream_write_file(left.out, dup(fd), 100, FILE_SIZE - 100), 0);
    assert_int_equal(spout_stream_write(left.out, spout_bytes_of(" tail")), 0);
    assert_int_equal(spout_stream_write_file(left.out, fd, FILE_SIZE - 3, SPOUT_NONE), 0);
    return spout_stream_flush(left.out);
}

static int expect_file(void *arg)
{
    const char *data = arg;
    spout_bytes bytes;
    assert_int_equal(spout_stream_read(right.in, 5, &bytes), 0);
    expect(bytes, "head ");
    assert_int_equal(spout_stream_read(right.in, FILE_SIZE - 100, &bytes), 0);
    assert_memory_equal(bytes.data, data + 100, FILE_SIZE - 100);
    assert_int_equal(spout_stream_read(right.in, 8, &bytes), 0);
    assert_memory_equal(bytes.data, " tail", 5);
    assert_memory_equal(bytes.data + 5, data + FILE_SIZE - 3, 3);
    return 0;
}

static void files(void)
{
    char *data = kit_pattern(FILE_SIZE, 11);
    both(write_file, data, expect_file, data);
    assert_int_equal(spout_stream_write_file(left.out, kit_file(data, 10), -1, 5), SPOUT_EINVAL);
    assert_int_equal(spout_stream_write_file(left.out, kit_file(data, 10), 0, -5), SPOUT_EINVAL);
    assert_int_equal(spout_stream_write_file(left.out, -1, 0, SPOUT_NONE), SPOUT_ESYSTEM);
    assert_int_equal(spout_stream_write_file(left.out, kit_file(data, 10), 10, SPOUT_NONE), 0);
    spi_free(data);
}

static void half_close(void)
{
    spout_bytes bytes;
    send_text("question");
    assert_int_equal(spout_stream_shutdown(left.out), 0);
    assert_int_equal(spout_stream_flush(left.out), 0);
    assert_int_equal(spout_stream_shutdown(left.out), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_write(left.out, spout_bytes_of("x")), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), 0);
    expect(bytes, "question");
    assert_int_equal(spout_stream_error(right.in), 0);
    assert_int_equal(spout_stream_write(right.out, spout_bytes_of("answer")), 0);
    end_close(&right);
    assert_int_equal(spout_stream_read_until_close(left.in, 0, &bytes), 0);
    expect(bytes, "answer");
}

static int write_a_megabyte(void *arg)
{
    assert_int_equal(spout_stream_write(left.out, (spout_bytes){ arg, 1 << 20 }), 0);
    assert_int_equal(spout_stream_flush(left.out), 0);
    assert_int_equal(spi_transport_pending((spout_transport *)left.out), 0);
    return 0;
}

static int read_a_megabyte(void *arg)
{
    spout_bytes bytes;
    assert_int_equal(spout_stream_read(right.in, 1 << 20, &bytes), 0);
    assert_memory_equal(bytes.data, arg, 1 << 20);
    return 0;
}

static void flush_waits_for_all(void)
{
    char *data = kit_pattern(1 << 20, 21);
    both(write_a_megabyte, data, read_a_megabyte, data);
    spi_free(data);
}

static void close_drains_in_the_background(void)
{
    char *data = kit_pattern(1 << 20, 22);
    assert_int_equal(spout_stream_write(left.out, (spout_bytes){ data, 1 << 20 }), 0);
    end_close(&left);
    read_a_megabyte(data);
    spi_free(data);
}

static void writing_to_nobody(void)
{
    char *data = kit_pattern(1 << 16, 23);
    deliver("unread");
    assert_int_equal(spout_stream_set_reset_on_close(right.in, true), 0);
    end_close(&right);
    int result = 0;
    for (int i = 0; i < 400 && result == 0; i++) {
        result = spout_stream_write(left.out, (spout_bytes){ data, 1 << 16 });
        if (result == 0 && spout_yield() < 0)
            break;
    }
    assert_int_equal(result, SPOUT_ECLOSED);
    turns(2);
    assert_true(spout_stream_is_closed(left.out));
    assert_int_equal(spout_stream_flush(left.out), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_shutdown(left.out), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_error(left.out), SPOUT_ECLOSED);
    spi_free(data);
}

/* --- ends --- */

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void close_callback_at_the_end_of_input(void)
{
    spout_bytes bytes;
    int calls = 0;
    deliver("data");
    spout_stream_set_close_callback(right.in, count_call, &calls);
    end_close_out(&left);
    turns(6);
    assert_int_equal(calls, 0); /* what came before is not read yet */
    assert_int_equal(spout_stream_read(right.in, 2, &bytes), 0);
    turns(4);
    assert_int_equal(calls, 0);
    assert_int_equal(spout_stream_read(right.in, 2, &bytes), 0);
    expect(bytes, "ta");
    for (int i = 0; i < 1000 && calls == 0; i++)
        assert_int_equal(spout_sleep(1), 0);
    assert_int_equal(calls, 1);
    end_close(&right);
    turns(4);
    assert_int_equal(calls, 1);
}

static void close_callback_of_ones_own_close(void)
{
    int calls = 0, removed = 0;
    spout_stream_set_close_callback(right.in, count_call, &removed);
    spout_stream_set_close_callback(right.in, NULL, NULL);
    spout_stream_set_close_callback(left.out, count_call, &calls);
    spout_stream *gone = left.out;
    left = (end){ .in = left.in == gone ? NULL : left.in };
    spout_stream_close(gone);
    assert_int_equal(calls, 0); /* never from inside */
    end_close(&right);
    turns(3);
    assert_int_equal(calls, 1);
    assert_int_equal(removed, 0);
}

static void close_callback_while_somebody_reads(void)
{
    int calls = 0, result = 0;
    spout_stream_set_close_callback(right.in, count_call, &calls);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, read_eight, &result, NULL), 0);
    deliver("half");
    turns(4);
    end_close_out(&left);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECLOSED);
    turns(2);
    assert_int_equal(calls, 0);
    spout_bytes bytes;
    assert_int_equal(spout_stream_read(right.in, 4, &bytes), 0);
    turns(2);
    assert_int_equal(calls, 1);
}

/* What was read stays where it is, though the stream goes on receiving. */
static void close_callback_while_a_line_is_held(void)
{
    int calls = 0;
    spout_bytes line;
    char *data = kit_pattern(20000, 8);
    spout_stream_set_close_callback(right.in, count_call, &calls);
    deliver("held\n");
    assert_int_equal(spout_stream_read_until(right.in, "\n", 100, &line), 0);
    assert_int_equal(spout_stream_write(left.out, (spout_bytes){ data, 20000 }), 0);
    end_close_out(&left);
    for (int i = 0; i < 20; i++)
        assert_int_equal(spout_sleep(1), 0);
    expect(line, "held\n");
    assert_int_equal(calls, 0);
    assert_int_equal(spout_stream_read(right.in, 20000, &line), 0);
    assert_memory_equal(line.data, data, 20000);
    for (int i = 0; i < 1000 && calls == 0; i++)
        assert_int_equal(spout_sleep(1), 0);
    assert_memory_equal(line.data, data, 20000);
    assert_int_equal(calls, 1);
    spi_free(data);
}

static int wait_for_a_byte(void *arg)
{
    spout_bytes bytes;
    *(int *)arg = spout_stream_read(right.in, 1, &bytes);
    return 0;
}

static void closed_under_a_reader(void)
{
    int result = 0;
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, wait_for_a_byte, &result, NULL), 0);
    turns(3);
    end_close(&right);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    assert_int_equal(result, SPOUT_ECLOSED);
}

static void reset(void)
{
    if (!now->resets)
        return;
    spout_bytes bytes;
    int calls = 0;
    deliver("abcd");
    assert_int_equal(spout_stream_read(right.in, 1, &bytes), 0);
    spout_stream_set_close_callback(right.in, count_call, &calls);
    assert_int_equal(spout_stream_set_reset_on_close(left.out, true), 0);
    end_close(&left);
    assert_int_equal(spout_stream_read(right.in, 1, &bytes), 0);
    expect(bytes, "b");
    assert_int_equal(spout_stream_read_until_close(right.in, 0, &bytes), SPOUT_ECLOSED);
    assert_message("reset");
    assert_int_equal(spout_stream_error(right.in), SPOUT_ECLOSED);
    assert_int_equal(spout_stream_read(right.in, 2, &bytes), 0);
    expect(bytes, "cd");
    turns(3);
    assert_int_equal(calls, 1);
}

static void detach(void)
{
    if (!now->detaches)
        return;
    spout_bytes bytes, rest = { 0 };
    deliver("line\nmore");
    assert_int_equal(spout_stream_read_until(right.in, "\n", 100, &bytes), 0);
    assert_int_equal(spout_stream_detach(right.in, NULL), SPOUT_ESTATE);
    assert_message("4 bytes");
    int fd = spout_stream_detach(right.in, &rest);
    assert_true(fd >= 0);
    if (right.out == right.in)
        right.out = NULL;
    right.in = NULL;
    expect(rest, "more");
    deliver("direct");
    char got[16];
    assert_int_equal(read(fd, got, sizeof got), 6);
    close(fd);
    char *data = kit_pattern(1 << 20, 2);
    if (right.out) {
        assert_int_equal(spout_stream_write(right.out, (spout_bytes){ data, 1 << 20 }), 0);
        assert_int_equal(spout_stream_detach(right.out, NULL), SPOUT_ESTATE);
    }
    spi_free(data);
}

static void settings(void)
{
    spout_keep_alive_options options = { .idle_s = 30, .interval_s = 5, .probes = 3 };
    assert_int_equal(spout_stream_set_nodelay(left.out, true), 0);
    assert_int_equal(spout_stream_set_keep_alive(left.out, NULL), 0);
    assert_int_equal(spout_stream_set_keep_alive(left.out, &options), 0);
    options.idle_s = SPOUT_NONE;
    assert_int_equal(spout_stream_set_keep_alive(left.out, &options), 0);
    assert_int_equal(spout_stream_set_reset_on_close(left.out, false), 0);
}

/* --- many bytes --- */

static size_t copied;

static size_t how_much(void)
{
    const char *megabytes = getenv("SPOUT_TEST_COPY_MIB");
    return (megabytes ? (size_t)atol(megabytes) : 16) << 20;
}

typedef struct flow {
    spout_stream *from, *to;
    size_t most_pending;
} flow;

static int copy(void *arg)
{
    flow *self = arg;
    spout_bytes bytes;
    int result;
    while ((result = spout_stream_read_some(self->from, 65536, &bytes)) == 0) {
        if (spout_stream_write(self->to, bytes) < 0)
            return -1;
        size_t pending = spi_transport_pending((spout_transport *)self->to);
        if (pending > self->most_pending)
            self->most_pending = pending;
    }
    return result == SPOUT_ECLOSED ? spout_stream_shutdown(self->to) : result;
}

/* Whole words, so that producing and checking are quick. */
static int produce(void *arg)
{
    flow *self = arg;
    static uint64_t block[4096];
    uint64_t next = 1;
    for (size_t at = 0; at < copied; at += sizeof block) {
        for (size_t i = 0; i < 4096; i++)
            block[i] = next++ * UINT64_C(0x9E3779B97F4A7C15);
        if (spout_stream_write(self->to, (spout_bytes){ (char *)block, sizeof block }) < 0)
            return -1;
    }
    return spout_stream_shutdown(self->to);
}

static int consume_slowly(void *arg)
{
    flow *self = arg;
    uint64_t next = 1;
    size_t total = 0;
    int result;
    spout_bytes bytes;
    while ((result = spout_stream_read(self->from, 8192, &bytes)) == 0) {
        for (size_t i = 0; i < 1024; i++) {
            uint64_t word;
            memcpy(&word, bytes.data + 8 * i, 8);
            if (word != next++ * UINT64_C(0x9E3779B97F4A7C15))
                return spout_error_set(SPOUT_EPROTO, "other bytes than were sent");
        }
        total += bytes.len;
        if (total % (1 << 17) == 0 && spout_sleep(1) < 0)
            return -1;
    }
    assert_int_equal(total, copied);
    return 0;
}

/* left → right, then by a copying coroutine on to a second pair, whose reader is slow. */
static void a_copy_at_the_readers_pace(void)
{
    end second[2];
    copied = how_much();
    now->open(second, &(spout_stream_options){ .max_buffer_size = 128 * 1024 });
    flow source = { .to = left.out }, middle = { .from = right.in, .to = second[0].out },
         sink = { .from = second[1].in };
    spout_group *group = spout_group_new();
    spout_group_start(group, produce, &source, NULL);
    spout_group_start(group, copy, &middle, NULL);
    spout_group_start(group, consume_slowly, &sink, NULL);
    if (spout_group_join(group) < 0)
        fail_msg("%s", spout_error_message());
    spout_group_free(group);
    assert_true(middle.most_pending > 0 || copied < 64 << 20); /* TCP holds a lot by itself */
    assert_true(middle.most_pending <= 128 * 1024);
    end_close(&second[0]);
    end_close(&second[1]);
}

/* --- the suite --- */

typedef struct suite_test {
    const char *name;
    void (*fn)(void);
} suite_test;

#define TEST(name)  \
    {               \
#name, name \
    }
static const suite_test suite[] = {
    TEST(each_read),
    TEST(nothing_is_something),
    TEST(pieces_of_every_size),
    TEST(limits),
    TEST(a_pattern_that_takes_too_long),
    TEST(the_end_comes_after_the_data),
    TEST(interrupted_reads_keep_the_bytes),
    TEST(small_reads_from_a_large_buffer),
    TEST(gathered_writes),
    TEST(files),
    TEST(half_close),
    TEST(flush_waits_for_all),
    TEST(close_drains_in_the_background),
    TEST(writing_to_nobody),
    TEST(close_callback_at_the_end_of_input),
    TEST(close_callback_of_ones_own_close),
    TEST(close_callback_while_somebody_reads),
    TEST(close_callback_while_a_line_is_held),
    TEST(closed_under_a_reader),
    TEST(reset),
    TEST(detach),
    TEST(settings),
    TEST(a_copy_at_the_readers_pace),
};

enum { TESTS = sizeof suite / sizeof suite[0] };

typedef struct run {
    const kind *kind;
    const suite_test *test;
    char name[80];
} run;

static int run_body(void *arg)
{
    const run *self = arg;
    reopen(NULL);
    self->test->fn();
    end_close(&left);
    end_close(&right);
    return 0;
}

static void run_one(void **state)
{
    run *self = *state;
    now = self->kind;
    loop = kit_loop();
    assert_int_equal(spout_loop_run_sync(loop, run_body, self, 0), 0);
    kit_turns(loop, 3);
    spout_loop_free(loop);
}

int main(void)
{
    static run runs[KINDS * TESTS];
    static struct CMUnitTest tests[KINDS * TESTS];
    const char *only = getenv("SPOUT_TEST_ONLY");
    size_t count = 0;
    for (size_t i = 0; i < KINDS * TESTS; i++) {
        run *self = &runs[i];
        self->kind = &kinds[i / TESTS];
        self->test = &suite[i % TESTS];
        snprintf(self->name, sizeof self->name, "%s: %s", self->kind->name, self->test->name);
        if (!only || strcmp(only, self->test->name) == 0)
            tests[count++] = (struct CMUnitTest){
                .name = self->name, .test_func = run_one, .initial_state = self
            };
    }
    return _cmocka_run_group_tests("streams of every kind", tests, count, NULL, NULL);
}
