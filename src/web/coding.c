#include "web/coding.h"

#include <spout/httputil.h>

#include "web/request.h"

static int best_of(const char *wanted, const char *const *codings, size_t count)
{
    int best = -1, best_quality = 0;
    for (size_t i = 0; i < count; i++) {
        int quality = spout_accept_encoding_quality(wanted, codings[i]);
        if (quality > best_quality) {
            best = (int)i;
            best_quality = quality;
        }
    }
    if (best >= 0 && strstr(wanted, "identity") &&
        spout_accept_encoding_quality(wanted, "identity") > best_quality)
        return -1;
    return best;
}

int spi_coding_choose(spout_request *r, const char *const *codings, size_t count)
{
    const char *wanted = count ? spout_header(r, "Accept-Encoding", NULL) : NULL;
    if (!wanted)
        return -1; /* it may know none */
    spi_scope_guard guard = spi_request_scope_enter(r);
    int best = best_of(wanted, codings, count);
    spi_scope_leave(guard);
    return best;
}
