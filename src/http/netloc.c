#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"

int spout_split_host_and_port(const char *netloc, const char **ret_host, int *ret_port)
{
    size_t len = strlen(netloc), digits = 0;
    while (digits < len && spi_is_digit(netloc[len - 1 - digits]))
        digits++;
    size_t host_len = len - digits;
    if (digits == 0 || host_len < 2 || netloc[host_len - 1] != ':') {
        *ret_host = spout_scope_text(netloc);
        *ret_port = -1;
        return 0;
    }
    uint64_t port;
    if (!spi_parse_uint(netloc + host_len, digits, 65535, &port))
        return spout_error_set(SPOUT_EINVAL, "a port above 65535 in \"%s\"", netloc);
    *ret_host = spout_scope_bytes((spout_bytes){ netloc, host_len - 1 });
    *ret_port = (int)port;
    return 0;
}
