/* For system calls that write and have no MSG_NOSIGNAL. */
#ifndef SPI_SIGPIPE_H
#define SPI_SIGPIPE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* SIGPIPE is held back from begin to end, and eaten if the call in between has raised it. Where it
   was held back before, one more that is pending changes nothing. errno stays. */
typedef struct spi_sigpipe {
    sigset_t before;
} spi_sigpipe;

static inline void spi_sigpipe_only(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

static inline void spi_sigpipe_begin(spi_sigpipe *held)
{
    sigset_t only;
    spi_sigpipe_only(&only);
    pthread_sigmask(SIG_BLOCK, &only, &held->before);
}

static inline void spi_sigpipe_end(const spi_sigpipe *held, bool failed)
{
    int errnum = errno;
    if (failed && errnum == EPIPE && sigismember(&held->before, SIGPIPE) == 0) {
        sigset_t only;
        spi_sigpipe_only(&only);
        sigtimedwait(&only, NULL, &(struct timespec){ 0 });
    }
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    errno = errnum;
}

#endif
