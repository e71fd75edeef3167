/* The short page for a request that no service answers, in every kind of exchange alike. */
#ifndef SPI_ERROR_PAGE_H
#define SPI_ERROR_PAGE_H

#include "http/exchange.h"

typedef struct spi_error_page {
    spi_reply_head head; /* its fields are the ones below */
    spi_field fields[4];
    char text[96];
    spout_bytes body;
} spi_error_page;

/* "413 Content Too Large" as plain text, with Server and Date; 503 says to try again in a
   second. Not to be moved or copied. */
void spi_error_page_make(spi_error_page *page, spout_loop *loop, int status);

#endif
