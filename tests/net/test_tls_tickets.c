/* Keys of session tickets: how long they are good, that they are forgotten, workers in step. */
#include "tls_kit.h"

#include <spout/stream.h>
#include <spout/task.h>

#include "net/tls_context.h"

enum { HOUR_MS = 3600 * 1000 };

static fake_clock now;
static spout_loop *loop;
static spout_tls *workers[2], *client_tls;

static int set_up(void **state)
{
    (void)state;
    loop = kit_fake_loop_with(&now, fake_skip_patiently);
    for (int i = 0; i < 2; i++)
        workers[i] = certs_server("server");
    workers[1]->tickets = workers[0]->tickets; /* as a fork would */
    client_tls = certs_client();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        spout_tls_unref(workers[i]);
    spout_tls_unref(client_tls);
    spout_loop_free(loop);
    return 0;
}

typedef struct visit {
    spout_stream *stream;
    spout_tls *tls;
    bool resumed;
} visit;

static int serve(void *arg)
{
    visit *self = arg;
    if (spout_stream_start_tls(self->stream, self->tls, NULL) == 0)
        spout_stream_write(self->stream, spout_bytes_of("hello\n"));
    spout_stream_close(self->stream);
    return 0;
}

/* The ticket comes before the greeting. */
static int call(void *arg)
{
    visit *self = arg;
    int fds[2];
    spout_bytes line;
    spout_tls_info info;
    kit_tcp_pair(fds);
    self->stream = spout_stream_open(fds[0], NULL);
    spout_stream *stream = spout_stream_open(fds[1], NULL);
    spout_group *group = spout_group_new();
    assert_int_equal(spout_group_start(group, serve, self, NULL), 0);
    assert_int_equal(spout_stream_start_tls(stream, client_tls, "localhost"), 0);
    assert_int_equal(spout_stream_read_until(stream, "\n", 0, &line), 0);
    assert_int_equal(spout_stream_tls_info(stream, &info), 0);
    spout_stream_close(stream);
    assert_int_equal(spout_group_join(group), 0);
    spout_group_free(group);
    self->resumed = info.resumed;
    return 0;
}

static bool is_resumed(int worker)
{
    visit self = { .tls = workers[worker] };
    assert_int_equal(spout_loop_run_sync(loop, call, &self, 0), 0);
    kit_turn(loop, 0);
    return self.resumed;
}

static void test_tickets_are_good_for_two_to_four_hours(void **state)
{
    (void)state;
    assert_false(is_resumed(0));
    now.now_ms += 2 * HOUR_MS + 1;
    assert_true(is_resumed(0)); /* by the period's own key from now on */
    now.now_ms += 3 * HOUR_MS / 2;
    assert_true(is_resumed(0));
    now.now_ms += 4 * HOUR_MS;
    assert_false(is_resumed(0));
    assert_true(is_resumed(0));
}

static void test_workers_keep_in_step(void **state)
{
    (void)state;
    assert_false(is_resumed(0));
    assert_true(is_resumed(1));
    now.now_ms += 100 * HOUR_MS;
    assert_false(is_resumed(1)); /* the other one has slept for 50 periods */
    assert_true(is_resumed(0));
    assert_memory_equal(
        &workers[0]->tickets.keys, &workers[1]->tickets.keys, sizeof workers[0]->tickets.keys);
}

static void test_keys_are_new_in_each_period_and_each_context(void **state)
{
    (void)state;
    spout_tls *stranger = certs_server("server");
    spi_tls_tickets before = workers[0]->tickets;
    assert_memory_not_equal(before.keys[0].cipher, stranger->tickets.keys[0].cipher, 32);
    assert_memory_not_equal(before.keys[0].cipher, before.keys[0].mac, 32);
    assert_false(is_resumed(0));
    spout_tls_unref(workers[1]);
    workers[1] = stranger;
    assert_false(is_resumed(1)); /* whose tickets are unknown there */
    now.now_ms += 2 * HOUR_MS + 1;
    is_resumed(0);
    const spi_tls_tickets *after = &workers[0]->tickets;
    assert_memory_equal(&after->keys[1], &before.keys[0], sizeof before.keys[0]);
    assert_memory_not_equal(after->keys[0].name, before.keys[0].name, 16);
    assert_memory_not_equal(after->keys[0].cipher, before.keys[0].cipher, 32);
    assert_memory_not_equal(after->secret, before.secret, 32);
}

static void test_keys_survive_a_reload(void **state)
{
    (void)state;
    assert_false(is_resumed(0));
    assert_int_equal(spout_tls_reload(workers[0]), 0);
    assert_true(is_resumed(0));
}

static void test_none_where_none_are_wanted(void **state)
{
    (void)state;
    spout_tls_unref(workers[1]);
    workers[1] = spout_tls_server_new(
        &(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
            .key_file = certs_path("server", ".key"),
            .session_tickets = SPOUT_NONE });
    assert_non_null(workers[1]);
    assert_false(is_resumed(1));
    assert_false(is_resumed(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_tickets_are_good_for_two_to_four_hours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_workers_keep_in_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_keys_are_new_in_each_period_and_each_context, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_survive_a_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_none_where_none_are_wanted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
