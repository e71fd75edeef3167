/* What runs on any POSIX system must not ask for more than POSIX has. */
#include "loop/backend.c"
#include "loop/backend_poll.c"
#include "loop/post.c"
#include "loop/watch.c"

#if defined _GNU_SOURCE || defined _DEFAULT_SOURCE || _POSIX_C_SOURCE != 200809L
#error "the portable backend asks for more than POSIX"
#endif
