/* The Date field's text, formatted once a second for each loop. */
#ifndef SPI_DATE_H
#define SPI_DATE_H

#include "loop/loop.h"

enum { SPI_HTTP_DATE_LEN = 29 };

/* "Sun, 06 Nov 1994 08:49:37 GMT" for the turn's wall clock. Valid until the next call on the
   same loop. */
const char *spi_http_date(spout_loop *loop);
const char *spi_http_date_at(spout_loop *loop, int64_t *ret_second); /* and which second it is */

#endif
