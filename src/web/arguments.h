/* Arguments, cookies and other views of what came in: made when they are first asked for, kept with
   the request. */
#ifndef SPI_ARGUMENTS_H
#define SPI_ARGUMENTS_H

#include <spout/httputil.h>

#include "web/request.h"

typedef struct spi_pairs {
    spout_pair *pairs;
    size_t count;
    bool parsed;
} spi_pairs;

typedef struct spi_input {
    spi_pairs query, body, cookies;
    spout_file *files;
    size_t file_count;
    const char *remote_ip;
    json_t *json;
    struct spi_form *form; /* that streams; NULL: nobody has asked for it */
} spi_input;

spi_input *spi_request_input(spout_request *r);

/* Before prepare: 400 for a query that isn't UTF-8, so that nobody waits for an answer that it
   spoils. */
int spi_arguments_check_query(spout_request *r);

/* The Content-Type if it is of that type, whatever its parameters; else NULL. */
const char *spi_form_type(spout_request *r, const char *type);

/* A form that was read in pieces: its pairs become the body's arguments. */
int spi_arguments_take_urlencoded(spout_request *r, spout_bytes body);

/* Received bytes as text: themselves if they are UTF-8, else read as Latin-1; blanked where there
   is a NUL. */
const char *spi_text_of(spi_arena *arena, spout_bytes raw);

#endif
