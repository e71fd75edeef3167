/* Certificates and rules, and the connections' use of them. Private to src/net/tls*.c. */
#ifndef SPI_TLS_CONTEXT_H
#define SPI_TLS_CONTEXT_H

#include <spout/tls.h>

#include "base/list.h"

#include <openssl/ssl.h>

enum {
    SPI_TLS_HANDSHAKE_MS = 10 * 1000,
    SPI_TLS_ALPN_MAX = 255,
    SPI_TLS_SESSION_S = 2 * 3600 /* for so long it may be resumed */
};

/* One of a server's certificates, for the hosts that match. */
typedef struct spi_tls_certificate {
    spi_list node;
    char *pattern, *cert_file, *key_file;
    SSL_CTX *ctx;
} spi_tls_certificate;

/* What a server seals tickets with. */
typedef struct spi_tls_ticket_key {
    unsigned char name[16], cipher[32], mac[32];
} spi_tls_ticket_key;

typedef struct spi_tls_tickets {
    unsigned char secret[32]; /* of the present period */
    int64_t started_ms, period;
    spi_tls_ticket_key keys[2]; /* the period's, and those of the one before */
} spi_tls_tickets;

struct spout_tls {
    size_t refs;
    SSL_CTX *ctx;
    BIO_METHOD *method; /* of the connections' BIOs */
    bool is_server;
    spout_tls_options options; /* its texts are ours */
    spi_list certificates;
    unsigned char alpn[SPI_TLS_ALPN_MAX]; /* length-prefixed, as on the wire */
    unsigned alpn_len;
    spi_list sessions; /* of a client, the newest first */
    int session_count;
    spi_tls_tickets tickets; /* of a server */
};

/* What the callbacks of a handshake find by SSL_get_app_data. */
typedef struct spi_tls_peer {
    spout_tls *tls;
    char *server_name;         /* client */
    const unsigned char *alpn; /* server: preferred protocols */
    unsigned alpn_len;
} spi_tls_peer;

/* The session of an earlier connection to this host, the caller's from now on, or NULL. */
SSL_SESSION *spi_tls_session_take(spout_tls *tls, const char *server_name);
int spi_tls_session_keep(SSL *ssl, SSL_SESSION *session); /* SSL_CTX_sess_set_new_cb */
void spi_tls_sessions_free(spout_tls *tls);

/* Keys of tickets: one set for all of a server's certificates, reloads and workers. */
void spi_tls_tickets_init(spi_tls_tickets *tickets);
void spi_tls_tickets_use(SSL_CTX *ctx); /* those of the spout_tls that a connection belongs to */
void spi_tls_tickets_clear(spi_tls_tickets *tickets);

/* "*.example.org" stands for one label. Letters of either case. */
bool spi_tls_host_matches(const char *pattern, const char *host);

/* The oldest entry of OpenSSL's queue, which is emptied, in words. Never NULL. */
const char *spi_tls_error_words(char *out, size_t size);

/* Why a handshake failed. */
void spi_tls_handshake_words(SSL *ssl, const char *server_name, char *out, size_t size);

/* The failure is of a peer that speaks plain HTTP. Looks at the queue's oldest entry. */
bool spi_tls_error_is_plain_http(void);

/* What was noted last is an alert of the peer's. A goodbye counts as none, and leaves the queue as
   it is: others may have put something there. */
bool spi_tls_error_is_alert(void);

#endif
