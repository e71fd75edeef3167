/* From a URL to a stream on which HTTP is spoken: the connection, a proxy's tunnel, TLS. And reading
   heads from there. */
#ifndef SPI_CLIENT_DIAL_H
#define SPI_CLIENT_DIAL_H

#include <spout/tcpclient.h>

#include "base/buffer.h"
#include "http/client_url.h"
#include "http/response_head.h"

typedef struct spi_dial_options {
    const spout_tcp_connect_options *tcp; /* NULL: defaults; .tls NULL: the system's trust store */
    const char *unix_path;                /* instead of the URL's host and port; NULL: none */
    const char *proxy;                    /* its URL; NULL: none */
} spi_dial_options;

/*
 * Owned. NULL with the error set. *ret_status is set where a proxy has answered with another status
 * than 2xx, *ret_final where trying again will not help: an option of the caller's, a certificate.
 */
spout_stream *spi_dial(spi_arena *arena, const spi_client_url *url, const spi_dial_options *options,
    int *ret_status, bool *ret_final) SPOUT_SUSPENDS;

enum { SPI_RESPONSE_MAX_HEAD = 64 * 1024 };

/*
 * The next head, in the arena; what comes behind it stays in `got`, a buffer that has been
 * initialised with SPI_RESPONSE_MAX_GOT and holds what was received before. Interim answers (1xx but
 * 101) are skipped.
 */
enum { SPI_RESPONSE_MAX_GOT = 4 * SPI_RESPONSE_MAX_HEAD };
int spi_read_response_head(spi_arena *arena, spout_stream *stream, spi_buffer *got,
    spi_response_head *ret_head) SPOUT_SUSPENDS;

#endif
