#include "http/topic_record.h"

#include "base/text.h"

void spi_record_head(char out[SPI_RECORD_HEAD], const spi_record *record)
{
    out[0] = (char)record->kind;
    out[1] = record->flag;
    out[2] = (char)(record->name.len >> 8);
    out[3] = (char)(record->name.len & 0xFF);
    for (int i = 0; i < 8; i++)
        out[4 + i] = (char)(record->number >> (56 - 8 * i) & 0xFF);
}

static bool is_good(const spi_record *r)
{
    if (!spi_is_utf8(r->name.data, r->name.len) || memchr(r->name.data, 0, r->name.len))
        return false;
    switch (r->kind) {
    case SPI_RECORD_JOIN:
        return r->name.len > 0 && r->rest.len <= SPI_TOPIC_MAX_INFO &&
               spi_is_utf8(r->rest.data, r->rest.len) && !memchr(r->rest.data, 0, r->rest.len);
    case SPI_RECORD_LEAVE: return r->name.len == 0 && r->rest.len == 0;
    case SPI_RECORD_PUBLISH:
        return r->name.len > 0 && (r->flag || spi_is_utf8(r->rest.data, r->rest.len));
    }
    return false;
}

bool spi_record_parse(spout_bytes bytes, spi_record *ret_record)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    if (bytes.len < SPI_RECORD_HEAD || head[0] < SPI_RECORD_JOIN || head[0] > SPI_RECORD_PUBLISH ||
        head[1] > 1)
        return false;
    size_t name_len = (size_t)head[2] << 8 | head[3];
    if (name_len > SPI_TOPIC_MAX_NAME || name_len > bytes.len - SPI_RECORD_HEAD)
        return false;
    spi_record r = { .kind = (spi_record_kind)head[0], .flag = head[1] };
    for (int i = 0; i < 8; i++)
        r.number = r.number << 8 | head[4 + i];
    r.name = (spout_bytes){ bytes.data + SPI_RECORD_HEAD, name_len };
    r.rest = (spout_bytes){ r.name.data + name_len, bytes.len - SPI_RECORD_HEAD - name_len };
    if (!is_good(&r))
        return false;
    *ret_record = r;
    return true;
}
