/* What every reply begins with: Server, Date and the usual Content-Type; as fields, and as they go
   out, written once a second. */
#ifndef SPI_USUAL_H
#define SPI_USUAL_H

#include "http/date.h"
#include "http/exchange.h"

enum { SPI_USUAL_MAX = 3 };

typedef struct spi_usual {
    spi_field fields[SPI_USUAL_MAX];
    uint32_t count;
    uint32_t ends[SPI_USUAL_MAX + 1]; /* where in the text each begins, and the last ends */
    int64_t second_us;                /* wall clock: the begin of the second that Date shows */
    char *text;
    char date[SPI_HTTP_DATE_LEN + 1];
} spi_usual;

/* `server`: a valid value, "" for none; stays the caller's. */
void spi_usual_init(spi_usual *usual, spi_arena *arena, const char *server);
void spi_usual_write(spi_usual *usual, spout_loop *loop);

/* The first `count` of them become the first fields of a head. */
static inline void spi_usual_use(
    spi_usual *usual, uint32_t count, spout_loop *loop, spi_reply_head *head)
{
    if ((uint64_t)spi_loop_wall_us(loop) - (uint64_t)usual->second_us >= 1000000)
        spi_usual_write(usual, loop);
    head->usual = usual->fields;
    head->ready = usual->text;
    head->ready_len = usual->ends[count];
    head->ready_count = count;
}

/* Whether it is among the first `count`: only Content-Type comes behind it. */
static inline bool spi_usual_have_date(const spi_usual *usual, uint32_t count)
{
    return count + 1 >= usual->count;
}

static inline bool spi_usual_is_date(const spi_field *field)
{
    return field->name_len == 4;
}

#endif
