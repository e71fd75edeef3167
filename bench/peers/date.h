/* The Date of an answer, for libraries that send none: put together once a second, as it must be. */
#ifndef BENCH_PEERS_DATE_H
#define BENCH_PEERS_DATE_H

#include <time.h>

static inline const char *http_date(void)
{
    static _Thread_local time_t written;
    static _Thread_local char text[64];
    time_t now = time(NULL);
    if (now != written) {
        struct tm utc;
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
        written = now;
    }
    return text;
}

#endif
