/* Reading until a regular expression matches: PCRE2, with a bound on its work. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "net/stream_state.h"

#include <spout/error.h>

#include "base/memory.h"

#include <pcre2.h>

/* Enough for any sensible pattern on a full buffer; a pattern that backtracks more is an error. */
enum { MATCH_LIMIT = 2 * 1000 * 1000, DEPTH_LIMIT = 10 * 1000, HEAP_LIMIT_KIB = 16 * 1024 };

typedef struct spi_regex {
    char *pattern;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
} spi_regex;

void spi_regex_free(spi_regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->match);
    pcre2_code_free(regex->code);
    spi_free(regex->pattern);
    spi_free(regex);
}

static int no_memory(spi_regex *regex)
{
    spi_regex_free(regex);
    return spout_error_set(SPOUT_ELIMIT, "no memory for a regular expression");
}

static int compile(const char *pattern, spi_regex **ret_regex)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *compiled = pcre2_compile(
        (PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
    if (!compiled) {
        char why[120] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return spout_error_set(SPOUT_EINVAL, "bad pattern \"%s\" at %zu: %s", pattern, at, why);
    }
    spi_regex *regex = spi_calloc(sizeof *regex);
    regex->code = compiled;
    regex->match = pcre2_match_data_create(1, NULL);
    regex->context = pcre2_match_context_create(NULL);
    if (!regex->match || !regex->context)
        return no_memory(regex);
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_depth_limit(regex->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    regex->pattern = spi_strdup(pattern);
    *ret_regex = regex;
    return 0;
}

/* The stream keeps the last pattern compiled: a protocol uses one again and again. */
static int need_regex(spout_stream *stream, const char *pattern)
{
    if (stream->regex && strcmp(stream->regex->pattern, pattern) == 0)
        return 0;
    spi_regex *regex = NULL;
    int result = compile(pattern, &regex);
    if (result < 0)
        return result;
    spi_regex_free(stream->regex);
    stream->regex = regex;
    return 0;
}

/*
 * Looks for the first match that starts at or after *scanned. 1 and its end, or 0 and from where to
 * look once there is more: where what is there might be the beginning of a match.
 */
static int search(const spout_stream *stream, size_t len, size_t *scanned, size_t *ret_end)
{
    const spi_regex *regex = stream->regex;
    const char *head = len ? spi_buffer_head(&stream->input) : "";
    int found = pcre2_match(regex->code, (PCRE2_SPTR)head, len, *scanned, PCRE2_PARTIAL_SOFT,
        regex->match, regex->context);
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(regex->match);
    if (found >= 0) {
        *ret_end = range[1];
        return 1;
    }
    if (found != PCRE2_ERROR_NOMATCH && found != PCRE2_ERROR_PARTIAL)
        return spout_error_set(
            SPOUT_ELIMIT, "the pattern \"%s\" takes too long to match", regex->pattern);
    *scanned = found == PCRE2_ERROR_PARTIAL ? range[0] : len;
    return 0;
}

int spout_stream_read_until_regex(
    spout_stream *stream, const char *pattern, size_t max, spout_bytes *ret_bytes)
{
    size_t most = spi_stream_limit(stream, max), scanned = 0, end = 0;
    int result = spi_stream_begin_read(stream);
    if (result == 0)
        result = need_regex(stream, pattern);
    while (result == 0) {
        size_t len = spi_buffer_len(&stream->input);
        int found = search(stream, len, &scanned, &end);
        if (found < 0)
            return found;
        if (found && end <= most)
            return spi_stream_hand_out(stream, end, ret_bytes);
        if (found || len >= most)
            return spout_error_set(
                SPOUT_ELIMIT, "the pattern did not match within %zu bytes", most);
        result = spi_stream_fill(stream, len + 1);
    }
    return result;
}
