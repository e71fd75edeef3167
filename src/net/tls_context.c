/* A spout_tls: options, certificates by host name, and reading all of it again. */
#include "net/tls_context.h"

#include <spout/error.h>

#include "base/memory.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <strings.h>

/* Forward secrecy and authenticated encryption only. */
static const char default_ciphers[] = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const unsigned char session_context[] = "waterspout";

/* --- files --- */

static int check_readable(const char *what, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return spout_error_set_errno(errno, "cannot read %s %s", what, path);
    int byte = fgetc(file);
    int errnum = ferror(file) ? errno : 0;
    fclose(file);
    if (byte == EOF && errnum)
        return spout_error_set_errno(errnum, "cannot read %s %s", what, path);
    return 0;
}

static int bad_file(const char *what, const char *path)
{
    char words[256];
    return spout_error_set(SPOUT_EINVAL, "%s %s is of no use: %s", what, path,
        spi_tls_error_words(words, sizeof words));
}

/* OpenSSL would ask on the terminal otherwise. */
static int no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return 0;
}

static int load_certificate(SSL_CTX *ctx, const char *cert_file, const char *key_file)
{
    int result = check_readable("certificate", cert_file);
    if (result == 0)
        result = check_readable("key", key_file);
    if (result < 0)
        return result;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return bad_file("certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1)
        return 0;
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_X509 || ERR_GET_REASON(error) != X509_R_KEY_VALUES_MISMATCH ||
        ERR_peek_error() != error)
        return bad_file("key", key_file);
    ERR_clear_error();
    return spout_error_set(
        SPOUT_EINVAL, "key %s does not belong to certificate %s", key_file, cert_file);
}

static int load_authorities(SSL_CTX *ctx, const spout_tls *tls)
{
    const char *path = tls->options.ca_file;
    if (!path) {
        if (!tls->is_server && SSL_CTX_set_default_verify_paths(ctx) != 1)
            return bad_file("the system's store of", "certificates");
        return 0;
    }
    int result = check_readable("certificates", path);
    if (result < 0)
        return result;
    if (SSL_CTX_load_verify_locations(ctx, path, NULL) != 1)
        return bad_file("certificates", path);
    STACK_OF(X509_NAME) *names = tls->is_server ? SSL_load_client_CA_file(path) : NULL;
    if (tls->is_server && !names)
        return bad_file("certificates", path);
    SSL_CTX_set_client_CA_list(ctx, names);
    return 0;
}

/* --- what happens in handshakes --- */

