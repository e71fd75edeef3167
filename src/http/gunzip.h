/* Taking gzip off a message's body (RFC 1952), piece by piece. */
#ifndef SPI_GUNZIP_H
#define SPI_GUNZIP_H

#include <spout/base.h>

typedef struct spi_gunzip spi_gunzip;

/* `max`: the most that may come out. NULL without memory, with the error set. */
spi_gunzip *spi_gunzip_new(uint64_t max);
void spi_gunzip_free(spi_gunzip *inflater);

/*
 * Takes from the start of *in, which becomes what is left of it, and fills up to `room` bytes of
 * `out`. Returns how many, 0 where all of *in was taken and more is needed; else SPOUT_EPROTO for
 * what isn't gzip, SPOUT_ELIMIT beyond the maximum, SPOUT_ESYSTEM without memory. Several members
 * follow one another as one.
 */
long spi_gunzip_feed(spi_gunzip *inflater, spout_bytes *in, char *out, size_t room);

/* Whether it may end here: behind a complete member. */
bool spi_gunzip_is_complete(const spi_gunzip *inflater);

#endif
