/* Certificates made on the spot, in a folder that goes away with the test program. */
#ifndef TESTS_NET_TLS_KIT_H
#define TESTS_NET_TLS_KIT_H

#include "kit.h"

#include <spout/tls.h>

#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static char certs_dir[64];

/* The path of a file in the folder; one of eight that stay valid. */
static inline const char *certs_path(const char *name, const char *ending)
{
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s%s", certs_dir, name, ending);
    return path;
}

static inline void certs_write(const char *name, const char *ending, const char *text)
{
    FILE *file = fopen(certs_path(name, ending), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline EVP_PKEY *certs_read_key(const char *name)
{
    FILE *file = fopen(certs_path(name, ".key"), "r");
    assert_non_null(file);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    return key;
}

static inline X509 *certs_read(const char *name)
{
    FILE *file = fopen(certs_path(name, ".pem"), "r");
    assert_non_null(file);
    X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return cert;
}

static inline void certs_extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* NAME.pem and NAME.key, signed by `issuer` (itself if NULL), valid until so many days from now.
   `names`: as in "DNS:localhost,IP:127.0.0.1"; NULL makes an authority. */
static inline void certs_make(const char *name, const char *issuer, const char *names, int days)
{
    static long serial;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *signer = issuer ? certs_read_key(issuer) : key;
    X509 *cert = X509_new(), *parent = issuer ? certs_read(issuer) : cert;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)getpid() * 100 + ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(parent));
    X509_set_pubkey(cert, key);
    certs_extend(cert, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        certs_extend(cert, NID_subject_alt_name, names);
    assert_true(X509_sign(cert, signer, EVP_sha256()) > 0);
    FILE *file = fopen(certs_path(name, ".pem"), "w");
    assert_non_null(file);
    PEM_write_X509(file, cert);
    fclose(file);
    file = fopen(certs_path(name, ".key"), "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    if (issuer) {
        EVP_PKEY_free(signer);
        X509_free(parent);
    }
    EVP_PKEY_free(key);
    X509_free(cert);
}

/* ca, and server: localhost, 127.0.0.1. */
static inline int certs_set_up(void **state)
{
    (void)state;
    snprintf(certs_dir, sizeof certs_dir, "/tmp/spout-certs-XXXXXX");
    assert_non_null(mkdtemp(certs_dir));
    certs_make("ca", NULL, NULL, 30);
    certs_make("server", "ca", "DNS:localhost,IP:127.0.0.1", 30);
    return 0;
}

static inline int certs_tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", certs_dir);
    return system(command) == 0 ? 0 : -1;
}

static inline spout_tls *certs_server(const char *name)
{
    spout_tls *tls = spout_tls_server_new(&(spout_tls_options){
        .cert_file = certs_path(name, ".pem"), .key_file = certs_path(name, ".key") });
    assert_non_null(tls);
    return tls;
}

static inline spout_tls *certs_client(void)
{
    spout_tls *tls = spout_tls_client_new(
        &(spout_tls_options){ .ca_file = certs_path("ca", ".pem") });
    assert_non_null(tls);
    return tls;
}

#endif
