#include "web/handler.h"

#include <spout/error.h>

#include "base/buffer.h"
#include "web/cors.h"
#include "web/static.h"
#include "web/upgrade.h"

enum { MAX_BASES = 64, MAX_ALLOW = 256 };

int spout_no_hook(spout_request *r)
{
    (void)r;
    return 0;
}

/* The members that are methods. */
static const size_t method_members[] = {
    offsetof(spout_handler, get),
    offsetof(spout_handler, head),
    offsetof(spout_handler, post),
    offsetof(spout_handler, del),
    offsetof(spout_handler, patch),
    offsetof(spout_handler, put),
    offsetof(spout_handler, options),
    offsetof(spout_handler, any),
    offsetof(spout_handler, initialize),
    offsetof(spout_handler, set_default_headers),
    offsetof(spout_handler, prepare),
    offsetof(spout_handler, on_finish),
    offsetof(spout_handler, on_connection_close),
    offsetof(spout_handler, write_error),
    offsetof(spout_handler, log_exception),
    offsetof(spout_handler, get_current_user),
    offsetof(spout_handler, check_xsrf_cookie),
};

/* The members that are flags. */
static const size_t flag_members[] = {
    offsetof(spout_handler, stream_body),
    offsetof(spout_handler, cancel_on_close),
    offsetof(spout_handler, raw_arguments),
    offsetof(spout_handler, authenticated),
    offsetof(spout_handler, xsrf_cookies),
    offsetof(spout_handler, addslash),
    offsetof(spout_handler, removeslash),
    offsetof(spout_handler, etag),
    offsetof(spout_handler, compress_response),
};

enum {
    METHOD_MEMBERS = sizeof method_members / sizeof method_members[0],
    FLAG_MEMBERS = sizeof flag_members / sizeof flag_members[0]
};

static spout_method *get_member(const spout_handler *handler, size_t i)
{
    spout_method *method;
    memcpy(&method, (const char *)handler + method_members[i], sizeof method);
    return method;
}

static void set_member(spout_handler *handler, size_t i, spout_method *method)
{
    memcpy((char *)handler + method_members[i], &method, sizeof method);
}

static int get_flag(const spout_handler *handler, size_t i)
{
    int flag;
    memcpy(&flag, (const char *)handler + flag_members[i], sizeof flag);
    return flag;
}

static void inherit(spout_handler *to, const spout_handler *from)
{
    for (size_t i = 0; i < METHOD_MEMBERS; i++) {
        if (!get_member(to, i))
            set_member(to, i, get_member(from, i));
    }
    for (size_t i = 0; i < FLAG_MEMBERS; i++) {
        if (!get_flag(to, i))
            memcpy((char *)to + flag_members[i], (const char *)from + flag_members[i], sizeof(int));
    }
    to->websocket = to->websocket ? to->websocket : from->websocket;
    to->static_files = to->static_files ? to->static_files : from->static_files;
    to->config = to->config ? to->config : from->config;
    to->state_size = to->state_size ? to->state_size : from->state_size;
    to->middleware = to->middleware ? to->middleware : from->middleware;
    to->cors = to->cors ? to->cors : from->cors;
    to->fallback = to->fallback ? to->fallback : from->fallback;
    to->login_url = to->login_url ? to->login_url : from->login_url;
    to->max_body_size = to->max_body_size ? to->max_body_size : from->max_body_size;
    to->body_timeout_ms = to->body_timeout_ms ? to->body_timeout_ms : from->body_timeout_ms;
    to->min_body_rate = to->min_body_rate ? to->min_body_rate : from->min_body_rate;
    if (!to->request_timeout_ms)
        to->request_timeout_ms = from->request_timeout_ms;
}

static const char *label(const spout_handler *source)
{
    return source->name ? source->name : "(unnamed)";
}

static int check_reserved(const spout_handler *handler, const spout_handler *source)
{
    for (size_t i = 0; i < sizeof handler->reserved / sizeof handler->reserved[0]; i++) {
        if (handler->reserved[i])
            return spout_error_set(
                SPOUT_EINVAL, "handler %s: reserved members must be zero", label(source));
    }
    return 0;
}

static int flatten(const spout_handler *source, spout_handler *out)
{
    *out = *source;
    int depth = 0;
    for (const spout_handler *base = source; base; base = base->base) {
        if (++depth > MAX_BASES)
            return spout_error_set(
                SPOUT_EINVAL, "handler %s: its bases form a cycle", label(source));
        if (check_reserved(base, source) < 0)
            return SPOUT_EINVAL;
        inherit(out, base);
    }
    for (size_t i = 0; i < METHOD_MEMBERS; i++) {
        if (get_member(out, i) == spout_no_hook)
            set_member(out, i, NULL);
    }
    return 0;
}

static bool is_flag(int value)
{
    return value == 0 || value == 1 || value == SPOUT_NONE;
}

static int check_values(const spout_handler *spec, const spout_handler *source)
{
    for (size_t i = 0; i < FLAG_MEMBERS; i++) {
        if (!is_flag(get_flag(spec, i)))
            return spout_error_set(
                SPOUT_EINVAL, "handler %s: a flag is 0, 1 or SPOUT_NONE", label(source));
    }
    if (spec->addslash > 0 && spec->removeslash > 0)
        return spout_error_set(
            SPOUT_EINVAL, "handler %s has .addslash and .removeslash", label(source));
    if (spec->cors && spi_cors_check(spec->cors) < 0)
        return spout_error_set(
            SPOUT_EINVAL, "handler %s: %s", label(source), spout_error_message());
    if (spec->max_body_size < SPOUT_ZERO || spec->body_timeout_ms < SPOUT_NONE ||
        spec->min_body_rate < SPOUT_NONE || spec->request_timeout_ms < SPOUT_NONE)
        return spout_error_set(SPOUT_EINVAL, "handler %s: a limit is negative", label(source));
    if (spec->static_files && (spec->get || spec->head))
        return spout_error_set(SPOUT_EINVAL,
            "handler %s has .static_files and a method for the same: clear one", label(source));
    return 0;
}

