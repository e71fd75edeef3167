/* Random schedules that can be repeated: SPOUT_SEED=… in the environment runs just the one that
   failed. */
#ifndef TEST_LOOP_CHANCE_H
#define TEST_LOOP_CHANCE_H

#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t chance_state, chance_seed;

static inline void chance_begin(uint64_t seed)
{
    chance_seed = chance_state = seed;
}

/* Knuth's generator; its upper bits are good enough. */
static inline uint32_t chance_number(void)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance_state >> 33);
}

/* 0 … below - 1 */
static inline int chance(int below)
{
    return (int)(chance_number() % (uint32_t)below);
}

/* Runs `round` often, each time with another seed, or once with the one that is asked for. */
static inline void with_seeds(int rounds, void (*round)(void))
{
    const char *wanted = getenv("SPOUT_SEED");
    uint32_t first;
    spi_random_bytes(&first, sizeof first);
    if (wanted) {
        chance_begin(strtoull(wanted, NULL, 10));
        round();
        return;
    }
    printf("# seeds from %" PRIu32 "\n", first);
    for (int i = 0; i < rounds; i++) {
        chance_begin((uint64_t)first + (uint64_t)i);
        round();
    }
}

/* Fails with the seed that repeats it. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("%s:%d: %s; repeat with SPOUT_SEED=%" PRIu64, __FILE__, __LINE__, #condition, \
                chance_seed);                                                                      \
        }                                                                                          \
    } while (0)

#endif
