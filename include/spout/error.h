/*
 * Errors: one error object per coroutine, one per thread outside coroutines.
 *
 * A failing function sets the current error and returns its code (negative), or NULL. Setting
 * replaces what was there; only spout_error_wrap keeps it, as the cause. Nothing clears the error
 * on success: look at it only after a failure.
 *
 * Example:
 *     if (spout_sleep(100) < 0)
 *         return spout_error_wrap(SPOUT_EFAILED, "the pause before retrying was cut short");
 */
#ifndef SPOUT_ERROR_H
#define SPOUT_ERROR_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All codes are negative, so that `return spout_error_set(…)` is a complete failure path. */
typedef enum spout_error_code {
    SPOUT_OK = 0,
    SPOUT_EFAILED = -1,      /* anything that no other code names */
    SPOUT_EINVAL = -2,       /* the caller's mistake */
    SPOUT_ESTATE = -3,       /* not possible now: wrong phase, not in a coroutine, already done */
    SPOUT_ECANCELED = -4,    /* the coroutine was cancelled */
    SPOUT_ETIMEDOUT = -5,    /* a deadline passed */
    SPOUT_ECLOSED = -6,      /* the peer, the stream or the loop is gone */
    SPOUT_ELIMIT = -7,       /* a maximum was reached: buffer, queue, pool, stacks */
    SPOUT_EPROTO = -8,       /* the peer broke the protocol */
    SPOUT_ENOTFOUND = -9,    /* no such thing */
    SPOUT_EEXIST = -10,      /* already there */
    SPOUT_EAGAIN = -11,      /* a try_ function would have had to wait */
    SPOUT_ESYSTEM = -12,     /* a system call failed: spout_error_get_errno has its errno */
    SPOUT_EHTTP = -13,       /* a handler ends with the status in spout_error_get_status */
    SPOUT_EUNSUPPORTED = -14 /* not available in this build, on this system or for this peer */
} spout_error_code;

/* One link of the chain of causes. Scoped: valid until the next set, wrap or clear in the same
   coroutine. */
typedef struct spout_error spout_error;

/* Replaces the current error and returns `code` (a code that isn't negative becomes
   SPOUT_EFAILED). The message is cut at 1,023 bytes, at the end of a character. The old error's
   message may be among the arguments. errno stays as it is. */
SPOUT_API int spout_error_set(int code, const char *format, ...) SPOUT_PRINTF(2, 3);

/* Like spout_error_set, with the current error kept as the cause. A chain has at most 16 links:
   beyond that the one above the root cause goes. */
SPOUT_API int spout_error_wrap(int code, const char *format, ...) SPOUT_PRINTF(2, 3);

/* A failed system call: code SPOUT_ESYSTEM, the message followed by ": " and what errno means. */
SPOUT_API int spout_error_set_errno(int errnum, const char *format, ...) SPOUT_PRINTF(2, 3);

/* A handler's result: code SPOUT_EHTTP with an HTTP status (400 to 599; others become 500). */
SPOUT_API int spout_error_set_status(int status, const char *format, ...) SPOUT_PRINTF(2, 3);

/* The current error, or NULL if none is set. */
SPOUT_API const spout_error *spout_error_current(void);

SPOUT_API void spout_error_clear(void);

/* Of one link; NULL reads as "no error": SPOUT_OK, "", 0, 0, NULL. The message is never NULL. */
SPOUT_API int spout_error_get_code(const spout_error *error);
SPOUT_API const char *spout_error_get_message(const spout_error *error);
SPOUT_API int spout_error_get_status(const spout_error *error);
SPOUT_API int spout_error_get_errno(const spout_error *error);
SPOUT_API const spout_error *spout_error_get_cause(const spout_error *error);

/* Short for the current error's. */
SPOUT_API int spout_error_code_current(void);
SPOUT_API const char *spout_error_message(void);

/* The name of a code, such as "timed out". Static. */
SPOUT_API const char *spout_error_code_name(int code);

#ifdef __cplusplus
}
#endif

#endif
