#include "http/date.h"

#include <spout/httputil.h>

#include "base/memory.h"

enum { SECOND_US = 1000000 };

typedef struct http_date {
    int64_t second, second_us; /* which it shows, and where that begins */
    char text[SPI_HTTP_DATE_LEN + 1];
} http_date;

static http_date *date_of(spout_loop *loop)
{
    http_date *date = spi_loop_slot_get(loop, SPI_SLOT_HTTP);
    if (date)
        return date;
    date = spi_malloc(sizeof *date);
    date->second = date->second_us = INT64_MIN / 2;
    spi_loop_slot_set(loop, SPI_SLOT_HTTP, date, spi_free);
    return date;
}

const char *spi_http_date(spout_loop *loop)
{
    int64_t second;
    return spi_http_date_at(loop, &second);
}

const char *spi_http_date_at(spout_loop *loop, int64_t *ret_second)
{
    http_date *date = date_of(loop);
    int64_t wall_us = spi_loop_wall_us(loop);
    if ((uint64_t)wall_us - (uint64_t)date->second_us >= SECOND_US) {
        date->second = wall_us / SECOND_US;
        date->second_us = date->second * SECOND_US;
        spout_format_timestamp(date->second, date->text);
    }
    *ret_second = date->second;
    return date->text;
}
