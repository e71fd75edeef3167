/* Addresses between the system's form and ours. */
#ifndef SPI_ENDPOINT_H
#define SPI_ENDPOINT_H

#include <spout/sys/transport.h>

#include <sys/socket.h>

/* Family 0 for anything but IPv4 and IPv6. IPv4-mapped IPv6 addresses become IPv4. */
void spi_endpoint_from(spout_endpoint *endpoint, const struct sockaddr *address);

/* A numeric IPv4 or IPv6 address without brackets or zone. False if the text is anything else. */
bool spi_endpoint_parse(spout_endpoint *ret_endpoint, const char *text, uint16_t port);

/* The same, with a zone allowed behind an IPv6 address: "fe80::1%eth0", "fe80::1%2" (RFC 4007, 11).
   False also for an interface that does not exist. */
bool spi_endpoint_parse_zoned(spout_endpoint *ret_endpoint, const char *text, uint16_t port);

/* Without the port. */
bool spi_endpoint_is_same_host(const spout_endpoint *a, const spout_endpoint *b);

/* Returns the length. The endpoint's family must not be 0. */
socklen_t spi_endpoint_to(const spout_endpoint *endpoint, struct sockaddr_storage *out);

/* The other side of a connected socket; family 0 if there is none. */
void spi_endpoint_of_peer(spout_endpoint *endpoint, int fd);

/* "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80"; "unix" for family 0. */
enum { SPI_ENDPOINT_NAME = 80 };
const char *spi_endpoint_name(const spout_endpoint *endpoint, char out[SPI_ENDPOINT_NAME]);

/*
 * A Unix socket's address; a leading '@' stands for Linux's abstract space. Returns the length, or
 * -1 with SPOUT_EINVAL if the path is empty or too long.
 */
struct sockaddr_un;
int spi_unix_address(const char *path, struct sockaddr_un *out);

#endif
