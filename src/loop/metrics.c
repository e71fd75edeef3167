/* Who is told what the loop does. */
#include "loop/internal.h"

static void ignore_number(void *self, const char *name, int64_t number)
{
    (void)self, (void)name, (void)number;
}

static void ignore_task(void *self, const char *name, spout_task_event event, int64_t lived_ms)
{
    (void)self, (void)name, (void)event, (void)lived_ms;
}

static void ignore_request(void *self, const spout_request_event *event)
{
    (void)self, (void)event;
}

void spi_metrics_start(spout_loop *loop, const spout_metrics *metrics)
{
    if (!metrics)
        return;
    loop->metrics_table = *metrics;
    spout_metrics *table = &loop->metrics_table;
    if (!table->count)
        table->count = ignore_number;
    if (!table->observe)
        table->observe = ignore_number;
    if (!table->task)
        table->task = ignore_task;
    if (!table->request)
        table->request = ignore_request;
    loop->front.metrics = table;
}
