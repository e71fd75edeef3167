/* A coroutine that runs out of stack dies at its guard page. This makes it say so. */
#ifndef SPI_OVERFLOW_H
#define SPI_OVERFLOW_H

/*
 * Installs a handler of SIGSEGV and SIGBUS, on a signal stack of its own, that names the coroutine
 * whose stack has overflowed before the process dies as it would have. All other faults are passed
 * on as they are. For the thread that calls it, once a process: a library has no business with
 * these signals unless its main() does. Nothing under ASan, which tells more by itself.
 */
void spi_overflow_handler_install(void);

#endif
