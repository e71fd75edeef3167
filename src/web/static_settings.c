/* The routes that .static_path of an application stands for. */
#include <spout/error.h>

#include "base/text.h"
#include "web/static.h"

static bool is_prefix(const char *text)
{
    size_t len = strlen(text);
    return len && text[0] == '/' && text[len - 1] == '/' && !spi_starts_with(text, "//");
}

/* As a pattern: nothing in it means more than itself. */
static const char *quote(spi_arena *arena, const char *text)
{
    char *out = spi_arena_chars(arena, strlen(text) * 2 + 1), *at = out;
    for (; *text; text++) {
        if (strchr("\\^$.|?*+()[]{}", *text))
            *at++ = '\\';
        *at++ = *text;
    }
    *at = '\0';
    return out;
}

/* What the author gave for it, in a base or further down. */
static const spout_static_options *options_of(const spout_handler *handler)
{
    static const spout_static_options none = { 0 };
    enum { MAX_BASES = 64 }; /* more of them are refused later */
    for (int i = 0; handler && i < MAX_BASES; i++, handler = handler->base) {
        if (handler->static_files)
            return handler->static_files;
    }
    return &none;
}

static const spout_handler *make_handler(spi_arena *arena, const spout_application_options *options)
{
    spout_static_options *files = spi_arena_alloc(arena, sizeof *files);
    *files = *options_of(options->static_handler);
    files->path = options->static_path;
    spout_handler *handler = spi_arena_calloc(arena, sizeof *handler);
    handler->base = options->static_handler;
    handler->static_files = files;
    return handler;
}

int spi_static_routes(spi_arena *arena, spout_application_options *options,
    const spout_route **routes, const spout_handler **ret_handler)
{
    if (!options->static_url_prefix)
        options->static_url_prefix = "/static/";
    if (!options->static_path)
        return 0;
    if (!is_prefix(options->static_url_prefix))
        return spout_error_set(SPOUT_EINVAL, "static_url_prefix begins and ends with one slash");
    size_t count = 0;
    while (*routes && (*routes)[count].pattern)
        count++;
    const char *below = spi_arena_format(
        arena, "%s{path:path}", quote(arena, options->static_url_prefix));
    const spout_handler *handler = make_handler(arena, options);
    const spout_route ours[] = { { below, handler }, { "/favicon\\.ico", handler },
        { "/robots\\.txt", handler } };
    enum { OURS = sizeof ours / sizeof ours[0] };
    spout_route *all = spi_arena_calloc(arena, (OURS + count + 1) * sizeof *all);
    memcpy(all, ours, sizeof ours);
    for (size_t i = 0; i < count; i++)
        all[OURS + i] = (*routes)[i];
    *routes = all;
    *ret_handler = handler;
    return 0;
}
