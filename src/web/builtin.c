/* What answers where an application has nothing of its own, and what reverses its routes. */
#include "web/request.h"

int spi_answer_options(spout_request *r)
{
    if (!r->unmatched)
        spi_response_put(r, "Allow", r->handler->allow);
    return spout_set_status(r, 204, NULL);
}

const spi_route *spi_application_find_name(const spout_application *application, const char *name)
{
    const spi_route *route = spi_router_find_name(&application->router, name);
    for (const spi_host_rule *rule = application->hosts; rule && !route; rule = rule->next)
        route = spi_router_find_name(&rule->router, name);
    return route;
}

const char *spout_reverse_url(
    spout_request *r, const char *name, const char *const *values, size_t count)
{
    const spi_route *route = spi_application_find_name(r->application, name);
    if (route)
        return spi_router_reverse(route, spi_request_arena(r), values, count);
    spout_error_set(SPOUT_ENOTFOUND, "reverse_url: no route is called \"%s\"", name);
    return NULL;
}
