#include "http/date.h"

#include <spout/httputil.h>

#include "base/memory.h"

typedef struct http_date {
    int64_t second;
    char text[SPI_HTTP_DATE_LEN + 1];
} http_date;

static http_date *date_of(spout_loop *loop)
{
    http_date *date = spi_loop_slot_get(loop, SPI_SLOT_HTTP);
    if (date)
        return date;
    date = spi_malloc(sizeof *date);
    date->second = INT64_MIN;
    spi_loop_slot_set(loop, SPI_SLOT_HTTP, date, spi_free);
    return date;
}

const char *spi_http_date(spout_loop *loop)
{
    http_date *date = date_of(loop);
    int64_t second = spi_loop_wall_us(loop) / 1000000;
    if (second != date->second) {
        spout_format_timestamp(second, date->text);
        date->second = second;
    }
    return date->text;
}
