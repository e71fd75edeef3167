/* Futures from inside: being told at once, and no longer being told. */
#ifndef SPI_FUTURE_H
#define SPI_FUTURE_H

#include <spout/future.h>

#include "base/list.h"

/* Called as soon as the future is done, or its last reference goes before that. Embedded in its
   owner. */
typedef struct spi_future_watch spi_future_watch;
struct spi_future_watch {
    spi_list node;
    void (*fn)(spi_future_watch *watch);
};

/* The future must not be done. */
void spi_future_watch_start(
    spout_future *future, spi_future_watch *watch, void (*fn)(spi_future_watch *));
void spi_future_watch_stop(spi_future_watch *watch); /* safe on one that was called */

/* The error that it was rejected with, which counts as awaited then; 0 if there is none. */
int spi_future_raise(spout_future *future);

#endif
