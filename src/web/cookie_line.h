/* The value of a Set-Cookie field (RFC 6265bis §4.1), attributes in Tornado's order. */
#ifndef SPI_COOKIE_LINE_H
#define SPI_COOKIE_LINE_H

#include <spout/cookies.h>

#include "base/arena.h"

/* In the arena. NULL: SPOUT_EINVAL with words. now: seconds since 1970. */
const char *spi_cookie_line(spi_arena *arena, const char *name, const char *value,
    const spout_cookie_options *options, int64_t now);

bool spi_is_cookie_name(const char *name);

#endif
