/* Dates of HTTP without a locale or a time zone: own civil-date arithmetic. */
#ifndef SPI_TIMESTAMP_H
#define SPI_TIMESTAMP_H

#include <spout/base.h>

/* spout_parse_timestamp with the time that two-digit years are read against. */
int spi_parse_timestamp_at(const char *text, int64_t now, int64_t *ret_seconds);

#endif
