#include <spout/error.h>
#include <spout/testing.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/exchange_memory.h"
#include "loop/task.h"
#include "web/application.h"

/* Lies in an arena with everything that it points at. */
typedef struct response {
    spout_test_response public;
    spi_arena *arena;
} response;

static spi_field *copy_headers(
    spi_arena *arena, const spout_test_header *headers, size_t *ret_count)
{
    size_t count = 0;
    while (headers && headers[count].name)
        count++;
    spi_field *fields = spi_arena_calloc(arena, (count + 1) * sizeof *fields);
    for (size_t i = 0; i < count; i++)
        fields[i] = (spi_field){
            .name = headers[i].name,
            .value = headers[i].value,
            .name_len = (uint32_t)strlen(headers[i].name),
            .value_len = (uint32_t)strlen(headers[i].value),
        };
    *ret_count = count;
    return fields;
}

static spout_test_response *copy_reply(spi_arena *arena, const spi_memory_reply *reply)
{
    response *copy = spi_arena_calloc(arena, sizeof *copy);
    spout_test_header *headers = spi_arena_calloc(
        arena, (reply->field_count + 1) * sizeof *headers);
    for (size_t i = 0; i < reply->field_count; i++) {
        headers[i].name = spi_arena_strdup(arena, reply->fields[i].name);
        headers[i].value = spi_arena_strdup(arena, reply->fields[i].value);
    }
    copy->arena = arena;
    copy->public = (spout_test_response){
        .status = reply->status,
        .reason = spi_arena_strdup(arena, reply->reason ? reply->reason : ""),
        .headers = headers,
        .body = { spi_arena_memdup(arena, reply->body.data, reply->body.len), reply->body.len },
        .complete = reply->finished && !reply->reset,
    };
    return &copy->public;
}

static int wait_for_reply(spi_memory_exchange *exchange)
{
    if (!spout_in_task())
        return spi_memory_exchange_run(exchange);
    int64_t outer = spout_deadline_set_ms(5000);
    int result = spi_memory_exchange_wait(exchange);
    spout_deadline_restore(outer);
    return result;
}

spout_test_response *spout_test_fetch(
    spout_application *application, const spout_test_request *request)
{
    spi_arena *arena = spi_arena_new(0);
    spi_memory_request in = {
        .method = request->method,
        .target = request->url,
        .body = request->body,
    };
    in.fields = copy_headers(arena, request->headers, &in.field_count);
    spi_memory_exchange *exchange = spi_memory_exchange_start(
        &spi_application_service, application, &in);
    spout_test_response *result = NULL;
    if (wait_for_reply(exchange) == 0) {
        const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
        if (reply->status)
            result = copy_reply(arena, reply);
        else
            spout_error_set(SPOUT_ECLOSED, "the connection was closed without a reply");
    }
    spi_memory_exchange_free(exchange);
    if (!result)
        spi_arena_free(arena);
    return result;
}

void spout_test_response_free(spout_test_response *test_response)
{
    if (test_response)
        spi_arena_free(spi_container(test_response, response, public)->arena);
}

const char *spout_test_response_header(const spout_test_response *test_response, const char *name)
{
    for (const spout_test_header *header = test_response->headers; header->name; header++)
        if (spi_text_equal_nocase(header->name, name))
            return header->value;
    return NULL;
}
