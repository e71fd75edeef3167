/* The session of a request, from when it is first asked for. */
#ifndef SPI_SESSION_H
#define SPI_SESSION_H

#include <spout/session.h>

/* Before the head: saves what has changed, and sets the cookie. */
int spi_session_save(spout_request *r);

/* 0, or SPOUT_EINVAL with words. */
int spi_session_check(
    const spout_session_options *options, const spout_application_options *application);

#endif
