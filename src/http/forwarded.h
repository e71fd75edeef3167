/* Who the client is, by the word of proxies that are trusted. */
#ifndef SPI_FORWARDED_H
#define SPI_FORWARDED_H

#include "net/networks.h"

/* As spi_networks_contain, an IPv4 peer on an IPv6 socket counting as the IPv4 one. */
bool spi_forwarded_trusts(const spi_networks *trusted, const spout_endpoint *peer);

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", blanks around; IPv6 that stands
   for IPv4 becomes that. The port is 0 if there is none. */
bool spi_forwarded_parse_node(const char *text, size_t len, spout_endpoint *ret_endpoint);

/*
 * The last address of an X-Forwarded-For list, read from its end, that isn't a trusted one: each
 * entry counts only as the word of the trusted one behind it. Where all are trusted, the first.
 * Reading stops at what is no address. False if there is none at all.
 */
bool spi_forwarded_client(
    const char *list, size_t len, const spi_networks *trusted, spout_endpoint *ret_client);

#endif
