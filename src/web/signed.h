/* The signed formats (Tornado's signed values, versions 1 and 2). */
#ifndef SPI_SIGNED_H
#define SPI_SIGNED_H

#include <spout/cookies.h>

#include "base/arena.h"

/* In the arena; times in seconds. See spout_create_signed_value. */
const char *spi_signed_create(spi_arena *arena, const char *name, spout_bytes value,
    const spout_signed_options *options, int64_t now);

/* What was signed, in the arena; data NULL if the text is none of ours. Its age may be up to
   max_age seconds, < 0: any. */
spout_bytes spi_signed_decode(spi_arena *arena, const char *name, const char *text,
    const spout_signed_options *options, int64_t now, int64_t max_age);

/* .max_age_days in seconds, as spi_signed_decode has it. */
int64_t spi_signed_max_age(const spout_signed_options *options);

/* 0, or SPOUT_EINVAL with words. */
int spi_signed_check(const spout_signed_options *options);

/* The version that a signed value or XSRF token begins with ("2|…"), 1 for what has none. */
int spi_signed_version(const char *text);

#endif
