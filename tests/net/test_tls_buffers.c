/* Who keeps OpenSSL's buffers, as told by its modes and by the blocks that it allocates. */
#include "tls_kit.h"

#include "net/tls_buffers.h"
#include "net/tls_context.h"

#include <openssl/crypto.h>

enum { LARGE = 16 * 1024, MANY = SPI_TLS_KEEPERS + 8 };

/* Of large blocks. */
static int live, taken;

static void *take(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    size_t *block = malloc(size + 16);
    block[0] = size;
    live += size >= LARGE;
    taken += size >= LARGE;
    return (char *)block + 16;
}

static void give(void *data, const char *file, int line)
{
    (void)file, (void)line;
    size_t *block = data ? (void *)((char *)data - 16) : NULL;
    live -= block && block[0] >= LARGE;
    free(block);
}

static void *resize(void *data, size_t size, const char *file, int line)
{
    void *fresh = take(size, file, line);
    if (data) {
        size_t old = *(size_t *)(void *)((char *)data - 16);
        memcpy(fresh, data, old < size ? old : size);
    }
    give(data, file, line);
    return fresh;
}

typedef struct crowd {
    spi_tls_keepers keepers;
    spi_tls_buffers each[MANY];
    spout_tls *tls;
} crowd;

static int set_up(void **state)
{
    crowd *all = spi_calloc(sizeof *all);
    all->tls = certs_server("server");
    for (int i = 0; i < MANY; i++)
        all->each[i].ssl = SSL_new(all->tls->ctx);
    *state = all;
    live = 0;
    return 0;
}

static int tear_down(void **state)
{
    crowd *all = *state;
    for (int i = 0; i < MANY; i++) {
        spi_tls_buffers_forget(&all->each[i]);
        SSL_free(all->each[i].ssl);
    }
    spout_tls_unref(all->tls);
    spi_free(all);
    return 0;
}

static void reads(crowd *all, int i)
{
    spi_tls_buffers_note_read(&all->each[i], &all->keepers);
}

/* OpenSSL agrees. */
static bool keeps(const crowd *all, int i)
{
    bool releases = SSL_get_mode(all->each[i].ssl) & SSL_MODE_RELEASE_BUFFERS;
    assert_int_equal(releases, all->each[i].place == NULL);
    return !releases;
}

static int count_keepers(const crowd *all)
{
    int count = 0;
    for (int i = 0; i < MANY; i++)
        count += keeps(all, i);
    return count;
}

/* More reads than any can count as busy by. */
static void let_time_pass(crowd *all)
{
    all->keepers.reads += 2 * SPI_TLS_KEEPERS;
}

static void test_one_that_reads_once_keeps_none(void **state)
{
    crowd *all = *state;
    let_time_pass(all);
    assert_false(keeps(all, 0));
    reads(all, 0);
    assert_false(keeps(all, 0));
    let_time_pass(all);
    reads(all, 0);
    assert_false(keeps(all, 0));
}

static void test_one_that_reads_again_soon_does(void **state)
{
    crowd *all = *state;
    let_time_pass(all);
    reads(all, 0);
    reads(all, 1);
    reads(all, 0);
    assert_true(keeps(all, 0));
    assert_false(keeps(all, 1));
}

static void test_as_many_as_there_are_places_may_take_turns(void **state)
{
    crowd *all = *state;
    let_time_pass(all);
    for (int i = 0; i < 3 * SPI_TLS_KEEPERS; i++)
        reads(all, i % SPI_TLS_KEEPERS);
    assert_int_equal(count_keepers(all), SPI_TLS_KEEPERS);
}

/* They would only drive out one another. */
static void test_of_more_none_does(void **state)
{
    crowd *all = *state;
    let_time_pass(all);
    for (int i = 0; i < 3 * MANY; i++)
        reads(all, i % MANY);
    assert_int_equal(count_keepers(all), 0);
}

static void test_the_busy_drive_out_the_idle(void **state)
{
    crowd *all = *state;
    let_time_pass(all);
    for (int i = 0; i < MANY; i++) {
        reads(all, i);
        reads(all, i);
        SSL_alloc_buffers(all->each[i].ssl);
        assert_true(keeps(all, i));
    }
    assert_int_equal(count_keepers(all), SPI_TLS_KEEPERS);
    assert_int_equal(live, 2 * SPI_TLS_KEEPERS);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(keeps(all, i), i >= MANY - SPI_TLS_KEEPERS);
}

static void test_the_end_of_one_frees_its_place(void **state)
{
    crowd *all = *state;
    reads(all, 0);
    reads(all, 0);
    assert_ptr_equal(all->keepers.kept[0], &all->each[0]);
    spi_tls_buffers_forget(&all->each[0]);
    assert_null(all->keepers.kept[0]);
}

static bool agreed;

static void on_secure(spout_transport *transport)
{
    (void)transport;
    agreed = true;
}

/* A conversation on transports: only its beginning allocates. */
static void test_a_conversation_allocates_nothing(void **state)
{
    (void)state;
    spout_loop *loop = kit_loop();
    spout_tls *server_tls = certs_server("server"), *client_tls = certs_client();
    recorder server, client;
    int fds[2];
    kit_tcp_pair(fds);
    recorder_open(&server, loop, fds[0]);
    recorder_open(&client, loop, fds[1]);
    agreed = false;
    assert_int_equal(spi_tls_wrap(&server.transport, server_tls, NULL), 0);
    assert_int_equal(
        spi_tls_wrap(&client.transport, client_tls,
            &(spi_tls_wrap_options){ .server_name = "localhost", .on_secure = on_secure }),
        0);
    kit_until(loop, &agreed);
    for (int i = 0; i < 10; i++) {
        if (i == 5)
            taken = 0;
        server.has_data = client.has_data = false;
        assert_int_equal(spi_transport_write(&client.transport, "?", 1), 0);
        kit_until(loop, &server.has_data);
        assert_int_equal(spi_transport_write(&server.transport, "!", 1), 0);
        kit_until(loop, &client.has_data);
    }
    assert_int_equal(taken, 0);
    recorder_finish(&server);
    recorder_finish(&client);
    spout_loop_free(loop);
    spout_tls_unref(server_tls);
    spout_tls_unref(client_tls);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_that_reads_once_keeps_none),
        TEST(test_one_that_reads_again_soon_does),
        TEST(test_as_many_as_there_are_places_may_take_turns),
        TEST(test_of_more_none_does),
        TEST(test_the_busy_drive_out_the_idle),
        TEST(test_the_end_of_one_frees_its_place),
        cmocka_unit_test(test_a_conversation_allocates_nothing),
    };
    if (CRYPTO_set_mem_functions(take, resize, give) != 1)
        return 1;
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
