/* Cross-origin requests: see spout_cors_options. */
#ifndef SPI_CORS_H
#define SPI_CORS_H

#include <spout/middleware.h>

/* 0, or SPOUT_EINVAL with words. */
int spi_cors_check(const spout_cors_options *options);

/* The fields of a reply, when its head goes out. */
void spi_cors_dress(spout_request *r);

/* Whether it is a preflight request, which then has its answer. */
bool spi_cors_preflight(spout_request *r);

#endif
