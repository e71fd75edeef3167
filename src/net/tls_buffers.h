/*
 * Which connections keep OpenSSL's buffers, 33 KiB each. Idle ones have none: OpenSSL allocates
 * them for a record and frees them behind it (SSL_MODE_RELEASE_BUFFERS). One that is read again
 * before many others are is busy, and keeps them until others are busier. Private to
 * src/net/tls*.c.
 */
#ifndef SPI_TLS_BUFFERS_H
#define SPI_TLS_BUFFERS_H

#include <openssl/ssl.h>

enum { SPI_TLS_KEEPERS = 128 }; /* of a loop, at most */

/* A connection's. All zero but for the SSL, which is not owned. */
typedef struct spi_tls_buffers spi_tls_buffers;
struct spi_tls_buffers {
    SSL *ssl;
    spi_tls_buffers **place; /* among the keepers; NULL: it keeps none */
    unsigned read_at;
};

/* A loop's. All zero at first. */
typedef struct spi_tls_keepers {
    spi_tls_buffers *kept[SPI_TLS_KEEPERS]; /* NULL: a place that is free */
    unsigned next, reads;                   /* of all connections */
} spi_tls_keepers;

void spi_tls_buffers_keep(spi_tls_buffers *buffers, spi_tls_keepers *keepers);
void spi_tls_buffers_forget(spi_tls_buffers *buffers); /* before its SSL is freed */

static inline void spi_tls_buffers_note_read(spi_tls_buffers *buffers, spi_tls_keepers *keepers)
{
    unsigned now = keepers->reads++;
    if (!buffers->place && now - buffers->read_at <= SPI_TLS_KEEPERS)
        spi_tls_buffers_keep(buffers, keepers);
    buffers->read_at = now;
}

#endif
