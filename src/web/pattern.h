/*
 * A route's pattern: what it says, taken apart once when the application is built.
 *
 * Plain patterns (literals, and sugar that fills whole segments) go into the trie; all others are
 * regular expressions of PCRE2, tried only where their literal beginning matches. Paths are matched
 * as received, still percent-encoded.
 */
#ifndef SPI_PATTERN_H
#define SPI_PATTERN_H

#include "base/arena.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

typedef enum spi_part_kind {
    SPI_PART_TEXT,    /* a literal */
    SPI_PART_SEGMENT, /* {name} */
    SPI_PART_INT,     /* {name:int} */
    SPI_PART_PATH,    /* {name:path} */
    SPI_PART_GROUP    /* a capture of a regular expression */
} spi_part_kind;

typedef struct spi_part {
    spi_part_kind kind;
    const char *text; /* the literal, unescaped; or the capture's name, NULL if it has none */
    size_t len;
} spi_part;

enum { SPI_PATTERN_MAX_PARTS = 64, SPI_PATTERN_MAX_CAPTURES = 32 };

typedef struct spi_pattern {
    const char *source;
    spi_part *parts; /* the whole pattern in order, if it is plain or reversible */
    size_t part_count;
    const char **names; /* of the captures, NULL where unnamed */
    size_t capture_count;
    bool plain;
    bool reversible;    /* parts can be put together to a path again */
    const char *prefix; /* what every match of the regular expression begins with */
    size_t prefix_len;
    pcre2_code *code; /* NULL if plain */
} spi_pattern;

/* Lies in the arena but for the compiled code: spi_pattern_finish frees that. SPOUT_EINVAL with
   words and the place. */
int spi_pattern_compile(spi_arena *arena, const char *source, spi_pattern *ret_pattern);
void spi_pattern_finish(spi_pattern *pattern);

/* What matching regular expressions needs: one a loop, since none of it may be used by two matches
   at once. */
typedef struct spi_matcher {
    pcre2_match_context *limits;
    pcre2_jit_stack *stack; /* grows up to 1 MiB */
    pcre2_match_data *data;
} spi_matcher;
void spi_matcher_init(spi_matcher *matcher);
void spi_matcher_finish(spi_matcher *matcher);

/* 1: it matches, and captures[0..capture_count) are set (data NULL for one that took no part); 0:
   it doesn't; SPOUT_ELIMIT: too much work to tell. For a pattern that is not plain. */
int spi_pattern_match(const spi_pattern *pattern, spi_matcher *matcher, const char *path,
    size_t len, spout_bytes *captures);

/* The captures of a plain pattern from a path that is known to match it. */
void spi_pattern_captures(
    const spi_pattern *pattern, const char *path, size_t len, spout_bytes *captures);

#endif
