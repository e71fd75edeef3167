/* What the fuzz targets share: a promise that holds always, a running hash of events, and ways to
   cut an input. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) \
    ((condition)        \
            ? (void)0   \
            : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* FNV-1a over everything that was noted. */
typedef struct digest {
    uint64_t hash;
    uint64_t events;
} digest;

static inline void digest_add(digest *d, const void *data, size_t len)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < len; i++)
        d->hash = (d->hash ^ at[i]) * UINT64_C(0x100000001B3);
}

static inline void digest_event(digest *d, int64_t kind)
{
    digest_add(d, &kind, sizeof kind);
    d->events++;
}

static inline void digest_text(digest *d, const char *text, size_t len)
{
    digest_event(d, (int64_t)len);
    digest_add(d, text, len);
}

/* Seed 0: all at once; 1: single bytes; others: random pieces. */
static inline size_t next_piece(uint32_t *seed, size_t left)
{
    if (*seed == 0 || left == 0)
        return left;
    if (*seed == 1)
        return 1;
    *seed = (*seed * UINT32_C(1664525) + UINT32_C(1013904223)) | 2;
    size_t piece = 1 + (*seed >> 16) % 61;
    return piece < left ? piece : left;
}

#endif
