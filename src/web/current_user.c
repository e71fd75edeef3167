#include "base/error.h"
#include "web/request.h"

#include <spout/auth.h>

void *spout_current_user(spout_request *r)
{
    spi_extras *extras = spi_request_extras(r);
    spout_method *hook = r->handler->spec.get_current_user;
    if (extras->user_known || !hook)
        return extras->user;
    int result = hook(r);
    extras->user_known = true;
    if (result == 0)
        return extras->user;
    if (result > 0)
        spout_error_set(SPOUT_EFAILED, "get_current_user returned %d", result);
    spi_request_stick(r);
    extras->user = NULL;
    return NULL;
}

void spout_set_current_user(spout_request *r, void *user)
{
    spi_extras *extras = spi_request_extras(r);
    extras->user = user;
    extras->user_known = true;
}

const char *spout_get_login_url(spout_request *r)
{
    if (!r->handler->spec.login_url)
        spout_error_set(
            SPOUT_ESTATE, "there is no .login_url in the handler or the application's options");
    return r->handler->spec.login_url;
}

bool spout_is_local_url(const char *url)
{
    if (!url || url[0] != '/' || url[1] == '/' || url[1] == '\\')
        return false;
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return false; /* browsers drop some of these, and then see "//" */
    }
    return true;
}
