/* Decoding a message body: by length or in chunks (RFC 9112 §6, §7), from any pieces. Includes only
   base. */
#ifndef SPI_BODY_H
#define SPI_BODY_H

#include <spout/base.h>

#include "http/head.h"

typedef struct spi_body_decoder {
    uint64_t left;     /* of the body, or of the current chunk */
    uint64_t total;    /* decoded so far */
    uint64_t max;      /* 413 beyond */
    uint32_t line_len; /* of the chunk-size line or the trailers so far, both bounded */
    uint8_t state;
} spi_body_decoder;

/* max SPOUT_NONE as UINT64_MAX. A Content-Length beyond max is the caller's to refuse before
   (-413). */
void spi_body_decoder_init(
    spi_body_decoder *decoder, spi_body_kind kind, uint64_t content_length, uint64_t max);

typedef enum spi_body_result {
    SPI_BODY_MORE,
    SPI_BODY_DATA,
    SPI_BODY_END,
    SPI_BODY_BAD
} spi_body_result;

/*
 * Takes from in[0..len) up to the next piece of content. *ret_used is how much was consumed; DATA:
 * *ret_data is a view into `in`; MORE: all was consumed and more is needed; END: the body is
 * complete, in[*ret_used] begins what follows; BAD: *ret_status is 400 (bad chunk size, missing
 * CRLF, bare CR or LF, chunk line over 4 KiB with its extension, trailers over 16 KiB, a trailer
 * that isn't a field) or 413. Chunk extensions are skipped, trailers checked and dropped.
 */
spi_body_result spi_body_decode(spi_body_decoder *decoder, const char *in, size_t len,
    size_t *ret_used, spout_bytes *ret_data, int *ret_status);

#endif
