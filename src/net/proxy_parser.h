/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a load balancer says of
 * the client before anything else. Bytes in, an address out.
 */
#ifndef SPI_PROXY_PARSER_H
#define SPI_PROXY_PARSER_H

#include <spout/base.h>

/* Version 1 ends within 107 bytes. Version 2 says its length; with what may follow the addresses
   more than this is refused. */
enum { SPI_PROXY_MAX = 4096 };

typedef struct spi_proxy_address {
    uint8_t family; /* 4, 6; 0: none is known, the connection's own stands */
    unsigned char ip[16];
    uint16_t port;
} spi_proxy_address;

typedef struct spi_proxy_header {
    int version;
    bool local; /* the proxy's own connection, such as a health check: no addresses count */
    spi_proxy_address source, destination;
} spi_proxy_header;

/*
 * Looks at what has come so far. Returns the length of the complete header, 0 if all bytes belong
 * to one that is not complete yet, < 0 if this is none, with *ret_why (static) saying so.
 */
int spi_proxy_parse(
    const char *data, size_t len, spi_proxy_header *ret_header, const char **ret_why);

#endif
