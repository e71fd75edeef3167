/* The life of a transport: input, pauses, hang-ups, and every way to end. */
#include "kit.h"

static int set_up(void **state)
{
    *state = kit_loop();
    return 0;
}

static int tear_down(void **state)
{
    spout_loop_free(*state);
    return 0;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_idle_one_is_small(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    kit_turns(*state, 2);
    assert_true(sizeof a.transport <= 64);
    assert_null(a.transport.output);
    assert_int_equal(spi_transport_fd(&a.transport), fds[0]);
    recorder_finish(&a);
    assert_int_equal(spi_transport_fd(&a.transport), -1);
    recorder_finish(&a);
    spout_transport zero = { 0 };
    spi_transport_abort(&zero);
    close(fds[1]);
}

static void test_data_then_end(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    send_text(fds[1], "hello");
    kit_until(*state, &a.has_data);
    send_text(fds[1], " world");
    shutdown(fds[1], SHUT_WR);
    kit_until(*state, &a.has_end);
    recorder_expect(&a, "hello world");
    kit_assert_quiet(*state);
    spi_transport_resume(&a.transport);
    kit_assert_quiet(*state);
    assert_int_equal(a.ends, 1);
    assert_int_equal(a.losts, 0);
    assert_int_equal(spi_transport_write(&a.transport, "still", 5), 0);
    kit_turn(*state, 0);
    char got[8];
    assert_int_equal(read(fds[1], got, sizeof got), 5);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_one_receive_for_each_event(void **state)
{
    int fds[2];
    recorder a;
    char *data = kit_pattern(150000, 1);
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(write(fds[1], data, 150000), 150000);
    kit_turn(*state, 1000);
    assert_int_equal(a.datas, 1);
    assert_true(spi_buffer_len(&a.got) <= 65536);
    kit_turns(*state, 4);
    assert_int_equal(spi_buffer_len(&a.got), 150000);
    assert_memory_equal(spi_buffer_head(&a.got), data, 150000);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_pause_and_resume(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    spi_transport_pause(&a.transport);
    send_text(fds[1], "later");
    shutdown(fds[1], SHUT_WR);
    kit_assert_quiet(*state);
    assert_int_equal(a.datas + a.ends, 0);
    spi_transport_resume(&a.transport);
    kit_until(*state, &a.has_end);
    recorder_expect(&a, "later");
    recorder_finish(&a);
    close(fds[1]);
}

static void reset(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    close(fd);
}

static void test_reset(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    reset(fds[1]);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ECLOSED);
    assert_string_equal(a.lost_message, "connection reset by the peer");
    assert_int_equal(a.ends, 0);
    kit_turns(*state, 3);
    assert_int_equal(a.losts, 1);
    recorder_finish(&a);
}

static void test_reset_is_noticed_while_paused(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    spi_transport_pause(&a.transport);
    send_text(fds[1], "unread");
    kit_assert_quiet(*state);
    reset(fds[1]);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ECLOSED);
    assert_int_equal(a.datas, 0);
    recorder_finish(&a);
}

static void test_hang_up_is_noticed_while_paused(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    spi_transport_pause(&a.transport);
    kit_assert_quiet(*state);
    close(fds[1]);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ECLOSED);
    recorder_finish(&a);
}

static void test_hang_up_leaves_unread_input(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    spi_transport_pause(&a.transport);
    send_text(fds[1], "last words");
    close(fds[1]);
    kit_assert_quiet(*state);
    assert_int_equal(a.losts, 0);
    spi_transport_resume(&a.transport);
    kit_until(*state, &a.is_lost);
    recorder_expect(&a, "last words");
    assert_int_equal(a.ends, 1);
    recorder_finish(&a);
}

static void test_hang_up_after_the_end(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    shutdown(fds[1], SHUT_WR);
    kit_until(*state, &a.has_end);
    kit_assert_quiet(*state);
    close(fds[1]);
    kit_until(*state, &a.is_lost);
    recorder_finish(&a);
}

