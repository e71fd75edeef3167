/* Which content coding a client likes best. */
#ifndef SPI_CODING_H
#define SPI_CODING_H

#include <spout/web.h>

/* The place of the coding that Accept-Encoding wants most, the first of equals; -1: it is better
   left as it is. */
int spi_coding_choose(spout_request *r, const char *const *codings, size_t count);

#endif
