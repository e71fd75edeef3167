#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/token.h"

static bool is_clean(const char *text)
{
    for (const char *at = text; *at; at++)
        if (spi_is_control(*at))
            return false;
    return spi_is_utf8(text, strlen(text));
}

const char *spout_encode_username_password(const char *username, const char *password)
{
    if (strchr(username, ':') || !is_clean(username) || !is_clean(password)) {
        spout_error_set(SPOUT_EINVAL,
            "a user's name holds no colon, and neither it nor a password control characters");
        return NULL;
    }
    return spout_scope_format("%s:%s", username, password);
}