static void test_both_ends_shut_is_quiet(void **state)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fds[2];
        recorder a;
        if (tcp)
            kit_tcp_pair(fds);
        else
            kit_unix_pair(fds);
        recorder_open(&a, *state, fds[0]);
        spi_transport_shutdown(&a.transport);
        assert_int_equal(spi_transport_write(&a.transport, "x", 1), SPOUT_ECLOSED);
        send_text(fds[1], "goes on");
        shutdown(fds[1], SHUT_WR);
        kit_until(*state, &a.has_end);
        recorder_expect(&a, "goes on");
        kit_assert_quiet(*state);
        assert_int_equal(a.losts, 0);
        recorder_finish(&a);
        close(fds[1]);
    }
}

static void test_shutdown_follows_the_queue(void **state)
{
    int fds[2];
    recorder a;
    spi_buffer got;
    char *data = kit_pattern(300000, 2);
    spi_buffer_init(&got, 1 << 20);
    kit_unix_pair(fds);
    kit_small_buffers(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 300000), 0);
    spi_transport_shutdown(&a.transport);
    kit_collect(*state, fds[1], &got, 300000);
    kit_turns(*state, 2);
    char byte;
    assert_int_equal(read(fds[1], &byte, 1), 0);
    send_text(fds[1], "reading goes on");
    kit_until(*state, &a.has_data);
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
    close(fds[1]);
}

/* Owner on the heap that goes in the middle of its own callback. */
static happening go_at;
static bool gone;

static void go(recorder *self, happening what)
{
    if (what != go_at)
        return;
    spi_transport_write(&self->transport, "x", 1);
    recorder_finish(self);
    free(self);
    gone = true;
}

static void check_freed_in(spout_loop *loop, happening what)
{
    int fds[2];
    recorder *a = malloc(sizeof *a);
    char *data = kit_pattern(500000, 3);
    spi_buffer got;
    spi_buffer_init(&got, 1 << 20);
    kit_unix_pair(fds);
    kit_small_buffers(fds);
    recorder_open(a, loop, fds[0]);
    go_at = what;
    gone = false;
    a->on = go;
    if (what == DRAIN)
        spi_transport_write(&a->transport, data, 500000);
    else
        send_text(fds[1], "x");
    if (what == END || what == LOST)
        shutdown(fds[1], SHUT_WR);
    if (what == LOST)
        shutdown(fds[1], SHUT_RD);
    while (!gone) {
        kit_turn(loop, 10);
        kit_drain_fd(fds[1], &got);
    }
    kit_assert_quiet(loop);
    spi_free(data);
    spi_buffer_release(&got);
    close(fds[1]);
}

static void test_freed_inside_any_callback(void **state)
{
    check_freed_in(*state, DATA);
    check_freed_in(*state, END);
    check_freed_in(*state, DRAIN);
    check_freed_in(*state, LOST);
}

static void close_it(recorder *self, happening what)
{
    if (what != DATA)
        return;
    assert_int_equal(spi_transport_write(&self->transport, "bye", 3), 0);
    spi_transport_close(&self->transport);
    assert_int_equal(spi_transport_write(&self->transport, "x", 1), SPOUT_ECLOSED);
    assert_int_equal(self->losts, 0);
}

static void test_graceful_close(void **state)
{
    int fds[2];
    char got[8];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    a.on = close_it;
    send_text(fds[1], "x");
    kit_until(*state, &a.has_data);
    assert_int_equal(read(fds[1], got, sizeof got), 3);
    assert_int_equal(read(fds[1], got, sizeof got), 0);
    send_text(fds[1], "not heard");
    kit_assert_quiet(*state);
    assert_false(spi_transport_is_closed(&a.transport));
    close(fds[1]);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_OK);
    assert_int_equal(a.datas, 1);
    assert_int_equal(a.ends, 0);
    spi_transport_close(&a.transport);
    kit_turns(*state, 3);
    assert_int_equal(a.losts, 1);
    recorder_finish(&a);
}

