/* A field value with parameters: `form-data; name="a"; filename*=UTF-8''b` (RFC 9110 §5.6.6, RFC
   8187). */
#ifndef SPI_HEADER_PARAMS_H
#define SPI_HEADER_PARAMS_H

#include <spout/base.h>

/* What is left to read of the parameters. */
typedef struct spi_params {
    const char *at, *end;
} spi_params;

/* The value in front of the parameters, without outer blanks; *params is ready for spi_params_next.
   */
spout_bytes spi_params_start(spout_bytes field, spi_params *params);

/*
 * The next parameter. Returns 1 with its name as sent and its value without quotes, 0 at the end,
 * SPOUT_EPROTO (error set) if a quoted string has no end or is followed by other than ';'. In
 * quotes \" and \\ are resolved and any other backslash stays, as browsers and curl mean it; then
 * the value is a scoped copy, else a view. What has no '=' is passed over.
 */
int spi_params_next(spi_params *params, spout_bytes *ret_name, spout_bytes *ret_value);

/* An extended value, charset'language'escapes, in UTF-8 or ISO-8859-1: a scoped UTF-8 text, or NULL
   (error set) if it is malformed or holds control characters. */
const char *spi_params_decode_extended(spout_bytes value);

#endif
