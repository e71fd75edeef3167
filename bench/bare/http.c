/* Each blank line gets a fixed answer; those to one batch leave in one send.  bare_http [PORT] */
#define _GNU_SOURCE
#include "loop.h"

#include <stdlib.h>
#include <string.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Type: text/plain; charset=UTF-8\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, World!";

static int serve(int fd, char *in, size_t len, uint64_t *state)
{
    (void)state;
    static char out[1 << 18];
    size_t ready = 0;
    const char *at = in, *end = in + len;
    while (ready + sizeof answer < sizeof out &&
           (at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
        memcpy(out + ready, answer, sizeof answer - 1);
        ready += sizeof answer - 1;
        at += 4;
    }
    return bare_send(fd, out, ready, 0);
}

int main(int argc, char **argv)
{
    return bare_run((uint16_t)(argc > 1 ? atoi(argv[1]) : 0), serve);
}