static void test_close_after_the_end_is_prompt(void **state)
{
    int fds[2];
    recorder a;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    shutdown(fds[1], SHUT_WR);
    kit_until(*state, &a.has_end);
    spi_transport_close(&a.transport);
    assert_int_equal(a.losts, 0);
    kit_turn(*state, 0);
    assert_int_equal(a.losts, 1);
    assert_int_equal(a.lost_code, SPOUT_OK);
    recorder_finish(&a);
    close(fds[1]);
}

static void test_close_does_not_wait_for_ever(void **state)
{
    (void)state;
    fake_clock fake;
    int fds[2];
    recorder a;
    spout_loop *loop = kit_fake_loop(&fake);
    kit_tcp_pair(fds);
    recorder_open(&a, loop, fds[0]);
    spi_transport_close(&a.transport);
    int64_t start = fake.now_ms;
    for (int i = 0; i < 10 && !a.is_lost; i++)
        kit_turn(loop, 60000);
    assert_true(a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_OK);
    assert_int_equal(a.lost_at_ms - start, 2000);
    recorder_finish(&a);
    close(fds[1]);
    spout_loop_free(loop);
}

/* A peer that sends all before it reads gets the whole answer, and no reset. */
static void test_answer_survives_unread_input(void **state)
{
    enum { SENT = 32 * 1024 * 1024, ANSWER = 300 * 1024 };
    (void)state;
    fake_clock fake; /* so that the two seconds do not pass on a slow machine */
    spout_loop *loop = kit_fake_loop(&fake);
    int fds[2];
    recorder a;
    spi_buffer got;
    char *data = kit_pattern(SENT, 4);
    size_t sent = 0;
    spi_buffer_init(&got, ANSWER);
    kit_tcp_pair(fds);
    recorder_open(&a, loop, fds[0]);
    spi_transport_pause(&a.transport);
    for (ssize_t part; (part = write(fds[1], data + sent, SENT - sent)) > 0;)
        sent += (size_t)part;
    assert_true(sent < SENT);
    assert_int_equal(spi_transport_write(&a.transport, data, ANSWER), 0);
    spi_transport_close(&a.transport);
    while (sent < SENT) {
        kit_turn(loop, 0);
        ssize_t part = write(fds[1], data + sent, SENT - sent);
        assert_true(part > 0 || errno == EAGAIN);
        sent += part > 0 ? (size_t)part : 0;
    }
    kit_collect(loop, fds[1], &got, ANSWER);
    assert_memory_equal(spi_buffer_head(&got), data, ANSWER);
    assert_true(kit_drain_fd(fds[1], &got));
    close(fds[1]);
    kit_until(loop, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_OK);
    assert_int_equal(a.datas, 0);
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
    spout_loop_free(loop);
}

static void test_close_waits_for_the_queue(void **state)
{
    int fds[2];
    recorder a;
    spi_buffer got;
    char *data = kit_pattern(400000, 5);
    spi_buffer_init(&got, 1 << 20);
    kit_unix_pair(fds);
    kit_small_buffers(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 400000), 0);
    spi_transport_close(&a.transport);
    kit_collect(*state, fds[1], &got, 400000);
    assert_memory_equal(spi_buffer_head(&got), data, 400000);
    assert_int_equal(a.drains, 0);
    close(fds[1]);
    kit_until(*state, &a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_OK);
    spi_free(data);
    spi_buffer_release(&got);
    recorder_finish(&a);
}

static void test_write_timeout(void **state)
{
    (void)state;
    fake_clock fake;
    int fds[2];
    recorder a;
    spout_loop *loop = kit_fake_loop(&fake);
    char *data = kit_pattern(1 << 20, 6), got[65536];
    kit_unix_pair(fds);
    spi_transport_set_limits(loop, &(spi_transport_limits){ .write_timeout_ms = 5000 });
    recorder_open(&a, loop, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 1 << 20), 0);
    int64_t start = fake.now_ms;
    kit_turn(loop, 4000);
    while (read(fds[1], got, sizeof got) > 0)
        continue;
    kit_turn(loop, 0); /* progress */
    kit_turn(loop, 4000);
    kit_turns(loop, 2);
    assert_int_equal(a.losts, 0);
    for (int i = 0; i < 10 && !a.is_lost; i++)
        kit_turn(loop, 60000);
    assert_true(a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ETIMEDOUT);
    assert_int_equal(a.lost_at_ms - start, 9000);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
    spout_loop_free(loop);
}

