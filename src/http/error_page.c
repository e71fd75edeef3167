#include "http/error_page.h"

#include <spout/httputil.h>
#include <spout/version.h>

#include <stdio.h>

#include "http/date.h"

#define FIELD(name, text, text_len)                            \
    {                                                          \
        (name), (text), sizeof(name) - 1, (uint32_t)(text_len) \
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