bool spi_tls_host_matches(const char *pattern, const char *host)
{
    if (pattern[0] == '*' && pattern[1] == '.') {
        const char *rest = strchr(host, '.');
        return rest && rest != host && strcasecmp(pattern + 1, rest) == 0;
    }
    return strcasecmp(pattern, host) == 0;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    const spi_tls_peer *peer = SSL_get_app_data(ssl);
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!host)
        return SSL_TLSEXT_ERR_NOACK;
    spi_list *all = &peer->tls->certificates;
    for (spi_list *node = all->next; node != all; node = node->next) {
        const spi_tls_certificate *item = spi_container(node, spi_tls_certificate, node);
        if (spi_tls_host_matches(item->pattern, host)) {
            SSL_set_SSL_CTX(ssl, item->ctx);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* A client that offers protocols, but none of ours, is refused (RFC 7301, 3.2): what it means to
   say would be understood as something else. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *offered, unsigned offered_len, void *arg)
{
    (void)arg;
    const spi_tls_peer *peer = SSL_get_app_data(ssl);
    if (peer->alpn_len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, peer->alpn, peer->alpn_len, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- contexts --- */

static int no_tls(void)
{
    char words[256];
    return spout_error_set(SPOUT_EFAILED, "no TLS: %s", spi_tls_error_words(words, sizeof words));
}

static int set_rules(SSL_CTX *ctx, const spout_tls *tls)
{
    const spout_tls_options *options = &tls->options;
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_min_proto_version(
        ctx, options->min_version == SPOUT_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    /* No finite fields, whose large ones cost a server far more than the client that asks for them
       (CVE-2002-20001). */
    char groups[] = "X25519:P-256:P-384:P-521";
    if (SSL_CTX_set1_groups_list(ctx, groups) != 1 || SSL_CTX_set_ciphersuites(ctx, suites) != 1)
        return no_tls();
    const char *ciphers = options->ciphers ? options->ciphers : default_ciphers;
    if (SSL_CTX_set_cipher_list(ctx, ciphers) == 1)
        return 0;
    if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_NO_CIPHER_MATCH)
        return no_tls();
    ERR_clear_error();
    return spout_error_set(SPOUT_EINVAL, "no usable cipher in \"%s\"", ciphers);
}

static void set_sessions(SSL_CTX *ctx, const spout_tls *tls)
{
    bool none = tls->options.session_tickets == SPOUT_NONE;
    if (none) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    if (tls->is_server || none) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        if (!none) {
            SSL_CTX_set_num_tickets(ctx, 1);
            spi_tls_tickets_use(ctx);
        }
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, spi_tls_session_keep);
    }
}

static int set_role(SSL_CTX *ctx, const spout_tls *tls)
{
    const spout_tls_options *options = &tls->options;
    if (tls->is_server) {
        SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
        SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
        int mode = options->ca_file ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
        SSL_CTX_set_verify(
            ctx, mode | (options->verify_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    } else {
        SSL_CTX_set_verify(ctx, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_set_alpn_protos(ctx, tls->alpn, tls->alpn_len) != 0) /* 0 is success here */
            return no_tls();
    }
    return 0;
}

/* NULL with the error set. */
static SSL_CTX *build(const spout_tls *tls, const char *cert_file, const char *key_file)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(tls->is_server ? TLS_server_method() : TLS_client_method());
    if (!ctx) {
        no_tls();
        return NULL;
    }
    if (set_rules(ctx, tls) < 0 || (cert_file && load_certificate(ctx, cert_file, key_file) < 0) ||
        load_authorities(ctx, tls) < 0 || set_role(ctx, tls) < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    set_sessions(ctx, tls);
    return ctx;
}

/* --- options --- */

static int check_options(const spout_tls *tls)
{
    const spout_tls_options *options = &tls->options;
    if (!options->cert_file != !options->key_file)
        return spout_error_set(SPOUT_EINVAL, "a certificate and its key come together");
    if (tls->is_server && !options->cert_file)
        return spout_error_set(SPOUT_EINVAL, "a TLS server needs a certificate and its key");
    if (tls->is_server && options->insecure)
        return spout_error_set(SPOUT_EINVAL, "insecure is for clients");
    if (!tls->is_server && options->verify_client)
        return spout_error_set(SPOUT_EINVAL, "verify_client is for servers");
    if (options->verify_client && !options->ca_file)
        return spout_error_set(SPOUT_EINVAL, "verify_client needs a ca_file");
    if (options->handshake_timeout_ms < SPOUT_NONE)
        return spout_error_set(SPOUT_EINVAL, "handshake_timeout_ms is negative");
    for (size_t i = 0; i < sizeof options->reserved / sizeof(void *); i++)
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of TLS options must be zero");
    return 0;
}

static int set_alpn(spout_tls *tls, const char *const *names)
{
    for (; names && *names; names++) {
        size_t len = strlen(*names);
        if (len == 0 || len + 1 > sizeof tls->alpn - tls->alpn_len)
            return spout_error_set(
                SPOUT_EINVAL, "ALPN protocol \"%s\": empty, or too long a list", *names);
        tls->alpn[tls->alpn_len] = (unsigned char)len;
        memcpy(tls->alpn + tls->alpn_len + 1, *names, len);
        tls->alpn_len += (unsigned)len + 1;
    }
    return 0;
}

static const char *copy(const char *text)
{
    return text ? spi_strdup(text) : NULL;
}

static void drop(const char *text)
{
    spi_free((void *)(uintptr_t)text);
}

static void take_options(spout_tls *tls, const spout_tls_options *options)
{
    tls->options = *options;
    tls->options.cert_file = copy(options->cert_file);
    tls->options.key_file = copy(options->key_file);
    tls->options.ca_file = copy(options->ca_file);
    tls->options.ciphers = copy(options->ciphers);
    tls->options.alpn = NULL;
    if (options->handshake_timeout_ms == 0)
        tls->options.handshake_timeout_ms = SPI_TLS_HANDSHAKE_MS;
}

static spout_tls *make(bool is_server, const spout_tls_options *options)
{
    static const spout_tls_options defaults = { 0 };
    if (!options)
        options = &defaults;
    spout_tls *tls = spi_calloc(sizeof *tls);
    tls->refs = 1;
    tls->is_server = is_server;
    spi_list_init(&tls->certificates);
    spi_list_init(&tls->sessions);
    spi_tls_tickets_init(&tls->tickets);
    take_options(tls, options);
    if (check_options(tls) < 0 || set_alpn(tls, options->alpn) < 0 ||
        !(tls->ctx = build(tls, tls->options.cert_file, tls->options.key_file))) {
        spout_tls_unref(tls);
        return NULL;
    }
    return tls;
}

spout_tls *spout_tls_server_new(const spout_tls_options *options)
{
    return make(true, options);
}

spout_tls *spout_tls_client_new(const spout_tls_options *options)
{
    return make(false, options);
}

spout_tls *spout_tls_ref(spout_tls *tls)
{
    tls->refs++;
    return tls;
}

static void certificate_free(spi_tls_certificate *item)
{
    spi_list_remove(&item->node);
    SSL_CTX_free(item->ctx);
    spi_free(item->pattern);
    spi_free(item->cert_file);
    spi_free(item->key_file);
    spi_free(item);
}

void spout_tls_unref(spout_tls *tls)
{
    spi_list *node;
    if (!tls || --tls->refs > 0)
        return;
    while ((node = spi_list_first(&tls->certificates)))
        certificate_free(spi_container(node, spi_tls_certificate, node));
    spi_tls_sessions_free(tls);
    spi_tls_tickets_clear(&tls->tickets);
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->method);
    drop(tls->options.cert_file);
    drop(tls->options.key_file);
    drop(tls->options.ca_file);
    drop(tls->options.ciphers);
    spi_free(tls);
}

int spout_tls_add_certificate(
    spout_tls *tls, const char *host_pattern, const char *cert_file, const char *key_file)
{
    if (!tls->is_server)
        return spout_error_set(SPOUT_EINVAL, "certificates by host name are for servers");
    if (strchr(host_pattern + (host_pattern[0] == '*'), '*') || !*host_pattern ||
        (host_pattern[0] == '*' && (host_pattern[1] != '.' || !host_pattern[2])))
        return spout_error_set(
            SPOUT_EINVAL, "\"%s\": neither a host name nor \"*.\" and a domain", host_pattern);
    SSL_CTX *ctx = build(tls, cert_file, key_file);
    if (!ctx)
        return spout_error_code_current();
    spi_tls_certificate *item = spi_calloc(sizeof *item);
    item->pattern = spi_strdup(host_pattern);
    item->cert_file = spi_strdup(cert_file);
    item->key_file = spi_strdup(key_file);
    item->ctx = ctx;
    spi_list_push(&tls->certificates, &item->node);
    return 0;
}

/* --- reading again --- */

static int rebuild_certificates(spout_tls *tls, spi_list *ret_fresh)
{
    for (spi_list *node = tls->certificates.next; node != &tls->certificates; node = node->next) {
        const spi_tls_certificate *old = spi_container(node, spi_tls_certificate, node);
        SSL_CTX *ctx = build(tls, old->cert_file, old->key_file);
        if (!ctx)
            return spout_error_code_current();
        spi_tls_certificate *item = spi_calloc(sizeof *item);
        item->pattern = spi_strdup(old->pattern);
        item->cert_file = spi_strdup(old->cert_file);
        item->key_file = spi_strdup(old->key_file);
        item->ctx = ctx;
        spi_list_push(ret_fresh, &item->node);
    }
    return 0;
}

int spout_tls_reload(spout_tls *tls)
{
    spi_list fresh, *node;
    spi_list_init(&fresh);
    SSL_CTX *ctx = build(tls, tls->options.cert_file, tls->options.key_file);
    int result = ctx ? rebuild_certificates(tls, &fresh) : spout_error_code_current();
    spi_list *useless = result < 0 ? &fresh : &tls->certificates;
    while ((node = spi_list_first(useless)))
        certificate_free(spi_container(node, spi_tls_certificate, node));
    if (result < 0) {
        SSL_CTX_free(ctx);
        return result;
    }
    spi_list_splice(&tls->certificates, &fresh);
    spi_tls_sessions_free(tls);
    SSL_CTX_free(tls->ctx);
    tls->ctx = ctx;
    return 0;
}
