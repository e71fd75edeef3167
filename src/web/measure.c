/* What the loop's metrics are told of a request. */
#include "web/request.h"

static const char *name_of_class(int status)
{
    static const char *const names[] = { "http_replies_1xx", "http_replies_2xx", "http_replies_3xx",
        "http_replies_4xx", "http_replies_5xx" };
    int class = status / 100;
    return names[class >= 1 && class <= 5 ? class - 1 : 4];
}

void spi_request_measure(spout_request *r)
{
    const spi_exchange *exchange = r->exchange;
    const spout_metrics *metrics = spi_loop_metrics(exchange->loop);
    const spout_request_event event = {
        .method = exchange->head.method_text,
        .handler = r->handler->name,
        .status = r->response.status,
        .duration_us = spout_request_time_us(r),
        .received_bytes = exchange->body.len + r->received,
        .sent_bytes = exchange->head.method == SPI_METHOD_HEAD ? 0 : r->response.sent,
    };
    metrics->count(metrics->self, name_of_class(event.status), 1);
    metrics->request(metrics->self, &event);
}