static spout_method *first_of(spout_method *a, spout_method *b)
{
    return a ? a : b;
}

static void fill_table(spi_handler *handler)
{
    const spout_handler *spec = &handler->spec;
    spout_method **table = handler->methods;
    spout_method *files = spec->static_files ? spi_static_serve : NULL;
    spout_method *get = first_of(spec->get, files);
    if (spec->websocket)
        get = spi_upgrade;
    table[SPI_METHOD_GET] = first_of(get, spec->any);
    spout_method *head = first_of(spec->head, first_of(spec->get, files));
    table[SPI_METHOD_HEAD] = first_of(head, spec->any);
    table[SPI_METHOD_POST] = first_of(spec->post, spec->any);
    table[SPI_METHOD_PUT] = first_of(spec->put, spec->any);
    table[SPI_METHOD_DELETE] = first_of(spec->del, spec->any);
    table[SPI_METHOD_PATCH] = first_of(spec->patch, spec->any);
    table[SPI_METHOD_OPTIONS] = first_of(first_of(spec->options, spec->any), spi_answer_options);
    table[SPI_METHOD_TRACE] = spec->any;
    table[SPI_METHOD_OTHER] = spec->any;
}

static const char *write_allow(const spi_handler *handler, spi_arena *arena)
{
    static const struct {
        spi_method method;
        const char *text;
    } names[] = {
        { SPI_METHOD_GET, "GET" },
        { SPI_METHOD_HEAD, "HEAD" },
        { SPI_METHOD_POST, "POST" },
        { SPI_METHOD_PUT, "PUT" },
        { SPI_METHOD_DELETE, "DELETE" },
        { SPI_METHOD_PATCH, "PATCH" },
        { SPI_METHOD_OPTIONS, "OPTIONS" },
        { SPI_METHOD_TRACE, "TRACE" },
    };
    const char *allow = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (handler->methods[names[i].method])
            allow = spi_arena_format(arena, "%s%s%s", allow, *allow ? ", " : "", names[i].text);
    }
    return allow;
}

static int open_static(spi_handler *handler, spi_arena *arena)
{
    if (!handler->spec.static_files)
        return 0;
    handler->static_root = spi_static_open(arena, handler->spec.static_files);
    if (handler->static_root)
        return 0;
    return spout_error_set(
        SPOUT_EINVAL, "handler %s: %s", label(handler->source), spout_error_message());
}

spi_handler *spi_handler_new(spi_arena *arena, const spout_handler *source)
{
    spi_handler *handler = spi_arena_calloc(arena, sizeof *handler);
    handler->source = source;
    if (flatten(source, &handler->spec) < 0 || check_values(&handler->spec, source) < 0)
        return NULL;
    if (open_static(handler, arena) < 0)
        return NULL;
    handler->name = source->name ? source->name : "";
    handler->task_name = *handler->name ? handler->name : "request";
    handler->etag = handler->spec.etag >= 0;
    handler->stream_body = handler->spec.stream_body > 0;
    handler->cancel_on_close = handler->spec.cancel_on_close > 0;
    handler->authenticated = handler->spec.authenticated > 0;
    handler->addslash = handler->spec.addslash > 0;
    handler->removeslash = handler->spec.removeslash > 0;
    handler->guarded = handler->authenticated || handler->addslash || handler->removeslash;
    handler->early = handler->stream_body || handler->cancel_on_close ||
                     handler->spec.max_body_size || handler->spec.body_timeout_ms ||
                     handler->spec.min_body_rate || handler->spec.request_timeout_ms ||
                     handler->spec.fallback;
    fill_table(handler);
    handler->allow = write_allow(handler, arena);
    return handler;
}

void spi_handler_finish(spi_handler *handler)
{
    spi_static_close(handler->static_root);
    handler->static_root = NULL;
}

static size_t count_methods(spout_method *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static spout_method **join(spi_arena *arena, spout_method *const *outer, spout_method *const *inner)
{
    size_t outer_count = count_methods(outer), inner_count = count_methods(inner);
    if (!outer_count && !inner_count)
        return NULL;
    spout_method **all = spi_arena_calloc(arena, (outer_count + inner_count + 1) * sizeof *all);
    for (size_t i = 0; i < outer_count; i++)
        all[i] = outer[i];
    for (size_t i = 0; i < inner_count; i++)
        all[outer_count + i] = inner[i];
    return all;
}

void spi_handler_apply(
    spi_handler *handler, spi_arena *arena, const spout_application_options *options)
{
    spout_handler *spec = &handler->spec;
    bool by_default = options->xsrf_cookies && spec->any != spout_error_handler;
    handler->checks_xsrf = spec->xsrf_cookies ? spec->xsrf_cookies > 0 : by_default;
    handler->compresses = spec->compress_response ? spec->compress_response > 0
                                                  : options->compress_response;
    handler->chain = join(arena, options->middleware, spec->middleware);
    handler->transforms = options->transforms && *options->transforms;
    handler->dresses = spec->cors || options->request_id_header;
    handler->ends_straight = !handler->compresses && !handler->dresses && !handler->transforms;
    if (!spec->login_url)
        spec->login_url = options->login_url;
    handler->plain = !spec->state_size && !spec->initialize && !spec->set_default_headers &&
                     !spec->prepare && !spec->on_finish && !handler->dresses &&
                     !handler->checks_xsrf && !handler->guarded && !handler->chain;
}
