#include "web/router.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "base/text.h"
#include "web/handler.h"

enum { MAX_REVERSED = 64 * 1024 };

void spi_router_init(spi_router *router, spi_arena *arena, uint32_t max)
{
    *router = (spi_router){ .trie = spi_trie_new(arena) };
    spi_exact_init(&router->exact, arena, 0);
    router->routes = spi_arena_calloc(arena, (max + 1) * sizeof *router->routes);
    router->expressions = spi_arena_calloc(arena, (max + 1) * sizeof *router->expressions);
}

static uint64_t first_bytes(const char *text, size_t len)
{
    uint64_t first = 0;
    if (len)
        memcpy(&first, text, len < sizeof first ? len : sizeof first);
    return first;
}

static void add_expression(spi_router *router, const spi_pattern *pattern)
{
    static const char all[] = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    size_t len = pattern->plain ? 0 : pattern->prefix_len;
    router->expressions[router->expression_count++] = (spi_candidate){
        .first = first_bytes(pattern->prefix, len),
        .mask = first_bytes(all, len),
        .route = router->count,
    };
}

int spi_router_add(
    spi_router *router, spi_arena *arena, const char *pattern, const struct spi_handler *handler)
{
    spi_route *route = &router->routes[router->count];
    int result = spi_pattern_compile(arena, pattern, &route->pattern);
    if (result < 0)
        return result;
    route->handler = handler;
    if (route->pattern.plain)
        spi_trie_add(router->trie, &route->pattern, router->count);
    else
        add_expression(router, &route->pattern);
    router->count++;
    return 0;
}

int spi_router_add_nested(
    spi_router *router, spi_arena *arena, const char *pattern, spi_router *nested)
{
    spi_route *route = &router->routes[router->count];
    int result = spi_pattern_compile(arena, pattern, &route->pattern);
    if (result < 0)
        return result;
    route->nested = nested;
    if (route->pattern.plain) {
        route->gate = spi_trie_new(arena);
        spi_trie_add(route->gate, &route->pattern, 0);
    }
    add_expression(router, &route->pattern);
    router->count++;
    return 0;
}

/* Whether a path that the trie knows belongs to an earlier route all the same. */
static bool is_taken(
    const spi_router *router, spi_matcher *matcher, uint32_t at, const char *path, size_t len)
{
    spout_bytes raw[SPI_PATTERN_MAX_CAPTURES];
    for (uint32_t i = 0; i < router->expression_count && router->expressions[i].route < at; i++) {
        const spi_route *route = &router->routes[router->expressions[i].route];
        if (route->gate ? spi_trie_find(route->gate, path, len) == 0
                        : spi_pattern_match(&route->pattern, matcher, path, len, raw) != 0)
            return true;
    }
    return spi_trie_find(router->trie, path, len) != at;
}

void spi_router_seal(spi_router *router, spi_arena *arena)
{
    spi_matcher matcher;
    spi_matcher_init(&matcher);
    spi_exact_init(&router->exact, arena, router->count);
    for (uint32_t i = 0; i < router->count; i++) {
        const spi_route *route = &router->routes[i];
        const spi_part *part = route->pattern.parts;
        if (route->pattern.plain && !route->nested && route->pattern.part_count == 1 &&
            part->kind == SPI_PART_TEXT && !is_taken(router, &matcher, i, part->text, part->len))
            spi_exact_add(&router->exact, part->text, part->len, route->handler);
    }
    spi_matcher_finish(&matcher);
}

void spi_router_finish(spi_router *router)
{
    for (uint32_t i = 0; i < router->count; i++) {
        spi_pattern_finish(&router->routes[i].pattern);
        if (router->routes[i].nested)
            spi_router_finish(router->routes[i].nested);
    }
    router->count = router->expression_count = 0;
}

/* A copy in the arena, decoded. Returns -400 if that is no text. */
static int decode_capture(spi_arena *arena, spout_bytes raw, spi_capture *out)
{
    if (!raw.data)
        return 0;
    char *text = spi_arena_memdup(arena, raw.data, raw.len);
    size_t len = raw.len;
    if (memchr(raw.data, '%', raw.len)) {
        len = spi_percent_decode(text, len, false);
        text[len] = '\0';
    }
    out->text = text;
    out->len = len;
    if (memchr(text, '\0', len) || !spi_is_utf8(text, len)) {
        spout_error_set(SPOUT_EPROTO, "the path has a part that is not UTF-8 text");
        return -400;
    }
    return 0;
}

static int decode_captures(
    const spi_route *route, spi_arena *arena, const spout_bytes *raw, spi_match *ret_match)
{
    size_t count = route->pattern.capture_count;
    spi_capture *captures = spi_arena_calloc(arena, count * sizeof *captures);
    int result = 0;
    for (size_t i = 0; i < count; i++) {
        captures[i].name = route->pattern.names[i];
        int one = decode_capture(arena, raw[i], &captures[i]);
        result = result < 0 ? result : one;
    }
    *ret_match = (spi_match){ route->handler, captures, count };
    return result < 0 ? result : 1;
}

