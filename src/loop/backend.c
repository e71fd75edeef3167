/* The one place where a backend is chosen. */
#include "loop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static const spout_backend *const backends[] = {
#ifdef __linux__
    &spi_backend_epoll,
#endif
    &spi_backend_poll,
};

const spout_backend *spi_backend_choose(const char *name)
{
    if (!name)
        name = getenv("SPOUT_BACKEND");
    if (!name || !*name)
        return backends[0];
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    spout_error_set(SPOUT_EUNSUPPORTED, "no event loop backend is called \"%s\"", name);
    return NULL;
}

/* Without memory in the kernel the loop goes on with what needs no descriptor, but does not spin.
   */
int spi_wait_failed(int errnum, const char *what)
{
    if (errnum == EINTR)
        return 0;
    if (errnum != ENOMEM && errnum != EAGAIN)
        return spout_error_set_errno(errnum, "%s failed", what);
    const struct timespec pause = { .tv_nsec = 1000000 };
    nanosleep(&pause, NULL);
    return 0;
}
