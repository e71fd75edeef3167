/*
 * A growing buffer, born with its maximum. Appending beyond it fails with SPOUT_ELIMIT and changes
 * nothing. Bytes are taken from the front without moving the rest (start moves; growth compacts).
 */
#ifndef SPI_BUFFER_H
#define SPI_BUFFER_H

#include <spout/base.h>

#include <stdarg.h>

typedef struct spi_buffer {
    char *data;                       /* NULL while empty and released */
    size_t start, end, capacity, max; /* capacity: of data, with room for text's NUL */
} spi_buffer;

void spi_buffer_init(spi_buffer *buffer, size_t max);
void spi_buffer_release(spi_buffer *buffer); /* gives the memory back; still usable */

static inline size_t spi_buffer_len(const spi_buffer *buffer)
{
    return buffer->end - buffer->start;
}
static inline char *spi_buffer_head(const spi_buffer *buffer)
{
    return buffer->start ? buffer->data + buffer->start : buffer->data;
}

SPOUT_NODISCARD int spi_buffer_append(spi_buffer *buffer, const void *data, size_t len);
SPOUT_NODISCARD int spi_buffer_append_text(spi_buffer *buffer, const char *text);
SPOUT_NODISCARD int spi_buffer_append_char(spi_buffer *buffer, char c);
SPOUT_NODISCARD int spi_buffer_append_format(spi_buffer *buffer, const char *format, ...)
    SPOUT_PRINTF(2, 3);

/* Room for `len` more bytes at the end; NULL with SPOUT_ELIMIT set. Follow with
   spi_buffer_commit. */
char *spi_buffer_reserve(spi_buffer *buffer, size_t len);
void spi_buffer_commit(spi_buffer *buffer, size_t len);

/* From the front. A buffer that it empties starts at 0 again. */
void spi_buffer_consume(spi_buffer *buffer, size_t len);
void spi_buffer_clear(spi_buffer *buffer); /* keeps the memory */

/* The bytes with a NUL behind the last one, which counts neither as content nor against the
   maximum. Never NULL. */
char *spi_buffer_text(spi_buffer *buffer);

#endif
