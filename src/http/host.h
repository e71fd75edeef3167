/* Host and port as they stand in Host fields and absolute targets (RFC 9110 §4.2, RFC 3986 §3.2).
   */
#ifndef SPI_HOST_H
#define SPI_HOST_H

#include <spout/base.h>

#include "base/arena.h"

/*
 * Checks `host [":" port]`: a registered name, an IPv4 address or an IPv6 or later one in brackets;
 * a port of digits, at most 65535, possibly none behind its colon. No user, no comma. Returns
 * false, or true with *ret_host NUL-terminated and in lower case: `text` itself, which must be
 * terminated, where it is so already, else a copy in the arena.
 */
bool spi_host_parse(spi_arena *arena, const char *text, size_t len, const char **ret_host);

#endif
