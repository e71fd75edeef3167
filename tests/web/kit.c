#include "kit.h"

#include "web/application.h"

#include <stdio.h>
#include <string.h>

static spout_loop *loop;
static spout_application *application;
static spi_memory_exchange *exchange;
static char log_text[64 * 1024];
static int log_lines;

static void keep_line(void *self, const spout_log_record *record)
{
    (void)self;
    static const char *const loggers[] = { "application", "access", "general" };
    size_t len = strlen(log_text);
    snprintf(log_text + len, sizeof log_text - len, "%s %c %s\n", loggers[record->logger],
        "DIWE"[record->level], record -> message);
    log_lines++;
}

void kit_start(const spout_route *routes, const spout_application_options *options)
{
    kit_start_limited(routes, options, 0);
}

void kit_start_limited(
    const spout_route *routes, const spout_application_options *options, int max_tasks)
{
    spout_log_set_sink(&(spout_log_sink){ .write = keep_line });
    loop = spout_loop_new(&(spout_loop_options){ .max_tasks = max_tasks });
    assert_non_null(loop);
    application = spout_application_new(routes, options);
    if (!application)
        fail_msg("%s", spout_error_message());
    kit_log_clear();
}

void kit_stop(void)
{
    spi_memory_exchange_free(exchange);
    exchange = NULL;
    spout_application_free(application);
    application = NULL;
    spout_loop_free(loop);
    loop = NULL;
    spout_log_set_sink(NULL);
}

spout_application *kit_application(void)
{
    return application;
}

spout_loop *kit_loop(void)
{
    return loop;
}

spi_memory_exchange *kit_open(const spi_memory_request *request)
{
    spi_memory_exchange_free(exchange);
    kit_log_clear();
    exchange = spi_memory_exchange_start(&spi_application_service, application, request);
    return exchange;
}

const spi_memory_reply *kit_finish(void)
{
    assert_int_equal(spi_memory_exchange_run(exchange), 0);
    return spi_memory_exchange_reply(exchange);
}

const spi_memory_reply *kit_send(const spi_memory_request *request)
{
    kit_open(request);
    return kit_finish();
}

const spi_memory_reply *kit_get(const char *target)
{
    return kit_call("GET", target);
}

const spi_memory_reply *kit_call(const char *method, const char *target)
{
    return kit_send(&(spi_memory_request){ .method = method, .target = target });
}

const spi_memory_reply *kit_post(const char *target, const char *type, const char *body)
{
    const spi_field field = kit_field("Content-Type", type);
    return kit_send(&(spi_memory_request){
        .method = "POST",
        .target = target,
        .fields = &field,
        .field_count = 1,
        .body = spout_bytes_of(body),
    });
}

const spi_memory_reply *kit_get_with(const char *target, const char *name, const char *value)
{
    const spi_field field = kit_field(name, value);
    return kit_send(&(spi_memory_request){ .target = target, .fields = &field, .field_count = 1 });
}

spi_field kit_field(const char *name, const char *value)
{
    return (spi_field){ name, value, (uint32_t)strlen(name), (uint32_t)strlen(value) };
}

const char *kit_log(void)
{
    return log_text;
}

int kit_log_lines(void)
{
    return log_lines;
}

void kit_log_clear(void)
{
    log_text[0] = '\0';
    log_lines = 0;
}

void kit_expect(const spi_memory_reply *reply, int status, const char *body)
{
    if (reply->status != status)
        fail_msg("status %d instead of %d; log: %s", reply->status, status, log_text);
    assert_string_equal(reply->body.data ? reply->body.data : "", body);
    assert_true(reply->finished);
    assert_true(reply->released);
}

void kit_expect_field(const spi_memory_reply *reply, const char *name, const char *value)
{
    const char *got = spi_memory_reply_field(reply, name);
    if (!value)
        assert_null(got);
    else if (!got)
        fail_msg("no field %s", name);
    else
        assert_string_equal(got, value);
}
