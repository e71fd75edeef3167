/*
 * The HTTP server: listeners, connections, limits, and how all of it ends. Serves a service (see
 * exchange.h).
 */
#ifndef SPI_SERVER_H
#define SPI_SERVER_H

#include <spout/httpserver.h>
#include <spout/netutil.h>

#include "http/exchange.h"

/* Owned. The service and self must outlive the server. */
spout_http_server *spi_http_server_new(
    const spi_service *service, void *self, const spout_http_server_options *options);

/* A connection of its own over an open socket, as accept would make one: tests and socket pairs.
   Takes fd. */
int spi_http_server_serve_fd(spout_http_server *server, int fd, const spout_endpoint *peer);

#endif
