#include <spout/middleware.h>

#include "base/digest.h"
#include "base/text.h"
#include "web/request.h"

enum { MAX_ID = 128 };

int spout_next(spout_request *r)
{
    spout_method **chain = r->handler->chain;
    spi_extras *extras = spi_request_extras(r);
    if (!chain || extras->inside)
        return spout_error_set(SPOUT_ESTATE, "spout_next: not in .middleware, or called twice");
    spout_method *next = chain[extras->next_middleware];
    if (next) {
        extras->next_middleware++;
        return spi_request_call(r, next);
    }
    extras->inside = true;
    return spi_request_run_methods(r);
}

static bool is_id(const char *text)
{
    size_t len = 0;
    for (; text[len] && len <= MAX_ID; len++) {
        char c = spi_lower(text[len]);
        if (!(c >= 'a' && c <= 'z') && !spi_is_digit(c) && !strchr("-._~:+/=@", c))
            return false;
    }
    return len > 0 && len <= MAX_ID;
}

const char *spout_request_id(spout_request *r)
{
    spi_extras *extras = spi_request_extras(r);
    if (extras->request_id)
        return extras->request_id;
    const char *header = r->application->options.request_id_header;
    const char *given = header ? spout_header(r, header, "") : "";
    if (!is_id(given)) {
        char *made = spi_arena_chars(spi_request_arena(r), 37);
        spi_uuid4(made);
        given = made;
    }
    extras->request_id = given;
    return given;
}