static int found(
    const spi_route *route, spi_arena *arena, const spout_bytes *raw, spi_match *ret_match)
{
    if (route->pattern.capture_count)
        return decode_captures(route, arena, raw, ret_match);
    *ret_match = (spi_match){ .handler = route->handler };
    return 1;
}

const spi_route *spi_router_find_name(const spi_router *router, const char *name)
{
    for (uint32_t i = 0; i < router->count; i++) {
        const spi_route *route = &router->routes[i];
        if (route->nested)
            route = spi_router_find_name(route->nested, name);
        else if (strcmp(route->handler->name, name) != 0)
            route = NULL;
        if (route)
            return route;
    }
    return NULL;
}

static int match_expression(const spi_route *route, spi_matcher *matcher, spi_arena *arena,
    const char *path, size_t len, spi_match *ret_match)
{
    spout_bytes raw[SPI_PATTERN_MAX_CAPTURES];
    int result = route->gate ? spi_trie_find(route->gate, path, len) == 0
                             : spi_pattern_match(&route->pattern, matcher, path, len, raw);
    if (result <= 0)
        return result < 0 ? -500 : 0;
    return route->nested ? spi_router_match(route->nested, matcher, arena, path, len, ret_match)
                         : found(route, arena, raw, ret_match);
}

int spi_router_match(const spi_router *router, spi_matcher *matcher, spi_arena *arena,
    const char *path, size_t len, spi_match *ret_match)
{
    uint32_t best = spi_trie_find(router->trie, path, len);
    const spi_candidate *end = router->expressions + router->expression_count;
    uint64_t first = end > router->expressions ? first_bytes(path, len) : 0;
    for (const spi_candidate *at = router->expressions; at < end && at->route < best; at++) {
        if ((first & at->mask) != at->first)
            continue;
        int result = match_expression(
            &router->routes[at->route], matcher, arena, path, len, ret_match);
        if (result)
            return result;
    }
    if (best == SPI_NO_ROUTE)
        return 0;
    const spi_route *route = &router->routes[best];
    spout_bytes raw[SPI_PATTERN_MAX_CAPTURES];
    if (route->pattern.capture_count)
        spi_pattern_captures(&route->pattern, path, len, raw);
    return found(route, arena, raw, ret_match);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || spi_is_digit(c) ||
           (c && strchr("_.-~", c));
}

/* A slash stays only where the capture may hold one. */
static int append_encoded(spi_buffer *out, const char *value, bool keep_slash)
{
    for (const char *p = value; *p; p++) {
        bool plain = is_unreserved(*p) || (*p == '/' && keep_slash);
        int result = plain ? spi_buffer_append_char(out, *p)
                           : spi_buffer_append_format(out, "%%%02X", (unsigned)(unsigned char)*p);
        if (result < 0)
            return result;
    }
    return 0;
}

static int append_part(spi_buffer *out, const spi_part *part, const char *value)
{
    switch (part->kind) {
    case SPI_PART_TEXT: return spi_buffer_append(out, part->text, part->len);
    case SPI_PART_INT:
    case SPI_PART_SEGMENT: return append_encoded(out, value, false);
    case SPI_PART_PATH:
    case SPI_PART_GROUP: break;
    }
    return append_encoded(out, value, true);
}

static int append_parts(spi_buffer *out, const spi_pattern *pattern, const char *const *values)
{
    for (size_t i = 0; i < pattern->part_count; i++) {
        const spi_part *part = &pattern->parts[i];
        const char *value = part->kind == SPI_PART_TEXT ? "" : *values++;
        if (!value)
            return spout_error_set(
                SPOUT_EINVAL, "reverse_url: a value for \"%s\" is NULL", pattern->source);
        if (append_part(out, part, value) < 0)
            return spout_error_set(
                SPOUT_EINVAL, "reverse_url: the values for \"%s\" are too long", pattern->source);
    }
    return 0;
}

const char *spi_router_reverse(
    const spi_route *route, spi_arena *arena, const char *const *values, size_t count)
{
    const spi_pattern *pattern = &route->pattern;
    if (!pattern->reversible) {
        spout_error_set(
            SPOUT_EINVAL, "reverse_url: \"%s\" is too complicated to be reversed", pattern->source);
        return NULL;
    }
    if (count != pattern->capture_count) {
        spout_error_set(SPOUT_EINVAL, "reverse_url: \"%s\" takes %zu values, not %zu",
            pattern->source, pattern->capture_count, count);
        return NULL;
    }
    spi_buffer out;
    spi_buffer_init(&out, MAX_REVERSED);
    const char *path = NULL;
    if (append_parts(&out, pattern, values) == 0)
        path = spi_arena_strdup(arena, spi_buffer_text(&out));
    spi_buffer_release(&out);
    return path;
}
