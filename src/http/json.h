/* JSON on its way in and out: Jansson behind a linear check of the depth, since it recurses and our
   stacks are small. */
#ifndef SPI_JSON_H
#define SPI_JSON_H

#include <spout/base.h>

#include <jansson.h>

enum { SPI_JSON_MAX_DEPTH = 128 };

/* The compact text of a value, non-ASCII kept, with a NUL behind it. Owned (spi_free); the value
   stays the caller's. NULL: SPOUT_EINVAL for NULL, SPOUT_ELIMIT for a value that is nested too
   deep. */
char *spi_json_dump(const json_t *value, size_t *ret_len);

/* Whether no array or object stands more than SPI_JSON_MAX_DEPTH deep. Does not check anything
   else. */
bool spi_json_text_is_shallow(const char *text, size_t len);
bool spi_json_value_is_shallow(const json_t *value);

#endif
