/* A form that streams: what a request keeps of it, in its arena. */
#ifndef SPI_WEB_MULTIPART_H
#define SPI_WEB_MULTIPART_H

#include <spout/multipart.h>

#include "http/multipart.h"
#include "web/request.h"

typedef struct spi_upload {
    spout_upload shown; /* first */
    struct spi_upload *next;
    char *path; /* the same as shown */
    bool moved; /* or removed */
} spi_upload;

typedef struct spi_form {
    spi_multipart machine;
    spi_arena *texts; /* of the current part; from the loop's pool */
    spi_arena_pool *pool;
    spout_bytes input;   /* what the machine has not taken of the last piece */
    spi_buffer gathered; /* of a part that is read or written in larger pieces */
    int fd;              /* the file that is being written; -1: none */
    spi_upload *first, *last;
    size_t upload_count;
    spout_part part;
    bool begun;   /* the machine is set up */
    bool in_part; /* there is content of the current part to come */
    bool ended;   /* there is nothing more to come */
    bool failed;
} spi_form;

/* The request's, made if there is none. */
spi_form *spi_request_form(spout_request *r);

/* The form is of no use any more: an error with that status. */
int spi_form_fail(spi_form *form, int status, const char *format, ...) SPOUT_PRINTF(3, 4);

/* Reads the part's content into form->gathered until that holds `enough` bytes: 1, or 0 at the
   part's end. */
int spi_form_gather(spout_request *r, spi_form *form, size_t enough) SPOUT_SUSPENDS;

#endif
