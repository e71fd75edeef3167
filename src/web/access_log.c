/* One line a request, as Tornado's log_request. */
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

static void write_line(spout_request *r)
{
    int status = r->response.status;
    spout_log_level level = level_of(status);
    if (!spout_log_enabled(level))
        return;
    if (r->application->options.access_log == SPOUT_ACCESS_LOG_JSON) {
        spi_request_log_json(r, level);
        return;
    }
    const spi_request_head *head = &r->exchange->head;
    const char *id = r->application->options.request_id_header ? spout_request_id(r) : NULL;
    long long hundredths = (long long)spout_request_time_us(r) / 10;
    const char *remark = r->remark ? r->remark : "";
    spout_log(SPOUT_LOGGER_ACCESS, level, "%d %s %s (%s) %lld.%02lldms%s%s%s%s%s", status,
        head->method_text, head->target.data, spout_remote_ip(r), hundredths / 100,
        hundredths % 100, id ? " [" : "", id ? id : "", id ? "]" : "", *remark ? ": " : "", remark);
}

void spi_request_log(spout_request *r)
{
    if (r->logged)
        return;
    r->logged = true;
    if (r->application->options.log_function)
        r->application->options.log_function(r);
    else
        write_line(r);
}
