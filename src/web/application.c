#include "web/application.h"

#include <spout/cookies.h>
#include <spout/error.h>
#include <spout/version.h>

#include "base/memory.h"
#include "http/server.h"
#include "web/cookie_line.h"
#include "web/session.h"
#include "web/static.h"

enum { MAX_DEPTH = 16 };

static const spout_handler no_handler = { 0 };

/* Each handler is flattened once, however many routes lead to it. */
static const spi_handler *add_handler(spout_application *application, const spout_handler *source)
{
    for (spi_handler *known = application->handlers; known; known = known->next) {
        if (known->source == source)
            return known;
        if (source->name && known->source->name && strcmp(source->name, known->source->name) == 0) {
            spout_error_set(SPOUT_EINVAL, "two handlers are called \"%s\"", source->name);
            return NULL;
        }
    }
    spi_handler *handler = spi_handler_new(application->arena, source);
    if (!handler)
        return NULL;
    spi_handler_apply(handler, application->arena, &application->options);
    handler->next = application->handlers;
    application->handlers = handler;
    return handler;
}

static int check_route(const spout_route *route, const spi_route *compiled)
{
    const spi_pattern *pattern = &compiled->pattern;
    if (compiled->handler->static_root && !pattern->capture_count && !pattern->plain)
        return spout_error_set(SPOUT_EINVAL,
            "route \"%s\" serves files: it needs {path:path} or a group", route->pattern);
    return 0;
}

static int add_table(
    spout_application *application, spi_router *router, const spout_route *routes, int depth);

static int add_nested(
    spout_application *application, spi_router *router, const spout_route *route, int depth)
{
    if (depth >= MAX_DEPTH)
        return spout_error_set(SPOUT_EINVAL,
            "route \"%s\": tables are nested more than %d deep, or in a circle", route->pattern,
            MAX_DEPTH);
    spi_router *nested = spi_arena_alloc(application->arena, sizeof *nested);
    int result = add_table(application, nested, route->handler->routes, depth + 1);
    if (result < 0)
        return result;
    result = spi_router_add_nested(router, application->arena, route->pattern, nested);
    if (result < 0)
        spi_router_finish(nested);
    return result;
}

static int add_route(
    spout_application *application, spi_router *router, const spout_route *route, int depth)
{
    if (!route->handler)
        return spout_error_set(SPOUT_EINVAL, "route \"%s\" has no handler", route->pattern);
    if (route->handler->routes)
        return add_nested(application, router, route, depth);
    const spi_handler *handler = add_handler(application, route->handler);
    if (!handler)
        return spout_error_set(
            SPOUT_EINVAL, "route \"%s\": %s", route->pattern, spout_error_message());
    int result = spi_router_add(router, application->arena, route->pattern, handler);
    return result < 0 ? result : check_route(route, &router->routes[router->count - 1]);
}

static int add_table(
    spout_application *application, spi_router *router, const spout_route *routes, int depth)
{
    uint32_t count = 0;
    while (routes && routes[count].pattern)
        count++;
    spi_router_init(router, application->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        if (add_route(application, router, &routes[i], depth) < 0) {
            spi_router_finish(router);
            return SPOUT_EINVAL;
        }
    }
    spi_router_seal(router, application->arena);
    return 0;
}

int spi_application_add_routes(
    spout_application *application, spi_router *router, const spout_route *routes)
{
    return add_table(application, router, routes, 0);
}

static int set_server(spout_application *application)
{
    const char *text = application->options.server_header;
    if (!text)
        text = "Waterspout/" SPOUT_VERSION;
    if (!spi_is_field_value(text, strlen(text)))
        return spout_error_set(SPOUT_EINVAL, "server_header is not what a header may hold");
    spi_usual_init(&application->usual, application->arena, text);
    return 0;
}

/* A key that is missing by mistake would let anyone sign. */
static int check_secrets(const spout_application_options *options)
{
    const spout_secret *secret = options->cookie_secrets;
    bool signs = !secret;
    if (options->cookie_secret && (secret || !*options->cookie_secret))
        return spout_error_set(
            SPOUT_EINVAL, "cookie_secret is empty, or there are cookie_secrets as well");
    for (; secret && secret->key; secret++) {
        if (!*secret->key || secret->version < 0)
            return spout_error_set(SPOUT_EINVAL, "one of cookie_secrets has an empty key");
        signs = signs || secret->version == options->key_version;
    }
    if (!signs || options->key_version < 0)
        return spout_error_set(
            SPOUT_EINVAL, "cookie_secrets has no key with key_version %d", options->key_version);
    return 0;
}

