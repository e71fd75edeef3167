/* Whole requests against an application in memory that asks for all a request can hold. Whatever it
   holds, it is answered, and the mistake is never ours. */
#include "fuzz.h"

#include <spout/auth.h>
#include <spout/cookies.h>
#include <spout/error.h>
#include <spout/escape.h>
#include <spout/log.h>
#include <spout/loop.h>
#include <spout/memory.h>
#include <spout/web.h>

#include "http/exchange_memory.h"
#include "web/application.h"

static int get(spout_request *r)
{
    const char *const *values;
    const char *name = spout_argument(r, "a", "");
    const char *user = spout_get_signed_cookie(r, "user", NULL);
    size_t count = spout_arguments(r, "b", &values);
    MUST(spout_is_utf8(spout_bytes_of(name)) && !strpbrk(name, "\1\2\3\b\x0E\x1F"));
    for (size_t i = 0; i < count; i++)
        MUST(spout_is_utf8(spout_bytes_of(values[i])));
    MUST(!user && spout_is_utf8(spout_bytes_of(spout_cookie(r, "c", ""))));
    if (!spout_need_argument(r, "needed"))
        return -1;
    return spout_write(r, spout_xsrf_token(r));
}

static int post(spout_request *r)
{
    const spout_file *files;
    size_t count = spout_files(r, &files);
    for (size_t i = 0; i < count; i++)
        MUST(*files[i].filename && spout_is_utf8(spout_bytes_of(files[i].filename)));
    return spout_write(r, spout_body_argument(r, "a", "none"));
}

static int json(spout_request *r)
{
    json_t *value = spout_need_json(r);
    return value ? spout_write_json(r, json_incref(value)) : -1;
}

static int piece(spout_request *r)
{
    return spout_write(r, spout_path_argument(r, "rest"));
}

static const spout_handler asking = { .get = get, .post = post };
static const spout_handler unchecked = { .post = post, .xsrf_cookies = SPOUT_NONE };
static const spout_handler json_handler = { .post = json, .xsrf_cookies = SPOUT_NONE };
static const spout_handler pieces = { .get = piece };
static const spout_route routes[] = { { "/", &asking }, { "/form", &unchecked },
    { "/json", &json_handler }, { "/path/{rest:path}", &pieces },
    { "/re/([a-z]+)/(?<rest>.*)", &pieces }, { 0 } };

static void keep_quiet(void *self, const spout_log_record *record)
{
    (void)self, (void)record;
}

static spout_application *start(void)
{
    spout_log_set_sink(&(spout_log_sink){ .write = keep_quiet });
    MUST(spout_loop_new(NULL));
    spout_application *application = spout_application_new(
        routes, &(spout_application_options){ .xsrf_cookies = true, .cookie_secret = "a secret" });
    MUST(application);
    return application;
}

static void answer(spout_application *application, const spi_request_head *head, spout_bytes body)
{
    spi_field *fields = spout_scope_alloc((head->field_count + 1) * sizeof *fields);
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        size_t len = head->fields[i].name_len;
        if (len != 14 && len != 17) /* the body has another length than the fuzzer says */
            fields[count++] = head->fields[i];
    }
    spi_memory_exchange *exchange = spi_memory_exchange_start(&spi_application_service, application,
        &(spi_memory_request){ .method = head->method_text,
            .target = head->target.data,
            .fields = fields,
            .field_count = count,
            .body = body });
    MUST(spi_memory_exchange_run(exchange) == 0);
    const spi_memory_reply *reply = spi_memory_exchange_reply(exchange);
    MUST(reply->finished && reply->status >= 200 && reply->status < 500);
    spi_memory_exchange_free(exchange);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static spout_application *application;
    static const spi_head_limits limits = { 8192, 8192, 100 };
    if (!application)
        application = start();
    spout_scope *scope = spout_scope_push();
    spi_arena *arena = spi_arena_new(0);
    spi_head_scanner scanner = { 0 };
    spi_request_head head;
    const char *text = (const char *)data;
    long len = spi_head_scan(&scanner, text, size, &limits);
    char *copy = len > 0 ? spi_arena_memdup(arena, text, (size_t)len) : NULL;
    if (copy && spi_request_head_parse(arena, copy, (size_t)len, &limits, &head) == 0 &&
        head.method != SPI_METHOD_CONNECT)
        answer(application, &head, (spout_bytes){ text + len, size - (size_t)len });
    spi_arena_free(arena);
    spout_scope_pop(scope);
    return 0;
}
