#include "web/usual.h"

#include "base/text.h"
#include "http/reply_head.h"

enum { STATUS_LINE = sizeof SPI_STATUS_LINE_200 - 1, SECOND_US = 1000000 };

static void add(spi_usual *usual, spi_field field)
{
    uint32_t at = usual->count++;
    usual->fields[at] = field;
    usual->ends[at + 1] = usual->ends[at] + field.name_len + field.value_len + 4;
}

void spi_usual_init(spi_usual *usual, spi_arena *arena, const char *server)
{
    *usual = (spi_usual){ .second_us = INT64_MIN / 2, .ends = { STATUS_LINE } };
    size_t server_len = strlen(server);
    if (server_len)
        add(usual,
            (spi_field){ "Server", spi_arena_strdup(arena, server), 6, (uint32_t)server_len });
    add(usual, (spi_field){ "Date", usual->date, 4, SPI_HTTP_DATE_LEN });
    add(usual, (spi_field){ "Content-Type", "text/html; charset=UTF-8", 12, 24 });
    usual->text = spi_arena_chars(arena, usual->ends[usual->count]);
}

void spi_usual_write(spi_usual *usual, spout_loop *loop)
{
    int64_t now_us = spi_loop_wall_us(loop);
    usual->second_us = now_us - now_us % SECOND_US;
    memcpy(usual->date, spi_http_date(loop), sizeof usual->date);
    char *at = SPI_PUT_LITERAL(usual->text, SPI_STATUS_LINE_200);
    for (uint32_t i = 0; i < usual->count; i++) {
        const spi_field *field = &usual->fields[i];
        at = spi_put(at, field->name, field->name_len);
        at = SPI_PUT_LITERAL(at, ": ");
        at = spi_put(at, field->value, field->value_len);
        at = SPI_PUT_LITERAL(at, "\r\n");
    }
}
