#include "web/usual.h"

#include "base/text.h"
#include "http/reply_head.h"

enum {
    STATUS_LINE = sizeof SPI_STATUS_LINE_200 - 1,
    SECOND_US = 1000000,
    TYPES_MAX = 16, /* of an application: most have three or four */
    LONGEST_TYPE = 128
};

static void put(spi_usual *usual, uint32_t at, spi_field field)
{
    usual->fields[at] = field;
    usual->ends[at + 1] = usual->ends[at] + field.name_len + field.value_len + 4;
}

static void add(spi_usual *usual, spi_field field)
{
    put(usual, usual->count++, field);
}

/* server and type stay. */
static void init(spi_usual *usual, spi_arena *arena, spout_bytes server, spout_bytes type)
{
    *usual = (spi_usual){ .type = type, .second_us = INT64_MIN / 2, .ends = { STATUS_LINE } };
    if (server.len)
        add(usual, (spi_field){ "Server", server.data, 6, (uint32_t)server.len });
    add(usual, (spi_field){ "Date", usual->date, 4, SPI_HTTP_DATE_LEN });
    add(usual, (spi_field){ "Content-Type", type.data, 12, (uint32_t)type.len });
    memset(usual->etag, '"', SPI_ETAG_LEN);
    put(usual, usual->count, (spi_field){ "Etag", usual->etag, 4, SPI_ETAG_LEN });
    usual->text = spi_arena_chars(arena, usual->ends[usual->count + 1]);
}

void spi_usual_init(spi_usual *usual, spi_arena *arena, const char *server)
{
    init(usual, arena, spout_bytes_of(spi_arena_strdup(arena, server)),
        spout_bytes_of("text/html; charset=UTF-8"));
}

static spout_bytes server_of(const spi_usual *usual)
{
    const spi_field *field = &usual->fields[0];
    return usual->count == SPI_USUAL_MAX ? (spout_bytes){ field->value, field->value_len }
                                         : (spout_bytes){ "", 0 };
}

spi_usual *spi_usual_add(spi_usual *first, spi_arena *arena, const char *type, size_t len)
{
    int count = 1;
    spi_usual **last = &first->next;
    for (; *last; last = &(*last)->next)
        count++;
    if (count == TYPES_MAX || len > LONGEST_TYPE)
        return NULL;
    spi_usual *usual = spi_arena_alloc(arena, sizeof *usual);
    init(usual, arena, server_of(first), (spout_bytes){ spi_arena_memdup(arena, type, len), len });
    *last = usual;
    return usual;
}

void spi_usual_write(spi_usual *usual, spout_loop *loop)
{
    int64_t now_us = spi_loop_wall_us(loop);
    usual->second_us = now_us - now_us % SECOND_US;
    memcpy(usual->date, spi_http_date(loop), sizeof usual->date);
    char *at = SPI_PUT_LITERAL(usual->text, SPI_STATUS_LINE_200);
    for (uint32_t i = 0; i <= usual->count; i++) {
        const spi_field *field = &usual->fields[i];
        at = spi_put(at, field->name, field->name_len);
        at = SPI_PUT_LITERAL(at, ": ");
        at = spi_put(at, field->value, field->value_len);
        at = SPI_PUT_LITERAL(at, "\r\n");
    }
}
