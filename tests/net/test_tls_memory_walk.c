/*
 * Lets the n-th block of memory that OpenSSL asks for be refused; then the n+1-th; until none is
 * left: in making, extending and reloading contexts, and in connections. Whatever fails says why;
 * nothing is lost, and the next attempt goes well. SPOUT_TEST_STEP=7: only every seventh n.
 */
#include "tls_kit.h"

#include "net/net.h"
#include "net/tls_context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

enum { LEN = 20 * 1000, TURNS = 300 };

/* OpenSSL's blocks. */
static struct {
    long live;
    int asked, fatal; /* the n-th; 0: none */
    const char *file; /* who asked for the one that was refused */
    int line;
    bool counting;
} memory;

static bool is_refused(const char *file, int line)
{
    if (!memory.counting || ++memory.asked != memory.fatal)
        return false;
    memory.file = file;
    memory.line = line;
    return true;
}

static void *take(size_t size, const char *file, int line)
{
    if (is_refused(file, line))
        return NULL;
    memory.live++;
    return malloc(size);
}

static void give(void *block, const char *file, int line)
{
    (void)file, (void)line;
    memory.live -= block != NULL;
    free(block);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    if (!block)
        return take(size, file, line);
    if (size == 0) {
        give(block, file, line);
        return NULL;
    }
    return is_refused(file, line) ? NULL : realloc(block, size);
}

/* Digests are ours: like all memory of our own, theirs is never refused (linked with --wrap). */
void __real_spi_hmac_sha256(unsigned char out[32], spout_bytes key, spout_bytes data);
void __wrap_spi_hmac_sha256(unsigned char out[32], spout_bytes key, spout_bytes data);
void __wrap_spi_hmac_sha256(unsigned char out[32], spout_bytes key, spout_bytes data)
{
    bool counting = memory.counting;
    memory.counting = false;
    __real_spi_hmac_sha256(out, key, data);
    memory.counting = counting;
}

static void tell(const char *words)
{
    if (getenv("SPOUT_TEST_TELL"))
        fprintf(stderr, "%d: %s:%d: %s\n", memory.fatal, memory.file, memory.line, words);
}

static void tell_count(int count, int failures, long left)
{
    if (getenv("SPOUT_TEST_TELL"))
        fprintf(stderr, "%d blocks, %d failures, %ld left\n", count, failures, left);
}

/* A failure has words, and they aren't those of something else. */
static bool failed(int code, const char *words)
{
    tell(words);
    assert_true(code < 0);
    assert_true(strlen(words) > 0);
    if (code == SPOUT_ETIMEDOUT || strstr(words, "no reason known"))
        fail_msg("block %d (%s:%d): %s", memory.fatal, memory.file, memory.line, words);
    return false;
}

static bool failed_now(void)
{
    return failed(spout_error_code_current(), spout_error_message());
}

static void run_well(bool (*run)(void))
{
    memory.fatal = 0;
    for (int i = 0; i < 3; i++)
        assert_true(run());
    ERR_clear_error();
}

/* `run` returns whether all went as it does with memory. Returns how many blocks there are. */
static int walk(bool (*run)(void), int *ret_failed)
{
    enum { CACHED = 8 }; /* blocks that OpenSSL comes to keep: tables of names, locks of objects */
    const char *text = getenv("SPOUT_TEST_STEP");
    int failures = 0, step = text ? (int)strtol(text, NULL, 10) : 1;
    run_well(run); /* makes what lives as long as the process */
    long before = memory.live;
    for (memory.fatal = 1;; memory.fatal += step) {
        memory.asked = 0;
        bool good = run();
        ERR_clear_error();
        if (memory.asked < memory.fatal) {
            assert_true(good);
            break;
        }
        failures += !good;
    }
    int count = memory.asked;
    run_well(run);
    tell_count(count, failures, memory.live - before);
    assert_in_range(memory.live, before - CACHED, before + CACHED);
    *ret_failed = failures * step;
    return count;
}

/* --- contexts --- */

static bool make_context(void)
{
    memory.counting = true;
    spout_tls *tls = spout_tls_server_new(&(spout_tls_options){
        .cert_file = certs_path("server", ".pem"), .key_file = certs_path("server", ".key") });
    memory.counting = false;
    if (!tls)
        return failed_now();
    spout_tls_unref(tls);
    return true;
}

static bool make_client_context(void)
{
    memory.counting = true;
    spout_tls *tls = spout_tls_client_new(
        &(spout_tls_options){ .ca_file = certs_path("ca", ".pem") });
    memory.counting = false;
    if (!tls)
        return failed_now();
    spout_tls_unref(tls);
    return true;
}

static void test_contexts(void **state)
{
    (void)state;
    int failures;
    assert_true(walk(make_context, &failures) > 100);
    assert_true(failures > 100);
    assert_true(walk(make_client_context, &failures) > 100);
    assert_true(failures > 100);
}

static spout_tls *server_tls, *client_tls;

