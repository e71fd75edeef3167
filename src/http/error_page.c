#include "http/error_page.h"

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/version.h>

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "http/date.h"
#include "http/token.h"

#define FIELD(name, text, text_len)                            \
    {                                                          \
        (name), (text), sizeof(name) - 1, (uint32_t)(text_len) \
    }

static bool parse_line(spi_field *ret_field, char *line)
{
    char *colon = strchr(line, ':');
    size_t name_len = colon ? (size_t)(colon - line) : 0;
    if (name_len == 0 || !spi_is_token(line, name_len))
        return false;
    char *value = colon + 1;
    while (spi_is_blank(*value))
        value++;
    size_t len = strlen(value);
    if (!spi_is_field_value(value, len))
        return false;
    *ret_field = (spi_field){ line, value, (uint32_t)name_len, (uint32_t)len };
    return true;
}

static size_t size_of(const char *const *lines)
{
    size_t size = 0;
    for (; *lines; lines++)
        size += strlen(*lines) + 1;
    return size;
}

int spi_error_fields_parse(spi_error_fields *self, const char *const *lines)
{
    *self = (spi_error_fields){ 0 };
    if (!lines || !*lines)
        return 0;
    char *at = self->text = spi_malloc(size_of(lines));
    for (; *lines; lines++) {
        size_t size = strlen(*lines) + 1;
        memcpy(at, *lines, size);
        if (self->count == SPI_MAX_ERROR_FIELDS)
            return spout_error_set(
                SPOUT_EINVAL, "%d error headers at most", (int)SPI_MAX_ERROR_FIELDS);
        if (!parse_line(&self->fields[self->count++], at))
            return spout_error_set(SPOUT_EINVAL, "'%s' is no header", *lines);
        at += size;
    }
    return 0;
}

void spi_error_fields_free(spi_error_fields *self)
{
    spi_free(self->text);
}

void spi_error_page_add(spi_error_page *page, const spi_error_fields *more)
{
    for (size_t i = 0; i < more->count; i++)
        page->fields[page->head.field_count++] = more->fields[i];
}

void spi_error_page_make(spi_error_page *page, spout_loop *loop, int status)
{
    static const char server[] = "Waterspout/" SPOUT_VERSION;
    static const char type[] = "text/plain; charset=UTF-8";
    int len = snprintf(
        page->text, sizeof page->text, "%d %s\n", status, spout_status_phrase(status));
    page->body = (spout_bytes){ page->text, (size_t)len };
    page->fields[0] = (spi_field)FIELD("Server", server, sizeof server - 1);
    page->fields[1] = (spi_field)FIELD("Date", spi_http_date(loop), SPI_HTTP_DATE_LEN);
    page->fields[2] = (spi_field)FIELD("Content-Type", type, sizeof type - 1);
    page->fields[3] = (spi_field)FIELD("Retry-After", "1", 1);
    page->head = (spi_reply_head){
        .status = status,
        .fields = page->fields,
        .field_count = status == 503 ? 4 : 3,
        .content_length = len,
        .close = true,
    };
}
