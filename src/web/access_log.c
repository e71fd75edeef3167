/* One line a request, as Tornado's log_request. */
#include "base/log.h"
#include "base/text.h"
#include "web/request.h"

#include <spout/log.h>
#include <spout/middleware.h>

void spout_no_log(spout_request *r)
{
    (void)r;
}

static spout_log_level level_of(int status)
{
    if (status < 400)
        return SPOUT_LOG_INFO;
    return status < 500 ? SPOUT_LOG_WARNING : SPOUT_LOG_ERROR;
}

bool spi_request_logs_remark(const spout_request *r, int status)
{
    if (r->logged || r->response.head_sent || r->application->options.log_function)
        return false;
    return spout_log_enabled(level_of(status));
}

static char *put_duration(char *at, int64_t us)
{
    int64_t hundredths = us / 10;
    at += spi_format_uint(at, (uint64_t)hundredths / 100);
    *at++ = '.';
    *at++ = (char)('0' + hundredths / 10 % 10);
    *at++ = (char)('0' + hundredths % 10);
    return SPI_PUT_LITERAL(at, "ms");
}

/* "200 GET /x (127.0.0.1) 0.42ms [id]: remark" */
static void write_text(spout_request *r, spout_log_level level)
{
    enum { NUMBERS = 2 * 20, PUNCTUATION = 16, ADDRESS = 46, USUAL = 512 };
    const spi_request_head *head = &r->exchange->head;
    const char *id = r->application->options.request_id_header ? spout_request_id(r) : "";
    const char *remark = r->remark ? r->remark : "";
    size_t id_len = strlen(id), remark_len = strlen(remark), method_len = strlen(head->method_text);
    size_t most = method_len + head->target.len + id_len + remark_len + NUMBERS + PUNCTUATION +
                  ADDRESS;
    char usual[USUAL], *text = most <= USUAL ? usual : spi_arena_chars(spi_request_arena(r), most);
    char *at = text + spi_format_uint(text, (uint64_t)r->response.status);
    *at++ = ' ';
    at = spi_put(at, head->method_text, method_len);
    *at++ = ' ';
    at = spi_put(at, head->target.data, head->target.len);
    at = SPI_PUT_LITERAL(at, " (");
    at += spi_request_put_remote_ip(r, at);
    at = put_duration(SPI_PUT_LITERAL(at, ") "), spout_request_time_us(r));
    if (id_len) {
        at = spi_put(SPI_PUT_LITERAL(at, " ["), id, id_len);
        *at++ = ']';
    }
    if (remark_len)
        at = spi_put(SPI_PUT_LITERAL(at, ": "), remark, remark_len);
    *at = '\0';
    spi_log_text(
        SPOUT_LOGGER_ACCESS, level, spi_loop_wall_us(r->exchange->loop), text, (size_t)(at - text));
}

static void write_line(spout_request *r)
{
    int status = r->response.status;
    spout_log_level level = level_of(status);
    if (!spi_log_is_on(level))
        return;
    if (r->application->options.access_log == SPOUT_ACCESS_LOG_JSON) {
        spi_request_log_json(r, level);
        return;
    }
    write_text(r, level);
}

__attribute__((noinline)) void spi_request_write_log(spout_request *r)
{
    if (r->application->options.log_function)
        r->application->options.log_function(r);
    else
        write_line(r);
}