static int check_names(spout_application *application)
{
    spout_application_options *options = &application->options;
    if (options->xsrf_cookie_version < 0 || options->xsrf_cookie_version > 2)
        return spout_error_set(SPOUT_EINVAL, "xsrf_cookie_version is 1 or 2");
    if (!options->xsrf_cookie_name)
        options->xsrf_cookie_name = "_xsrf";
    const char *id_header = options->request_id_header;
    if (id_header && !spi_is_token(id_header, strlen(id_header)))
        return spout_error_set(SPOUT_EINVAL, "request_id_header is no name of a header");
    const char *line = spi_cookie_line(
        application->arena, options->xsrf_cookie_name, "x", options->xsrf_cookie_options, 0);
    if (!line)
        return spout_error_wrap(SPOUT_EINVAL, "the XSRF cookie can't be set so");
    if (options->xsrf_cookie_options)
        options->xsrf_cookie_options = memcpy(
            spi_arena_alloc(application->arena, sizeof(spout_cookie_options)),
            options->xsrf_cookie_options, sizeof(spout_cookie_options));
    return 0;
}

/* Those of .static_path first. */
static int add_all_routes(spout_application *application, const spout_route *routes)
{
    const spout_handler *files = NULL;
    int result = spi_static_routes(application->arena, &application->options, &routes, &files);
    if (result == 0)
        result = spi_application_add_routes(application, &application->router, routes);
    if (result == 0 && files)
        application->static_handler = add_handler(application, files);
    return result;
}

static int build(spout_application *application, const spout_route *routes)
{
    for (size_t i = 0; i < sizeof application->options.reserved / sizeof(void *); i++) {
        if (application->options.reserved[i])
            return spout_error_set(
                SPOUT_EINVAL, "reserved members of application options must be zero");
    }
    if (check_secrets(&application->options) < 0 || check_names(application) < 0 ||
        spi_session_check(application->options.session, &application->options) < 0 ||
        set_server(application) < 0 || add_all_routes(application, routes) < 0)
        return SPOUT_EINVAL;
    const spout_handler *fallback = application->options.default_handler;
    application->default_handler = add_handler(application, fallback ? fallback : &no_handler);
    return application->default_handler ? 0 : SPOUT_EINVAL;
}

static void destroy(spout_application *application)
{
    for (spi_handler *handler = application->handlers; handler; handler = handler->next)
        spi_handler_finish(handler);
    spi_router_finish(&application->router);
    for (spi_host_rule *rule = application->hosts; rule; rule = rule->next) {
        spi_pattern_finish(&rule->pattern);
        spi_router_finish(&rule->router);
    }
    spi_file_cache_free(application->single_files);
    spi_arena_free(application->arena);
    spi_free(application);
}

spout_application *spout_application_new(
    const spout_route *routes, const spout_application_options *options)
{
    spout_application *application = spi_calloc(sizeof *application);
    application->refs = 1;
    application->arena = spi_arena_new(0);
    if (options)
        application->options = *options;
    if (build(application, routes) < 0) {
        destroy(application);
        return NULL;
    }
    return application;
}

void spi_application_ref(spout_application *application)
{
    application->refs++;
}

void spi_application_unref(spout_application *application)
{
    if (--application->refs == 0)
        destroy(application);
}

void spout_application_free(spout_application *application)
{
    if (!application)
        return;
    while (application->servers) {
        spi_server_link *link = application->servers;
        application->servers = link->next;
        spout_http_server_free(link->server);
        spi_free(link);
    }
    spi_application_unref(application);
}

spout_http_server *spout_application_server(spout_application *application)
{
    spout_http_server *server = spi_http_server_new(
        &spi_application_service, application, &application->options.http);
    if (!server)
        return NULL;
    spi_server_link *link = spi_malloc(sizeof *link);
    *link = (spi_server_link){ application->servers, server };
    application->servers = link;
    return server;
}

spout_http_server *spout_application_listen(
    spout_application *application, const spout_listen_options *options)
{
    spout_http_server *server = spout_application_server(application);
    if (!server)
        return NULL;
    if (spout_http_server_listen(server, options) == 0)
        return server;
    spi_server_link *link = application->servers;
    application->servers = link->next;
    spi_free(link);
    spout_http_server_free(server);
    return NULL;
}

size_t spout_application_connections(const spout_application *application)
{
    size_t count = 0;
    for (const spi_server_link *link = application->servers; link; link = link->next)
        count += spout_http_server_connections(link->server);
    return count;
}

void *spout_application_data(spout_application *application)
{
    return application->options.data;
}
