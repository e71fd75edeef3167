#include "web/cors.h"

#include "base/text.h"
#include "web/request.h"

static bool allows_anyone(const spout_cors_options *options)
{
    for (const char *const *origin = options->origins; origin && *origin; origin++) {
        if (strcmp(*origin, "*") == 0)
            return true;
    }
    return false;
}

static bool is_value(const char *text)
{
    return !text || spi_is_field_value(text, strlen(text));
}

int spi_cors_check(const spout_cors_options *options)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of .cors must be zero");
    }
    if (options->credentials && allows_anyone(options))
        return spout_error_set(
            SPOUT_EINVAL, ".cors: credentials for \"*\" would give them to any page");
    if (!is_value(options->methods) || !is_value(options->headers) ||
        !is_value(options->expose_headers) || options->max_age_s < 0)
        return spout_error_set(SPOUT_EINVAL, ".cors has what a header may not hold");
    return 0;
}

static bool is_listed(const spout_cors_options *options, const char *origin)
{
    for (const char *const *one = options->origins; one && *one; one++) {
        if (strcmp(*one, origin) == 0)
            return true;
    }
    return false;
}

/* What Access-Control-Allow-Origin says, or NULL. */
static const char *allowed_origin(spout_request *r, const spout_cors_options *options)
{
    const char *origin = spout_header(r, "Origin", NULL);
    if (!origin)
        return NULL;
    if (allows_anyone(options))
        return "*";
    if (is_listed(options, origin) || (options->allow_origin && options->allow_origin(r, origin)))
        return origin;
    return NULL;
}

void spi_cors_dress(spout_request *r)
{
    const spout_cors_options *options = r->handler->spec.cors;
    if (!allows_anyone(options))
        spi_response_vary(r, "Origin");
    const char *origin = allowed_origin(r, options);
    if (!origin)
        return;
    spi_response_put(r, "Access-Control-Allow-Origin", origin);
    if (options->credentials)
        spi_response_put(r, "Access-Control-Allow-Credentials", "true");
    if (options->expose_headers && r->exchange->head.method != SPI_METHOD_OPTIONS)
        spi_response_put(r, "Access-Control-Expose-Headers", options->expose_headers);
}

bool spi_cors_preflight(spout_request *r)
{
    const spout_cors_options *options = r->handler->spec.cors;
    if (r->exchange->head.method != SPI_METHOD_OPTIONS ||
        !spout_header(r, "Access-Control-Request-Method", NULL))
        return false;
    r->response.status = 204;
    if (!allowed_origin(r, options))
        return true;
    spi_response_put(
        r, "Access-Control-Allow-Methods", options->methods ? options->methods : r->handler->allow);
    const char *asked = spout_header(r, "Access-Control-Request-Headers", NULL);
    if (options->headers || asked)
        spi_response_put(
            r, "Access-Control-Allow-Headers", options->headers ? options->headers : asked);
    if (!options->headers)
        spi_response_vary(r, "Access-Control-Request-Headers");
    if (options->max_age_s)
        spi_response_put(r, "Access-Control-Max-Age",
            spi_arena_format(spi_request_arena(r), "%lld", (long long)options->max_age_s));
    return true;
}