static void test_write_timeout_can_be_off(void **state)
{
    (void)state;
    fake_clock fake;
    int fds[2];
    recorder a;
    spout_loop *loop = kit_fake_loop(&fake);
    char *data = kit_pattern(1 << 20, 6);
    kit_unix_pair(fds);
    spi_transport_set_limits(loop, &(spi_transport_limits){ .write_timeout_ms = SPOUT_NONE });
    recorder_open(&a, loop, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 1 << 20), 0);
    for (int i = 0; i < 5; i++)
        kit_turn(loop, 1000000);
    assert_int_equal(a.losts, 0);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
    spout_loop_free(loop);
}

static void test_close_of_a_blocked_one_ends_by_the_write_timeout(void **state)
{
    (void)state;
    fake_clock fake;
    int fds[2];
    recorder a;
    spout_loop *loop = kit_fake_loop(&fake);
    char *data = kit_pattern(1 << 20, 6);
    kit_unix_pair(fds);
    recorder_open(&a, loop, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 1 << 20), 0);
    spi_transport_close(&a.transport);
    int64_t start = fake.now_ms;
    for (int i = 0; i < 10 && !a.is_lost; i++)
        kit_turn(loop, 60000);
    assert_true(a.is_lost);
    assert_int_equal(a.lost_code, SPOUT_ETIMEDOUT);
    assert_int_equal(a.lost_at_ms - start, 30000);
    spi_free(data);
    recorder_finish(&a);
    close(fds[1]);
    spout_loop_free(loop);
}

static void test_abort_takes_back_the_loss(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    close(fds[1]);
    spi_transport_write(&a.transport, "x", 1);
    spi_transport_flush(&a.transport);
    assert_true(spi_transport_is_closed(&a.transport));
    spi_transport_close(&a.transport);
    spi_transport_abort(&a.transport);
    kit_assert_quiet(*state);
    assert_int_equal(a.losts, 0);
    recorder_finish(&a);
}

static void test_close_of_a_lost_one_reports_once(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    close(fds[1]);
    spi_transport_write(&a.transport, "x", 1);
    spi_transport_close(&a.transport);
    assert_int_equal(a.losts, 0);
    kit_turns(*state, 3);
    assert_int_equal(a.losts, 1);
    assert_int_equal(a.lost_code, SPOUT_ECLOSED);
    recorder_finish(&a);
}

static void test_abort_with_output_resets(void **state)
{
    int fds[2];
    recorder a;
    char *data = kit_pattern(1 << 23, 7), byte;
    kit_tcp_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(spi_transport_write(&a.transport, data, 1 << 23), 0);
    assert_true(spi_transport_pending(&a.transport) > 0);
    recorder_finish(&a);
    ssize_t got;
    do
        got = read(fds[1], &byte, 1);
    while (got > 0);
    assert_true(got < 0 && errno == ECONNRESET);
    spi_free(data);
    close(fds[1]);
}

static void test_detach(void **state)
{
    int fds[2];
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    spi_transport_write(&a.transport, "x", 1);
    assert_int_equal(spi_transport_detach(&a.transport), -1);
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    spi_transport_flush(&a.transport);
    int fd = spi_transport_detach(&a.transport);
    assert_int_equal(fd, fds[0]);
    assert_true(spi_transport_is_closed(&a.transport));
    assert_int_equal(spi_transport_detach(&a.transport), -1);
    send_text(fd, "alive");
    close(fds[1]);
    kit_assert_quiet(*state);
    assert_int_equal(a.losts, 0);
    recorder_finish(&a);
    close(fd);
}

static void detach_in_callback(recorder *self, happening what)
{
    if (what == DATA)
        *(int *)self->arg = spi_transport_detach(&self->transport);
}

