/*
 * The keys of session tickets (RFC 5077, RFC 8446), replaced every two hours.
 *
 * A period's keys come from its secret, the next period's secret from this one and then this one is
 * forgotten: whoever reads a worker's memory later can't read what was recorded before. Periods
 * count from the making of the spout_tls, so that workers which were forked from there on have the
 * same keys at the same time without a word between them. (The parent of workers speaks no TLS, and
 * keeps the first secret for the worker that must be started again.)
 */
#include "net/tls_context.h"

#include <spout/loop.h>

#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

enum { PERIOD_MS = SPI_TLS_SESSION_S * 1000 };

static spout_bytes view(const unsigned char *data, size_t len)
{
    return (spout_bytes){ (const char *)data, len };
}

static void derive(unsigned char out[32], const unsigned char secret[32], const char *what)
{
    spi_hmac_sha256(out, view(secret, 32), spout_bytes_of(what));
}

static void make_key(spi_tls_ticket_key *key, const unsigned char secret[32])
{
    unsigned char name[32];
    derive(name, secret, "name");
    memcpy(key->name, name, sizeof key->name);
    derive(key->cipher, secret, "cipher");
    derive(key->mac, secret, "mac");
}

void spi_tls_tickets_init(spi_tls_tickets *tickets)
{
    spi_random_bytes(tickets->secret, sizeof tickets->secret);
    tickets->started_ms = spout_time_ms();
    make_key(&tickets->keys[0], tickets->secret);
    tickets->keys[1] = tickets->keys[0];
}

void spi_tls_tickets_clear(spi_tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

/* Up to the present period. The keys of the one before are still good for what they sealed. */
static void advance(spi_tls_tickets *tickets)
{
    int64_t now = (spout_time_ms() - tickets->started_ms) / PERIOD_MS;
    for (; tickets->period < now; tickets->period++) {
        unsigned char next[32];
        derive(next, tickets->secret, "next");
        memcpy(tickets->secret, next, sizeof next);
        OPENSSL_cleanse(next, sizeof next);
        tickets->keys[1] = tickets->keys[0];
        make_key(&tickets->keys[0], tickets->secret);
    }
}

static bool init_mac(EVP_MAC_CTX *mac, spi_tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(spi_tls_ticket_key *key, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, sizeof key->name);
    spi_random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    bool done = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                init_mac(mac, key);
    return done ? 1 : -1;
}

/* 0: a full handshake; 2: good, but a new one is due. */
static int unseal(spi_tls_tickets *tickets, const unsigned char *name, const unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    for (int i = 0; i < 2; i++) {
        spi_tls_ticket_key *key = &tickets->keys[i];
        if (CRYPTO_memcmp(name, key->name, sizeof key->name) != 0)
            continue;
        bool done = init_mac(mac, key) &&
                    EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1;
        return done ? 1 + i : -1;
    }
    return 0;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int sealing)
{
    const spi_tls_peer *peer = SSL_get_app_data(ssl);
    spi_tls_tickets *tickets = &peer->tls->tickets;
    advance(tickets);
    return sealing ? seal(&tickets->keys[0], name, iv, cipher, mac)
                   : unseal(tickets, name, iv, cipher, mac);
}

void spi_tls_tickets_use(SSL_CTX *ctx)
{
    SSL_CTX_set_timeout(ctx, SPI_TLS_SESSION_S);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
