/* A readiness backend: how a loop waits for descriptors. Weaker promise than the rest: it may
   change with any 0.x. */
#ifndef SPOUT_SYS_BACKEND_H
#define SPOUT_SYS_BACKEND_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_backend_event {
    int fd;
    unsigned events; /* SPOUT_READABLE | SPOUT_WRITABLE | SPOUT_HANGUP */
} spout_backend_event;

/* Level-triggered. `set` adds, changes or (events 0 and !keep) removes a descriptor. All return 0
   or set the error. */
typedef struct spout_backend {
    const char *name;
    void *(*open)(void);
    void (*close)(void *self);
    int (*add)(void *self, int fd, unsigned events);
    int (*modify)(void *self, int fd, unsigned events);
    void (*remove)(void *self, int fd);
    /* Waits at most timeout_ms (< 0: no limit) and fills up to `max` events; EINTR counts as none.
       */
    int (*wait)(void *self, int64_t timeout_ms, spout_backend_event *events, int max);
    int (*fd)(void *self); /* -1 if there is none to be polled */
} spout_backend;

#ifdef __cplusplus
}
#endif

#endif
