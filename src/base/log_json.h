/* Log lines as JSON objects: what the default sink and the access log share. */
#ifndef SPI_LOG_JSON_H
#define SPI_LOG_JSON_H

#include <spout/log.h>

#include "base/buffer.h"

/* Append, or leave the buffer at its maximum: a cut log line is no reason to fail. */
void spi_log_json_put(spi_buffer *out, const char *data, size_t len);
/* A text in quotes, of which at most max bytes: the result is UTF-8 without control characters. A text
   that isn't UTF-8 is read as Latin-1. */
void spi_log_json_text(spi_buffer *out, const char *text, size_t max);
/* RFC 3339 in UTC, to the millisecond, in quotes. */
void spi_log_json_time(spi_buffer *out, int64_t wall_us);

/* A whole record and its line end. A message of the access logger that is an object already gets
   the level and the logger into it. `raw` is the message as it was before anything in it was
   escaped, NULL if nothing was. */
void spi_log_json_line(spi_buffer *out, const spout_log_record *record, const char *raw);

const char *spi_log_logger_name(spout_logger logger);

#endif
