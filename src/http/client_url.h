/* The URLs of clients: http, https, ws, wss (RFC 3986; RFC 6455 §3). Includes only base. */
#ifndef SPI_CLIENT_URL_H
#define SPI_CLIENT_URL_H

#include <spout/base.h>

#include "base/arena.h"

/* Texts are in the arena. */
typedef struct spi_client_url {
    bool secure;
    const char *host;      /* in lower case, without brackets */
    const char *authority; /* for a Host field: brackets stay, the scheme's own port is left out */
    const char *target;    /* path and query, as it stands in a request: at least "/" */
    const char *user, *password; /* decoded; NULL if there are none */
    int port;
} spi_client_url;

/* SPOUT_EINVAL with words for what is no such URL: other schemes, no or a malformed host, spaces
   and control characters. Bytes from 0x80 on become escapes. A fragment is left out. */
int spi_client_url_parse(spi_arena *arena, const char *text, spi_client_url *ret_url);

/* What a Location means, seen from `base` (RFC 3986 §5.2). The same errors. */
int spi_client_url_resolve(
    spi_arena *arena, const spi_client_url *base, const char *location, spi_client_url *ret_url);

/* The same scheme's security, host and port: where secrets may go along. */
bool spi_client_url_is_same_origin(const spi_client_url *a, const spi_client_url *b);

/* "wss://example.org:444/path", without user and query: for messages. */
const char *spi_client_url_name(spi_arena *arena, const spi_client_url *url);

#endif
