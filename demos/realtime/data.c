#define _DEFAULT_SOURCE
#include "realtime.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* --- GET: two sources at once; stand-ins until there is an HTTP client --- */

typedef struct source {
    json_t *value; /* owned; NULL when it failed */
} source;

static int fetch_document(void *arg)
{
    source *s = arg;
    if (spout_sleep(100) < 0)
        return -1;
    s->value = json_pack(
        "{s:s, s:[s, s, s]}", "title", "Sample document", "sections", "wind", "water", "light");
    return 0;
}

static int fetch_uuid(void *arg)
{
    source *s = arg;
    if (spout_sleep(100) < 0)
        return -1;
    char uuid[37];
    s->value = json_pack("{s:s}", "uuid", spout_uuid4(uuid));
    return 0;
}

static json_t *result_of(source *s)
{
    return s->value ? s->value : json_pack("{s:s}", "error", "the source did not answer");
}

static int get(spout_request *r)
{
    source document = { 0 }, uuid = { 0 };
    spout_group *group = spout_group_new();
    int result = spout_group_start(group, fetch_document, &document, NULL);
    if (result == 0)
        result = spout_group_start(group, fetch_uuid, &uuid, NULL);
    if (spout_group_join(group) < 0 && result == 0)
        spout_log_warning("a source failed: %s", spout_error_message());
    spout_group_free(group);
    json_t *results = json_pack("[o, o]", result_of(&document), result_of(&uuid));
    return spout_write_json(r, json_pack("{s:s, s:o, s:i}", "status", "success", "data", results,
                                   "concurrent_requests", 2));
}

/* --- POST: a record that is checked and gets an id --- */

/* Shared by all workers: it lies in memory that they inherit. */
static _Atomic int64_t *last_id;

int data_configure(void)
{
    void *shared = mmap(
        NULL, sizeof *last_id, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return spout_error_set_errno(errno, "no memory for the records' ids");
    last_id = shared;
    return 0;
}

static int post(spout_request *r)
{
    json_t *body = site_body_object(r);
    if (!body)
        return 0;
    static const char *const required[] = { "name", "email" };
    for (size_t i = 0; i < 2; i++)
        if (!json_object_get(body, required[i]))
            return site_error(r, 400, spout_scope_format("Missing field: %s", required[i]));
    spout_set_status(r, 201, NULL);
    return spout_write_json(r,
        json_pack("{s:I, s:O, s:O, s:o, s:s}", "id", (json_int_t)atomic_fetch_add(last_id, 1) + 1,
            "name", json_object_get(body, "name"), "email", json_object_get(body, "email"),
            "created_at", site_timestamp(), "status", "created"));
}

const spout_handler data_handler = { .base = &site, .name = "data", .get = get, .post = post };
