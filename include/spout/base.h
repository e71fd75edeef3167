/*
 * The words that every other header uses: visibility, annotations, option sentinels, and the one
 * view type.
 *
 * Three lifetimes are named throughout the headers:
 *   scoped  belongs to the current request, message or task and goes with it (spout_dup moves out);
 *   owned   is yours until you call the matching _free or _close, which accept NULL;
 *   shared  is reference counted by _ref and _unref.
 *
 * Fallible functions return 0, or a negative SPOUT_E… code (or NULL) with the error set: see
 * <spout/error.h>.
 */
#ifndef SPOUT_BASE_H
#define SPOUT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define SPOUT_API __attribute__((visibility("default")))
#define SPOUT_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define SPOUT_NODISCARD __attribute__((warn_unused_result))
#define SPOUT_NORETURN __attribute__((noreturn))
#else
#define SPOUT_API
#define SPOUT_PRINTF(format_at, first_at)
#define SPOUT_NODISCARD
#define SPOUT_NORETURN
#endif

/* Marks a prototype that may suspend the calling coroutine. An annotation for readers only. */
#define SPOUT_SUSPENDS

/* In options 0 means "the default" (in a handler: inherit from .base). These two say the rest. */
#define SPOUT_NONE (-1) /* off, or unlimited */
#define SPOUT_ZERO (-2) /* literally zero */

#ifdef __cplusplus
extern "C" {
#endif

/* A view of bytes that somebody else owns. Not NUL-terminated, may hold any byte. */
typedef struct spout_bytes {
    const char *data;
    size_t len;
} spout_bytes;

/* A view of a NUL-terminated text, without its NUL. */
static inline spout_bytes spout_bytes_of(const char *text)
{
    spout_bytes view = { text, text ? strlen(text) : 0 };
    return view;
}

#ifdef __cplusplus
}
#endif

#endif
