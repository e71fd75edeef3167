/*
 * The ceiling: a level-triggered epoll loop with one recv for each readiness. No routes, no limits,
 * no timeouts, no error handling beyond closing. What a server costs above this is its own.
 */
#ifndef BENCH_BARE_LOOP_H
#define BENCH_BARE_LOOP_H

#include <stddef.h>
#include <stdint.h>

/* Answers what was received on fd; `in` has room for a NUL behind it. < 0: the connection is
   closed. *state is the connection's, 0 at first. */
typedef int bare_serve(int fd, char *in, size_t len, uint64_t *state);

/* Sends all of it, waiting for a slow reader if it must. */
int bare_send(int fd, const void *data, size_t len, int flags);

/* Listens on a port of the loopback (0: any), tells it on stderr, and serves for ever. */
int bare_run(uint16_t port, bare_serve *serve);

#endif
