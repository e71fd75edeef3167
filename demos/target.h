/* Whom to connect to: "HOST:PORT". */
#ifndef TARGET_H
#define TARGET_H

#include <spout.h>

typedef struct target {
    char host[256];
    int port;
} target;

/* The value of that option; an IPv6 address stands in brackets. < 0 with the error set. */
int target_parse(target *ret_target, const char *option);

#endif
