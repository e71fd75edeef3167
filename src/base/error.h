/* What errors are made of, and how one moves from a coroutine to another. */
#ifndef SPI_ERROR_H
#define SPI_ERROR_H

#include <spout/error.h>

struct spout_error {
    int code;
    int status;
    int errnum;
    size_t capacity; /* of message, with its NUL */
    spout_error *cause;
    char message[];
};

enum { SPI_ERROR_MESSAGE_MAX = 1023, SPI_ERROR_DEPTH_MAX = 16 };

/* Takes the current error, with its causes, out of the context: the caller owns it. NULL if there
   is none. */
spout_error *spi_error_take(void);

/* Makes `error` the current one, instead of what was there, and owns it. Returns its code; NULL
   clears and returns 0. */
int spi_error_put(spout_error *error);

/* A deep copy that the caller owns; NULL gives NULL. */
spout_error *spi_error_copy(const spout_error *error);

/* Frees an error and its causes. */
void spi_error_free(spout_error *error);

#endif
