/* Methods that are ready to be put into handlers. */
#include "base/buffer.h"
#include "base/text.h"
#include "web/request.h"

#include <spout/auth.h>
#include <spout/escape.h>

enum { MAX_URL = 64 * 1024 };

static const char *capture_of(spout_request *r, const char *name, size_t len)
{
    uint64_t index;
    if (spi_parse_uint(name, len, SPI_PATTERN_MAX_CAPTURES, &index))
        return spout_path_argument_at(r, (size_t)index + 1);
    return spout_path_argument(r, spi_arena_memdup(spi_request_arena(r), name, len));
}

static int append_capture(spout_request *r, spi_buffer *out, const char *name, size_t len)
{
    const char *value = capture_of(r, name, len);
    return spi_buffer_append_text(out, spout_url_escape(value ? value : "", false));
}

/* The template with its captures, up to `end`. */
static int append_template(spout_request *r, spi_buffer *out, const char *at, const char *end)
{
    int result = 0;
    while (at < end && result == 0) {
        const char *open = memchr(at, '{', (size_t)(end - at));
        const char *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
        if (!close)
            return spi_buffer_append(out, at, (size_t)(end - at));
        result = spi_buffer_append(out, at, (size_t)(open - at));
        if (result == 0)
            result = append_capture(r, out, open + 1, (size_t)(close - open - 1));
        at = close + 1;
    }
    return result;
}

static int build_url(spout_request *r, spi_buffer *out, const char *url)
{
    const char *fragment = strchr(url, '#');
    const char *end = fragment ? fragment : url + strlen(url);
    const char *query = r->exchange->head.query;
    int result = append_template(r, out, url, end);
    if (result == 0 && *query)
        result = spi_buffer_append_char(out, memchr(url, '?', (size_t)(end - url)) ? '&' : '?');
    if (result == 0)
        result = spi_buffer_append_text(out, query);
    return result < 0 ? result : append_template(r, out, end, end + strlen(end));
}

int spout_redirect_handler(spout_request *r)
{
    const spout_redirect_options *options = spout_config(r);
    if (!options || !options->url)
        return spout_error_set(SPOUT_EINVAL, "spout_redirect_handler needs .config with an .url");
    spi_buffer out;
    spi_buffer_init(&out, MAX_URL);
    spi_scope_guard guard = spi_request_scope_enter(r);
    int result = build_url(r, &out, options->url);
    spi_scope_leave(guard);
    const char *url = spi_arena_strdup(spi_request_arena(r), spi_buffer_text(&out));
    spi_buffer_release(&out);
    if (result < 0)
        return result;
    if (!spout_is_local_url(url) && (*options->url == '{' || spi_starts_with(options->url, "/{")))
        return spout_fail(r, 403, "\"%s\" is no path to redirect to", url);
    return spout_redirect(r, url, options->temporary ? 302 : 301);
}

int spout_error_handler(spout_request *r)
{
    const spout_error_options *options = spout_config(r);
    if (!options)
        return spout_error_set(SPOUT_EINVAL, "spout_error_handler needs .config with a .status");
    return spout_fail(r, options->status, "%s", options->message ? options->message : "");
}