static void test_detach_inside_a_callback(void **state)
{
    int fds[2], fd = -1;
    recorder a;
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    a.on = detach_in_callback;
    a.arg = &fd;
    send_text(fds[1], "x");
    kit_until(*state, &a.has_data);
    assert_int_equal(fd, fds[0]);
    close(fds[1]);
    kit_assert_quiet(*state);
    recorder_finish(&a);
    close(fd);
}

static void move_in_callback(recorder *self, happening what)
{
    recorder *to = self->arg;
    if (what == DATA)
        assert_int_equal(
            spi_transport_move(&self->transport, &to->transport, &recorder_consumer), 0);
}

static void test_move(void **state)
{
    int fds[2];
    char got[2];
    recorder a, b = { 0 }, c = { 0 };
    spi_buffer_init(&b.got, 1000);
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    a.on = move_in_callback;
    a.arg = &b;
    spi_transport_write(&a.transport, "x", 1); /* gathered so far */
    send_text(fds[1], "1");
    kit_until(*state, &a.has_data);
    assert_int_equal(read(fds[1], got, 2), 1);
    assert_true(spi_transport_is_closed(&a.transport));
    send_text(fds[1], "2");
    kit_assert_quiet(*state);
    assert_int_equal(b.datas, 0);
    spi_transport_resume(&b.transport);
    kit_until(*state, &b.has_data);
    recorder_expect(&a, "1");
    recorder_expect(&b, "2");
    assert_int_equal(
        spi_transport_move(&a.transport, &c.transport, &recorder_consumer), SPOUT_ESTATE);
    char *large = kit_pattern(4 << 20, 1);
    assert_int_equal(spi_transport_write(&b.transport, large, 4 << 20), 0);
    assert_int_equal(
        spi_transport_move(&b.transport, &c.transport, &recorder_consumer), SPOUT_ESTATE);
    close(fds[1]);
    kit_until(*state, &b.is_lost);
    assert_int_equal(a.losts + a.ends, 0);
    spi_free(large);
    recorder_finish(&a);
    recorder_finish(&b);
}

static void test_open_that_fails_leaves_the_descriptor(void **state)
{
    int fds[2];
    recorder a, b = { 0 };
    kit_unix_pair(fds);
    recorder_open(&a, *state, fds[0]);
    assert_int_equal(
        spi_transport_open(&b.transport, *state, fds[0], &spi_transport_plain, &recorder_consumer),
        SPOUT_EEXIST); /* it is watched already */
    assert_true(spi_transport_is_closed(&b.transport));
    assert_int_equal(spi_transport_write(&b.transport, "x", 1), SPOUT_ECLOSED);
    spi_transport_abort(&b.transport);
    send_text(fds[1], "still here");
    kit_until(*state, &a.has_data);
    recorder_finish(&a);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_idle_one_is_small),
        TEST(test_data_then_end),
        TEST(test_one_receive_for_each_event),
        TEST(test_pause_and_resume),
        TEST(test_reset),
        TEST(test_reset_is_noticed_while_paused),
        TEST(test_hang_up_is_noticed_while_paused),
        TEST(test_hang_up_leaves_unread_input),
        TEST(test_hang_up_after_the_end),
        TEST(test_both_ends_shut_is_quiet),
        TEST(test_shutdown_follows_the_queue),
        TEST(test_freed_inside_any_callback),
        TEST(test_graceful_close),
        TEST(test_close_after_the_end_is_prompt),
        cmocka_unit_test(test_close_does_not_wait_for_ever),
        cmocka_unit_test(test_answer_survives_unread_input),
        TEST(test_close_waits_for_the_queue),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_write_timeout_can_be_off),
        cmocka_unit_test(test_close_of_a_blocked_one_ends_by_the_write_timeout),
        TEST(test_abort_takes_back_the_loss),
        TEST(test_close_of_a_lost_one_reports_once),
        TEST(test_abort_with_output_resets),
        TEST(test_detach),
        TEST(test_detach_inside_a_callback),
        TEST(test_move),
        TEST(test_open_that_fails_leaves_the_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
