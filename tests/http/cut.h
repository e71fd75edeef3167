/* Ways to cut an input into pieces, for tests that want the same answer however the bytes arrive.
   */
#ifndef TEST_CUT_H
#define TEST_CUT_H

#include <stddef.h>
#include <stdint.h>

typedef struct cutter {
    uint32_t seed; /* 0: all in one piece; 1: single bytes; others: random pieces */
} cutter;

static inline size_t next_cut(cutter *c, size_t left)
{
    if (c->seed == 0)
        return left;
    if (c->seed == 1)
        return left ? 1 : 0;
    c->seed = c->seed * 1664525u + 1013904223u;
    if (c->seed < 2)
        c->seed = 2;
    size_t piece = 1 + (c->seed >> 16) % 23;
    return piece < left ? piece : left;
}

enum { CUTS = 12 }; /* seeds 0 to 11 are tried */

#endif
