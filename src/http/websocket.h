/* The server side of WebSocket on an exchange: the handshake's checks, the socket, its life. web
   calls these. */
#ifndef SPI_WEBSOCKET_H
#define SPI_WEBSOCKET_H

#include <spout/websocket.h>

#include "http/exchange.h"
#include "http/websocket_extension.h"

/*
 * Checks the handshake fields in Tornado's order (Upgrade, Connection → 400; origin is the
 * caller's, between; version → 426; Host, Key → 400). 0, or the status with a text for the page in
 * *ret_text (static). `after_origin` selects the second half.
 */
int spi_websocket_check_request(
    const spi_request_head *head, bool after_origin, const char **ret_text);

/* The version we speak: what a 426 names in its Sec-WebSocket-Version field, which is the caller's
   to add. */
#define SPI_WEBSOCKET_VERSION "13"

/* Offered subprotocols, scoped to the arena. Returns how many. */
size_t spi_websocket_offered_protocols(
    spi_arena *arena, const spi_request_head *head, const char *const **ret_offered);

/* The default check: the origin's host and port equal the request's host, case ignored, default
   ports of the scheme left out alike. */
bool spi_websocket_is_same_origin(const char *origin, const char *host, const char *protocol);

/*
 * Answers 101 (with `fields` of the service: Server, Date, cookies …) and makes the socket. The
 * exchange is the socket's from now on; its arena stays until spi_websocket_start, even if the
 * connection is lost before. NULL: the upgrade could not be had.
 */
spout_websocket *spi_websocket_accept(spi_exchange *exchange,
    const spout_websocket_handler *handler, const char *subprotocol, const spi_field *fields,
    size_t field_count, spout_request *request);

/* The 101 of spi_websocket_accept, for a checked request: after `fields` come
   Sec-WebSocket-Protocol, Sec-WebSocket-Extensions (if any), Upgrade and Sec-WebSocket-Accept; the
   exchange adds Connection. */
int spi_websocket_upgrade(spi_exchange *exchange, const char *subprotocol, const char *extensions,
    const spi_field *fields, size_t field_count, const spi_tunnel *tunnel, void *self);

/* The first acceptable offer of permessage-deflate in any of the fields. */
bool spi_websocket_agree_deflate(const spi_request_head *head,
    const spout_websocket_compression *compression, spi_deflate_terms *ret_terms);
uint8_t spi_websocket_window_bits(const spout_websocket_compression *compression);

/* .open has returned `result` (its error still set): deliver messages from now on, or close with
   1011. The request is gone after this: the caller releases it before. */
void spi_websocket_start(spout_websocket *ws, int result);

#endif