static bool reload(void)
{
    const SSL_CTX *old = server_tls->ctx;
    memory.counting = true;
    int result = spout_tls_reload(server_tls);
    memory.counting = false;
    assert_int_equal(server_tls->ctx == old, result < 0);
    return result == 0 || failed_now();
}

static bool add_certificate(void)
{
    spout_tls *tls = certs_server("server");
    memory.counting = true;
    int result = spout_tls_add_certificate(
        tls, "*.example.org", certs_path("server", ".pem"), certs_path("server", ".key"));
    memory.counting = false;
    assert_int_equal(spi_list_is_empty(&tls->certificates), result < 0);
    spout_tls_unref(tls);
    return result == 0 || failed_now();
}

static void test_reloads(void **state)
{
    (void)state;
    int failures;
    server_tls = certs_server("server");
    assert_true(walk(reload, &failures) > 100);
    spout_tls_unref(server_tls);
    assert_true(failures > 100);
    assert_true(walk(add_certificate, &failures) > 100);
    assert_true(failures > 100);
}

/* --- connections --- */

static spout_loop *loop;
static recorder server, client;
static int secure;

static void on_secure(spout_transport *transport)
{
    (void)transport;
    secure++;
}

static bool are_secure(void)
{
    return secure == 2;
}

static bool has_request(void)
{
    return spi_buffer_len(&server.got) == LEN;
}

static bool has_reply(void)
{
    return spi_buffer_len(&client.got) == LEN;
}

static bool have_ended(void)
{
    return server.has_end && client.has_end;
}

/* Everything is in this thread: what doesn't happen in so many turns never will. */
static bool reaches(bool (*is_done)(void))
{
    for (int i = 0; i < TURNS && !server.is_lost && !client.is_lost; i++) {
        if (is_done())
            return true;
        kit_turn(loop, 0);
    }
    if (is_done())
        return true;
    if (!server.is_lost && !client.is_lost)
        fail_msg("block %d (%s:%d): stands still", memory.fatal, memory.file, memory.line);
    const recorder *first = server.is_lost ? &server : &client;
    return failed(first->lost_code, first->lost_message);
}

static bool talk(void)
{
    static const spi_tls_wrap_options as_server = { .on_secure = on_secure },
                                      as_client = { .on_secure = on_secure,
                                          .server_name = "localhost" };
    static char data[LEN];
    spout_tls_info info;
    if (spi_tls_wrap(&server.transport, server_tls, &as_server) < 0 ||
        spi_tls_wrap(&client.transport, client_tls, &as_client) < 0)
        return failed_now();
    if (!reaches(are_secure))
        return false;
    assert_int_equal(spi_tls_info(&client.transport, &info), 0);
    spi_transport_write(&client.transport, data, LEN);
    if (!reaches(has_request))
        return false;
    spi_transport_write(&server.transport, data, LEN);
    if (!reaches(has_reply))
        return false;
    spi_transport_shutdown(&client.transport);
    spi_transport_shutdown(&server.transport);
    return reaches(have_ended);
}

static bool connect_once(void)
{
    int fds[2];
    secure = 0;
    kit_unix_pair(fds);
    recorder_open(&server, loop, fds[0]);
    recorder_open(&client, loop, fds[1]);
    bool good = talk();
    recorder_finish(&server);
    recorder_finish(&client);
    return good;
}

static bool connect_counted(void)
{
    memory.counting = true;
    bool good = connect_once();
    memory.counting = false;
    return good;
}

/* The session of the connection before is taken up again. */
static bool connect_again(void)
{
    int fatal = memory.fatal;
    memory.fatal = 0;
    assert_true(connect_once());
    memory.fatal = fatal;
    return connect_counted();
}

static void walk_connections(
    const spout_tls_options *of_server, const spout_tls_options *of_client, bool (*run)(void))
{
    int failures;
    kit_log_capture();
    loop = kit_loop();
    server_tls = spout_tls_server_new(of_server);
    client_tls = spout_tls_client_new(of_client);
    assert_non_null(server_tls);
    assert_non_null(client_tls);
    assert_true(walk(run, &failures) > 1000);
    assert_true(failures > 500);
    spout_loop_free(loop);
    spout_tls_unref(server_tls);
    spout_tls_unref(client_tls);
    spout_log_set_sink(NULL);
}

static void test_connections(void **state)
{
    (void)state;
    walk_connections(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
                         .key_file = certs_path("server", ".key"),
                         .session_tickets = SPOUT_NONE },
        &(spout_tls_options){ .ca_file = certs_path("ca", ".pem"), .session_tickets = SPOUT_NONE },
        connect_counted);
}

static void test_resumed_connections(void **state)
{
    (void)state;
    walk_connections(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
                         .key_file = certs_path("server", ".key") },
        &(spout_tls_options){ .ca_file = certs_path("ca", ".pem") }, connect_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_reloads),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_resumed_connections),
    };
    if (CRYPTO_set_mem_functions(take, resize, give) != 1)
        return 1;
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
