/* The short page for a request that no service answers, in every kind of exchange alike. */
#ifndef SPI_ERROR_PAGE_H
#define SPI_ERROR_PAGE_H

#include "http/exchange.h"

enum { SPI_MAX_ERROR_FIELDS = 8 };

/* What a server adds to these pages. Zeroed: nothing. */
typedef struct spi_error_fields {
    spi_field fields[SPI_MAX_ERROR_FIELDS]; /* parts of the text */
    size_t count;
    char *text; /* owned */
} spi_error_fields;

/* Lines such as "Name: value", ended by NULL; NULL for none. Free it also after a failure. */
int spi_error_fields_parse(spi_error_fields *self, const char *const *lines);
void spi_error_fields_free(spi_error_fields *self);

typedef struct spi_error_page {
    spi_reply_head head; /* its fields are the ones below */
    spi_field fields[4 + SPI_MAX_ERROR_FIELDS];
    char text[96];
    spout_bytes body;
} spi_error_page;

/* "413 Content Too Large" as plain text, with Server and Date; 503 says to try again in a
   second. Not to be moved or copied. */
void spi_error_page_make(spi_error_page *page, spout_loop *loop, int status);
void spi_error_page_add(spi_error_page *page, const spi_error_fields *more);

#endif
