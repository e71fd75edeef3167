/* Options, files that are of no use, certificates by host name, reading again. */
#include "tls_kit.h"

#include "net/tls_context.h"

static void assert_refused(
    const spout_tls_options *options, bool server, int code, const char *words)
{
    spout_tls *tls = server ? spout_tls_server_new(options) : spout_tls_client_new(options);
    assert_null(tls);
    assert_int_equal(spout_error_code_current(), code);
    if (!strstr(spout_error_message(), words))
        fail_msg("\"%s\" has no \"%s\"", spout_error_message(), words);
}

static void test_options_that_make_no_sense(void **state)
{
    (void)state;
    const char *cert = certs_path("server", ".pem"), *key = certs_path("server", ".key");
    assert_refused(NULL, true, SPOUT_EINVAL, "needs a certificate");
    assert_refused(&(spout_tls_options){ .cert_file = cert }, true, SPOUT_EINVAL, "come together");
    assert_refused(&(spout_tls_options){ .key_file = key }, false, SPOUT_EINVAL, "come together");
    assert_refused(&(spout_tls_options){ .cert_file = cert, .key_file = key, .insecure = true },
        true, SPOUT_EINVAL, "insecure");
    assert_refused(
        &(spout_tls_options){ .cert_file = cert, .key_file = key, .verify_client = true }, true,
        SPOUT_EINVAL, "ca_file");
    assert_refused(&(spout_tls_options){ .verify_client = true }, false, SPOUT_EINVAL, "servers");
    assert_refused(&(spout_tls_options){ .ciphers = "NOTHING" }, false, SPOUT_EINVAL, "NOTHING");
    assert_refused(
        &(spout_tls_options){ .handshake_timeout_ms = -7 }, false, SPOUT_EINVAL, "negative");
    assert_refused(&(spout_tls_options){ .alpn = (const char *const[]){ "", NULL } }, false,
        SPOUT_EINVAL, "ALPN");
    assert_refused(&(spout_tls_options){ .reserved = { &state } }, false, SPOUT_EINVAL, "reserved");
}

static void test_files_of_no_use(void **state)
{
    (void)state;
    const char *cert = certs_path("server", ".pem"), *key = certs_path("server", ".key");
    certs_write("words", ".pem", "no certificate\n");
    certs_make("other", NULL, NULL, 30);
    assert_refused(&(spout_tls_options){ .cert_file = "/nowhere.pem", .key_file = key }, true,
        SPOUT_ESYSTEM, "cannot read certificate /nowhere.pem: no such file");
    assert_refused(&(spout_tls_options){ .cert_file = cert, .key_file = certs_dir }, true,
        SPOUT_ESYSTEM, "is a directory");
    assert_refused(
        &(spout_tls_options){ .cert_file = certs_path("words", ".pem"), .key_file = key }, true,
        SPOUT_EINVAL, "is of no use: it holds none in PEM");
    assert_refused(
        &(spout_tls_options){ .cert_file = cert, .key_file = certs_path("words", ".pem") }, true,
        SPOUT_EINVAL, "is of no use: it holds none in PEM");
    assert_refused(
        &(spout_tls_options){ .cert_file = cert, .key_file = certs_path("other", ".key") }, true,
        SPOUT_EINVAL, "does not belong to certificate");
    assert_refused(
        &(spout_tls_options){ .ca_file = "/nowhere.pem" }, false, SPOUT_ESYSTEM, "/nowhere.pem");
    assert_refused(&(spout_tls_options){ .ca_file = certs_path("words", ".pem") }, false,
        SPOUT_EINVAL, "is of no use");
}

/* OpenSSL would ask for the pass phrase on the terminal. */
static void test_key_with_a_pass_phrase_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = certs_read_key("server");
    FILE *file = fopen(certs_path("locked", ".key"), "w");
    assert_non_null(file);
    PEM_write_PrivateKey(
        file, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
    assert_refused(&(spout_tls_options){ .cert_file = certs_path("server", ".pem"),
                       .key_file = certs_path("locked", ".key") },
        true, SPOUT_EINVAL, "is of no use");
}

static void test_host_patterns(void **state)
{
    (void)state;
    assert_true(spi_tls_host_matches("example.org", "EXAMPLE.org"));
    assert_false(spi_tls_host_matches("example.org", "www.example.org"));
    assert_true(spi_tls_host_matches("*.example.org", "www.Example.org"));
    assert_false(spi_tls_host_matches("*.example.org", "example.org"));
    assert_false(spi_tls_host_matches("*.example.org", ".example.org"));
    assert_false(spi_tls_host_matches("*.example.org", "a.b.example.org"));
    spout_tls *tls = certs_server("server"), *client = certs_client();
    const char *cert = certs_path("server", ".pem"), *key = certs_path("server", ".key");
    static const char *const bad[] = { "", "*", "*.", "a*.org", "www.*.org", "*example.org" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(spout_tls_add_certificate(tls, bad[i], cert, key), SPOUT_EINVAL);
    assert_int_equal(spout_tls_add_certificate(client, "a.org", cert, key), SPOUT_EINVAL);
    assert_int_equal(spout_tls_add_certificate(tls, "a.org", cert, "/nowhere"), SPOUT_ESYSTEM);
    assert_int_equal(spout_tls_add_certificate(tls, "*.a.org", cert, key), 0);
    spout_tls_unref(tls);
    spout_tls_unref(client);
}

static void test_failing_reload_changes_nothing(void **state)
{
    (void)state;
    certs_make("mine", "ca", "DNS:localhost", 30);
    certs_make("second", "ca", "DNS:a.org", 30);
    spout_tls *tls = certs_server("mine");
    assert_int_equal(spout_tls_add_certificate(
                         tls, "a.org", certs_path("second", ".pem"), certs_path("second", ".key")),
        0);
    assert_ptr_equal(spout_tls_ref(tls), tls);
    spout_tls_unref(tls);
    SSL_CTX *before = tls->ctx;
    certs_write("second", ".key", "half of a key");
    assert_int_equal(spout_tls_reload(tls), SPOUT_EINVAL);
    assert_non_null(strstr(spout_error_message(), "second.key"));
    assert_ptr_equal(tls->ctx, before);
    unlink(certs_path("mine", ".pem"));
    assert_int_equal(spout_tls_reload(tls), SPOUT_ESYSTEM);
    assert_ptr_equal(tls->ctx, before);
    certs_make("mine", "ca", "DNS:localhost", 30);
    certs_make("second", "ca", "DNS:a.org", 30);
    assert_int_equal(spout_tls_reload(tls), 0);
    assert_ptr_not_equal(tls->ctx, before);
    spout_tls_unref(tls);
    spout_tls_unref(NULL);
}

static void test_rules(void **state)
{
    (void)state;
    spout_tls *tls = certs_server("server");
    uint64_t options = SSL_CTX_get_options(tls->ctx);
    assert_true(options & SSL_OP_NO_COMPRESSION);
    assert_true(options & SSL_OP_NO_RENEGOTIATION);
    assert_int_equal(SSL_CTX_get_min_proto_version(tls->ctx), TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_get_max_early_data(tls->ctx), 0);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(tls->ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        assert_true(SSL_CIPHER_is_aead(sk_SSL_CIPHER_value(ciphers, i)));
    spout_tls_unref(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_that_make_no_sense),
        cmocka_unit_test(test_files_of_no_use),
        cmocka_unit_test(test_key_with_a_pass_phrase_is_refused),
        cmocka_unit_test(test_host_patterns),
        cmocka_unit_test(test_failing_reload_changes_nothing),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, certs_set_up, certs_tear_down);
}
