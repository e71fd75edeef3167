/* What every reply begins with: Server, Date and Content-Type, and an Etag if it has one; as fields,
   and as they go out, written once a second but for the tag's digits. An application has one for HTML,
   and one for each of the first other types that its handlers set. */
#ifndef SPI_USUAL_H
#define SPI_USUAL_H

#include "base/text.h"
#include "http/date.h"
#include "http/exchange.h"

enum { SPI_USUAL_MAX = 3, SPI_ETAG_LEN = 18 };

typedef struct spi_usual spi_usual;
struct spi_usual {
    spi_usual *next; /* for another type */
    spout_bytes type;
    spi_field fields[SPI_USUAL_MAX + 1];
    uint32_t count;                   /* without the Etag, which comes behind them */
    uint32_t ends[SPI_USUAL_MAX + 2]; /* where in the text each begins, and the last ends */
    int64_t second_us;                /* wall clock: the begin of the second that Date shows */
    char *text;
    char date[SPI_HTTP_DATE_LEN + 1];
    char etag[SPI_ETAG_LEN + 1]; /* of the reply that is just going out */
};

/* `server`: a valid value, "" for none; stays the caller's. */
void spi_usual_init(spi_usual *usual, spi_arena *arena, const char *server);
void spi_usual_write(spi_usual *usual, spout_loop *loop);

/* One more, of a type that is valid and is not among them; `first` is the application's. NULL: there
   are enough. */
spi_usual *spi_usual_add(spi_usual *first, spi_arena *arena, const char *type, size_t len);

/* The one with this Content-Type, or NULL. */
static inline spi_usual *spi_usual_find(spi_usual *first, const char *type, size_t len)
{
    spi_usual *usual = first;
    while (usual && (usual->type.len != len || memcmp(usual->type.data, type, len) != 0))
        usual = usual->next;
    return usual;
}

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

/* Before use with one more than `count`. */
static inline void spi_usual_set_etag(spi_usual *usual, uint64_t hash)
{
    enum { DIGITS = SPI_ETAG_LEN - 2 };
    char *digits = usual->etag + 1;
    spi_hex_encode_u64(digits, hash);
    memcpy(usual->text + usual->ends[usual->count] + sizeof "Etag: \"" - 1, digits, DIGITS);
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
