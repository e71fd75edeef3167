/* The handshake of WebSocket handlers. */
#ifndef SPI_UPGRADE_H
#define SPI_UPGRADE_H

#include <spout/web.h>

/* The GET of a handler with .websocket: the handshake, or .get where the client doesn't ask for
   one. */
int spi_upgrade(spout_request *r);

#endif
