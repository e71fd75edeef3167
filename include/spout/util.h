/* Small things that every service needs and C lacks (Tornado's util, Python's uuid and datetime).
   */
#ifndef SPOUT_UTIL_H
#define SPOUT_UTIL_H

#include <spout/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From the system's generator, fit for secrets. Never fails: aborts where the system has none. */
SPOUT_API void spout_random_bytes(void *out, size_t len);

/* A random UUID (RFC 9562, version 4) as 36 characters and a NUL. Returns out. */
SPOUT_API char *spout_uuid4(char out[37]);

/* A wall clock time as "2026-11-22T09:30:00.123456Z" (ISO 8601, UTC) and a NUL. Returns out. */
SPOUT_API char *spout_format_iso8601(int64_t wall_us, char out[32]);

#ifdef __cplusplus
}
#endif

#endif
