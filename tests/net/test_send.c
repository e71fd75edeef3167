/* Output: gathering, order, sharing, pressure. */
#include "kit.h"

#include <sys/uio.h>

/* The plain row with a ledger, and a limit on what one call takes. */
static int write_calls, last_pieces;
static bool last_more;
static size_t most_a_call;
static int refuse_every; /* every n-th call gets EAGAIN */

static ssize_t counted_write(
    spout_transport *transport, const struct iovec *iov, int count, bool more)
{
    write_calls++;
    last_pieces = count;
    last_more = more;
    if (refuse_every > 0 && write_calls % refuse_every == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (most_a_call == 0)
        return spi_transport_plain.write(transport, iov, count, more);
    struct iovec first = iov[0];
    if (first.iov_len > most_a_call)
        first.iov_len = most_a_call;
    return spi_transport_plain.write(transport, &first, 1, more);
}

static spi_transport_ops counted;

static int set_up(void **state)
{
    counted = spi_transport_plain;
    counted.write = counted_write;
    write_calls = last_pieces = refuse_every = 0;
    most_a_call = 0;
    last_more = false;
    *state = kit_loop();
    return 0;
}

static int tear_down(void **state)
{
    spout_loop_free(*state);
    return 0;
}

static void expect_next(int fd, const char *text)
{
    char got[256];
    ssize_t len = read(fd, got, sizeof got);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void test_writes_of_a_turn_are_one_send(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    for (int i = 0; i < 10; i++)
        assert_int_equal(spi_transport_write(&a.transport, "ab", 2), 0);
    char *room = spi_transport_reserve(&a.transport, 16);
    memcpy(room, "!", 1);
    spi_transport_commit(&a.transport, 1);
    assert_int_equal(write_calls, 0);
    assert_int_equal(spi_transport_pending(&a.transport), 21);
    kit_turn(*state, 0);
    assert_int_equal(write_calls, 1);
    assert_int_equal(spi_transport_pending(&a.transport), 0);
    expect_next(fds[1], "abababababababababab!");
    assert_null(a.transport.output);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_flush_sends_now(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spi_transport_write(&a.transport, "x", 1);
    spi_transport_flush(&a.transport);
    expect_next(fds[1], "x");
    spi_transport_flush(&a.transport);
    assert_int_equal(write_calls, 1);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_another_transport_takes_the_gather_buffer(void **state)
{
    int one[2], two[2];
    recorder a, b;
    kit_unix_pair(one);
    kit_unix_pair(two);
    recorder_open_with(&a, *state, one[0], &counted);
    recorder_open_with(&b, *state, two[0], &counted);
    spi_transport_write(&a.transport, "first", 5);
    spi_transport_write(&b.transport, "second", 6);
    expect_next(one[1], "first");
    kit_turn(*state, 0);
    expect_next(two[1], "second");
    assert_int_equal(write_calls, 2);
    recorder_finish(&a);
    recorder_finish(&b);
    close(one[1]);
    close(two[1]);
}

static void answer(recorder *self, happening what)
{
    if (what != DATA)
        return;
    spi_transport_write(&self->transport, "an", 2);
    spi_transport_write(&self->transport, "swer", 4);
    assert_int_equal(write_calls, 0);
}

static void test_answers_leave_when_the_callback_returns(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    a.on = answer;
    assert_int_equal(write(fds[1], "?", 1), 1);
    kit_turn(*state, 1000);
    assert_int_equal(write_calls, 1);
    expect_next(fds[1], "answer");
    recorder_finish(&a);
    close(fds[1]);
}

static void test_full_gather_buffer_is_sent(void **state)
{
    int fds[2];
    recorder a;
    spi_buffer got;
    char *data = kit_pattern(10000, 1);
    kit_unix_pair(fds);
    spi_buffer_init(&got, 1 << 20);
    recorder_open_with(&a, *state, fds[0], &counted);
    for (int i = 0; i < 10; i++)
        assert_int_equal(spi_transport_write(&a.transport, data, 10000), 0);
    assert_int_equal(write_calls, 1);
    kit_collect(*state, fds[1], &got, 100000);
    for (size_t i = 0; i < 10; i++)
        assert_memory_equal(spi_buffer_head(&got) + i * 10000, data, 10000);
    spi_buffer_release(&got);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_large_write_takes_the_gathered_along(void **state)
{
    int fds[2];
    recorder a;
    char *data = kit_pattern(20000, 2), got[20004];
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spi_transport_write(&a.transport, "head", 4);
    assert_int_equal(spi_transport_write(&a.transport, data, 20000), 0);
    assert_int_equal(write_calls, 1);
    assert_int_equal(last_pieces, 2);
    assert_int_equal(read(fds[1], got, sizeof got), 20004);
    assert_memory_equal(got, "head", 4);
    assert_memory_equal(got + 4, data, 20000);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_writev(void **state)
{
    int fds[2];
    recorder a;
    char *data = kit_pattern(30000, 3), *got = spi_malloc(70000);
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spout_bytes pieces[] = { { "a", 1 }, { "", 0 }, { data, 30000 }, { "z", 1 } };
    assert_int_equal(spi_transport_writev(&a.transport, pieces, 4), 0);
    assert_int_equal(write_calls, 1);
    assert_int_equal(read(fds[1], got, 70000), 30002);
    assert_true(got[0] == 'a' && got[30001] == 'z');
    spout_bytes many[100];
    for (int i = 0; i < 100; i++)
        many[i] = i == 50 ? (spout_bytes){ data, 20000 } : (spout_bytes){ "m", 1 };
    assert_int_equal(spi_transport_writev(&a.transport, many, 100), 0);
    spi_transport_flush(&a.transport);
    size_t len = 0;
    for (ssize_t part; (part = read(fds[1], got + len, 70000 - len)) > 0;)
        len += (size_t)part;
    assert_int_equal(len, 20099);
    assert_memory_equal(got + 50, data, 20000);
    spi_free(data);
    spi_free(got);
    recorder_finish(&a);
    close(fds[1]);
}

/* Every kind of output in one row, with a peer that takes little at a time. */
static size_t write_mixture(recorder *a, spi_buffer *expected, spi_blob *blob, unsigned seed)
{
    char *data = kit_pattern(70000, seed);
    static const size_t lens[] = { 1, 100, 17000, 3, 70000, 2047, 16384, 5 };
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        assert_int_equal(spi_transport_write(&a->transport, data, lens[i]), 0);
        assert_int_equal(spi_buffer_append(expected, data, lens[i]), 0);
        if (i % 3 == 0) {
            assert_int_equal(spi_transport_write_blob(&a->transport, blob), 0);
            assert_int_equal(spi_buffer_append(expected, blob->data, blob->len), 0);
        }
        if (i % 4 == 1) {
            int fd = kit_file(data, 50000);
            assert_int_equal(spi_transport_write_file(&a->transport, fd, 1000, 40000), 0);
            assert_int_equal(spi_buffer_append(expected, data + 1000, 40000), 0);
        }
        char *room = spi_transport_reserve(&a->transport, 8);
        assert_non_null(room);
        memcpy(room, "reserved", 8);
        spi_transport_commit(&a->transport, 8);
        assert_int_equal(spi_buffer_append(expected, "reserved", 8), 0);
    }
    spi_free(data);
    return spi_buffer_len(expected);
}

static void check_mixture(spout_loop *loop, bool tcp)
{
    int fds[2];
    recorder a;
    spi_buffer got, expected;
    spi_buffer_init(&got, 1 << 24);
    spi_buffer_init(&expected, 1 << 24);
    if (tcp)
        kit_tcp_pair(fds);
    else
        kit_unix_pair(fds);
    kit_small_buffers(fds);
    recorder_open_with(&a, loop, fds[0], &counted);
    spi_blob *blob = spi_blob_new(5000);
    memset(blob->data, 'B', 5000);
    size_t len = write_mixture(&a, &expected, blob, 7);
    kit_collect(loop, fds[1], &got, 1000);
    len = write_mixture(&a, &expected, blob, 9);
    kit_collect(loop, fds[1], &got, len);
    assert_int_equal(spi_buffer_len(&got), len);
    assert_memory_equal(spi_buffer_head(&got), spi_buffer_head(&expected), len);
    kit_until(loop, &a.has_drain);
    assert_int_equal(blob->refs, 1);
    assert_null(a.transport.output);
    assert_int_equal(a.losts, 0);
    spi_blob_unref(blob);
    spi_buffer_release(&got);
    spi_buffer_release(&expected);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_order_is_kept(void **state)
{
    check_mixture(*state, false);
}

static void test_order_is_kept_over_tcp(void **state)
{
    check_mixture(*state, true);
}

static void test_order_is_kept_by_tiny_writes(void **state)
{
    most_a_call = 4777;
    refuse_every = 3;
    check_mixture(*state, false);
    most_a_call = 1;
    int fds[2];
    recorder a;
    spi_buffer got;
    spi_buffer_init(&got, 1 << 20);
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    char *data = kit_pattern(3000, 4);
    spi_transport_write(&a.transport, data, 3000);
    kit_collect(*state, fds[1], &got, 3000);
    assert_memory_equal(spi_buffer_head(&got), data, 3000);
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

static void fill_socket(recorder *a)
{
    char *data = kit_pattern(1 << 16, 5);
    while (!spi_transport_pending(&a->transport)) {
        assert_int_equal(spi_transport_write(&a->transport, data, 1 << 16), 0);
        spi_transport_flush(&a->transport);
    }
    spi_free(data);
}

static void test_blob_is_sent_without_a_copy(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spi_blob *blob = spi_blob_new(5);
    memcpy(blob->data, "frame", 5);
    assert_int_equal(spi_transport_write_blob(&a.transport, blob), 0);
    assert_int_equal(write_calls, 1);
    assert_int_equal(blob->refs, 1);
    expect_next(fds[1], "frame");
    spi_transport_write(&a.transport, "before ", 7);
    assert_int_equal(spi_transport_write_blob(&a.transport, blob), 0);
    kit_turn(*state, 0);
    expect_next(fds[1], "before frame");
    fill_socket(&a);
    assert_int_equal(spi_transport_write_blob(&a.transport, blob), 0);
    assert_int_equal(blob->refs, 2);
    recorder_finish(&a);
    assert_int_equal(blob->refs, 1);
    spi_blob_unref(blob);
    spi_blob_unref(NULL);
    close(fds[1]);
}

static void test_blob_partly_sent_with_what_was_gathered(void **state)
{
    int fds[2];
    recorder a;
    spi_buffer got;
    spi_buffer_init(&got, 1 << 20);
    kit_unix_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spi_blob *blob = spi_blob_new(20000);
    memset(blob->data, 'b', 20000);
    most_a_call = 3; /* less than what was gathered */
    spi_transport_write(&a.transport, "gathered", 8);
    assert_int_equal(spi_transport_write_blob(&a.transport, blob), 0);
    assert_int_equal(blob->refs, 2);
    most_a_call = 0;
    kit_collect(*state, fds[1], &got, 20008);
    assert_memory_equal(spi_buffer_head(&got), "gatheredbbb", 11);
    assert_int_equal(blob->refs, 1);
    spi_blob_unref(blob);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_pressure_and_drain(void **state)
{
    int fds[2];
    recorder a;
    spi_buffer got;
    spi_buffer_init(&got, 1 << 24);
    kit_unix_pair(fds);
    kit_small_buffers(fds);
    recorder_open(&a, *state, fds[0]);
    char *data = kit_pattern(100000, 6);
    assert_false(spi_transport_is_pressed(&a.transport));
    assert_int_equal(spi_transport_write(&a.transport, data, 40000), 0);
    assert_false(spi_transport_is_pressed(&a.transport));
    assert_int_equal(spi_transport_write(&a.transport, data, 100000), 0);
    assert_true(spi_transport_is_pressed(&a.transport));
    while (!a.has_drain) {
        assert_true(spi_transport_is_pressed(&a.transport));
        kit_collect(*state, fds[1], &got, spi_buffer_len(&got) + 1);
    }
    assert_false(spi_transport_is_pressed(&a.transport));
    assert_true(spi_transport_pending(&a.transport) <= 16 * 1024);
    kit_collect(*state, fds[1], &got, 140000);
    kit_turns(*state, 2);
    assert_int_equal(a.drains, 2); /* at the low mark, and when empty */
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_limit_counts_what_waits_before(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    spi_transport_set_limits(*state, &(spi_transport_limits){ .max_pending = 100000 });
    recorder_open(&a, *state, fds[0]);
    char *data = kit_pattern(2000000, 8);
    assert_int_equal(spi_transport_write(&a.transport, data, 2000000), 0);
    size_t pending = spi_transport_pending(&a.transport);
    assert_true(pending > 100000);
    assert_int_equal(spi_transport_write(&a.transport, "x", 1), SPOUT_ELIMIT);
    spi_blob *blob = spi_blob_new(1);
    assert_int_equal(spi_transport_write_blob(&a.transport, blob), SPOUT_ELIMIT);
    assert_null(spi_transport_reserve(&a.transport, 1));
    assert_int_equal(spi_transport_write_file(&a.transport, dup(fds[1]), 0, 1), SPOUT_ELIMIT);
    assert_int_equal(spi_transport_pending(&a.transport), pending);
    assert_int_equal(a.losts, 0);
    spi_blob_unref(blob);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_file_follows_its_head(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open_with(&a, *state, fds[0], &counted);
    spi_transport_write(&a.transport, "head:", 5);
    assert_int_equal(spi_transport_write_file(&a.transport, kit_file("0123456789", 10), 2, 5), 0);
    assert_true(last_more);
    assert_int_equal(write_calls, 1);
    assert_null(a.transport.output);
    spi_buffer got;
    spi_buffer_init(&got, 1000);
    kit_collect(*state, fds[1], &got, 10);
    assert_memory_equal(spi_buffer_head(&got), "head:23456", 10);
    assert_int_equal(spi_transport_write_file(&a.transport, kit_file("x", 1), 0, 0), 0);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_large_file(void **state)
{
    enum { LEN = 5 * 1024 * 1024 };
    int fds[2];
    recorder a;
    spi_buffer got;
    char *data = kit_pattern(LEN, 11);
    spi_buffer_init(&got, LEN);
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write_file(&a.transport, kit_file(data, LEN), 0, LEN), 0);
    assert_true(spi_transport_is_pressed(&a.transport));
    kit_collect(*state, fds[1], &got, LEN);
    assert_memory_equal(spi_buffer_head(&got), data, LEN);
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

/* sendfile can't read from there on every kernel: then the bytes go by way of memory. */
static void test_file_without_sendfile(void **state)
{
    int fds[2], fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    recorder a;
    spi_buffer got;
    spi_buffer_init(&got, 1000);
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_true(fd >= 0);
    assert_int_equal(spi_transport_write_file(&a.transport, fd, 0, 5), 0);
    kit_collect(*state, fds[1], &got, 5);
    assert_memory_equal(spi_buffer_head(&got), "Name:", 5);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_file_that_becomes_shorter(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write_file(&a.transport, kit_file("short", 5), 0, 50), 0);
    assert_int_equal(a.losts, 0);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_EFAILED);
    assert_non_null(strstr(a.lost_message, "shorter"));
    recorder_finish(&a);
    close(fds[1]);
}

/* The peer must not take it for all that there is. */
static void test_what_is_cut_short_ends_with_a_reset(void **state)
{
    int fds[2];
    char got[64];
    recorder a;
    ssize_t len;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write_file(&a.transport, kit_file("short", 5), 0, 50), 0);
    kit_until(*state, &a.is_lost);
    while ((len = read(fds[1], got, sizeof got)) > 0)
        continue;
    assert_int_equal(len, -1);
    assert_int_equal(errno, ECONNRESET);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_no_signal_when_the_peer_is_gone(void **state)
{
    int fds[2];
    recorder a, b;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    close(fds[1]);
    assert_int_equal(
        spi_transport_write_file(&a.transport, kit_file("bytes", 5), 0, 5), SPOUT_ECLOSED);
    kit_unix_pair(fds);
    recorder_open(&b, *state, fds[0]);
    close(fds[1]);
    assert_int_equal(spi_transport_write(&b.transport, "x", 1), 0);
    spi_transport_flush(&b.transport);
    assert_int_equal(spi_transport_write(&b.transport, "x", 1), SPOUT_ECLOSED);
    assert_null(spi_transport_reserve(&b.transport, 1));
    assert_int_equal(a.losts + b.losts, 0);
    kit_until(*state, &b.is_lost);
    assert_true(a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ECLOSED);
    assert_int_equal(b.lost_code, SPOUT_ECLOSED);
    recorder_finish(&a);
    recorder_finish(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_writes_of_a_turn_are_one_send),
        TEST(test_flush_sends_now),
        TEST(test_another_transport_takes_the_gather_buffer),
        TEST(test_answers_leave_when_the_callback_returns),
        TEST(test_full_gather_buffer_is_sent),
        TEST(test_large_write_takes_the_gathered_along),
        TEST(test_writev),
        TEST(test_order_is_kept),
        TEST(test_order_is_kept_over_tcp),
        TEST(test_order_is_kept_by_tiny_writes),
        TEST(test_blob_is_sent_without_a_copy),
        TEST(test_blob_partly_sent_with_what_was_gathered),
        TEST(test_pressure_and_drain),
        TEST(test_limit_counts_what_waits_before),
        TEST(test_file_follows_its_head),
        TEST(test_large_file),
        TEST(test_file_without_sendfile),
        TEST(test_file_that_becomes_shorter),
        TEST(test_what_is_cut_short_ends_with_a_reset),
        TEST(test_no_signal_when_the_peer_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
