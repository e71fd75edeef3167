#include "target.h"

int target_parse(target *ret_target, const char *option)
{
    const char *text = spout_option_text(option), *host = NULL;
    int port = 0;
    if (!text || spout_split_host_and_port(text, &host, &port) < 0 || port < 1)
        return spout_error_set(SPOUT_EINVAL, "option '--%s' needs HOST:PORT", option);
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof ret_target->host)
        return spout_error_set(SPOUT_EINVAL, "option '--%s': the host's name is too long", option);
    memcpy(ret_target->host, host, len);
    ret_target->host[len] = '\0';
    ret_target->port = port;
    return 0;
}
