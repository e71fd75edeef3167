/* Starting a process; what becomes of it is subprocess.c's business. */
#ifndef SPI_SUBPROCESS_SPAWN_H
#define SPI_SUBPROCESS_SPAWN_H

#include <spout/subprocess.h>

#include <sys/types.h>

enum { SPI_STDIO_COUNT = 3 };

/* ret_pipes: our ends where the options want streams, else -1. On failure nothing stays open. */
int spi_subprocess_spawn(const char *const *argv, const spout_subprocess_options *options,
    pid_t *ret_pid, int ret_pipes[SPI_STDIO_COUNT]);

#endif
