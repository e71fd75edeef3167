/* Routes for certain hosts, and which tables a request is looked up in. */
#include <spout/error.h>

#include "base/memory.h"
#include "web/application.h"

/* The Host of a request, without its port. */
static size_t name_len(const char *host)
{
    const char *colon = strrchr(host, ':');
    return colon && !strchr(colon, ']') ? (size_t)(colon - host) : strlen(host);
}

static int match_host(const spi_host_rule *rule, spi_matcher *matcher, const char *host)
{
    spout_bytes captures[SPI_PATTERN_MAX_CAPTURES];
    int result = spi_pattern_match(&rule->pattern, matcher, host, name_len(host), captures);
    return result < 0 ? -500 : result;
}

static int match_rules(const spout_application *application, spi_matcher *matcher, spi_arena *arena,
    const char *host, const char *path, spi_match *ret_match)
{
    for (const spi_host_rule *rule = application->hosts; rule; rule = rule->next) {
        int result = match_host(rule, matcher, host);
        if (result > 0)
            result = spi_router_match(&rule->router, matcher, arena, path, strlen(path), ret_match);
        if (result)
            return result;
    }
    return 0;
}

/* A proxy passes on the Host that its client has sent: there the default is for nobody. */
static bool is_behind_proxy(const spi_request_head *head)
{
    return spi_field_find(head->fields, head->field_count, "X-Real-Ip", 9) != NULL;
}

int spi_application_match(const spout_application *application, spi_matcher *matcher,
    spi_arena *arena, const spi_request_head *head, spi_match *ret_match)
{
    const char *path = head->path;
    int result = match_rules(application, matcher, arena, head->host, path, ret_match);
    if (result == 0)
        result = spi_router_match(
            &application->router, matcher, arena, path, strlen(path), ret_match);
    if (result == 0 && application->options.default_host && !is_behind_proxy(head))
        result = match_rules(
            application, matcher, arena, application->options.default_host, path, ret_match);
    return result;
}

int spout_application_add_handlers(
    spout_application *application, const char *host_pattern, const spout_route *routes)
{
    if (!host_pattern)
        return spout_error_set(SPOUT_EINVAL, "a host pattern is NULL");
    spi_host_rule *rule = spi_arena_calloc(application->arena, sizeof *rule);
    /* In a group it is no literal, whatever it says. */
    const char *pattern = spi_arena_format(application->arena, "(?:%s)", host_pattern);
    int result = spi_pattern_compile(application->arena, pattern, &rule->pattern);
    if (result < 0)
        return result;
    result = spi_application_add_routes(application, &rule->router, routes);
    if (result < 0) {
        spi_pattern_finish(&rule->pattern);
        return result;
    }
    spi_host_rule **link = &application->hosts;
    while (*link)
        link = &(*link)->next;
    *link = rule;
    return 0;
}
