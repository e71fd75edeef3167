#include <spout/util.h>

#include "base/digest.h"

#include <stdio.h>
#include <time.h>

void spout_random_bytes(void *out, size_t len)
{
    spi_random_bytes(out, len);
}

char *spout_uuid4(char out[37])
{
    spi_uuid4(out);
    return out;
}

char *spout_format_iso8601(int64_t wall_us, char out[32])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    int64_t micros = wall_us % 1000000;
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, 32 - len, ".%06dZ", (int)micros);
    return out;
}
