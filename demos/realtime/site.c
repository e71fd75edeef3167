#include "realtime.h"

#define ALLOWED_HEADERS "Content-Type, Authorization"
#define ALLOWED_METHODS "GET, POST, PUT, DELETE, OPTIONS"

static int set_default_headers(spout_request *r)
{
    spout_set_header(r, "Access-Control-Allow-Origin", "*");
    spout_set_header(r, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
    spout_set_header(r, "Access-Control-Allow-Methods", ALLOWED_METHODS);
    return 0;
}

const char *const site_error_headers[] = {
    "Access-Control-Allow-Origin: *",
    "Access-Control-Allow-Headers: " ALLOWED_HEADERS,
    "Access-Control-Allow-Methods: " ALLOWED_METHODS,
    NULL,
};

static int preflight(spout_request *r)
{
    return spout_set_status(r, 204, NULL);
}

int site_error(spout_request *r, int status, const char *text)
{
    spout_set_status(r, status, NULL);
    return spout_write_json(r, json_pack("{s:s}", "error", text));
}

/* A client's mistake is told in words; ours only by its status. */
static int write_error(spout_request *r)
{
    int status = spout_get_status(r);
    const char *told = status < 500 ? spout_error_message() : "";
    return spout_write_json(
        r, json_pack("{s:s}", "error", *told ? told : spout_status_phrase(status)));
}

static int on_finish(spout_request *r)
{
    int64_t time_us = spout_request_time_us(r);
    stats_record(spout_handler_name(r), spout_get_status(r), time_us);
    const site_traits *traits = spout_config(r);
    if (time_us > 1000000 && !(traits && traits->waits))
        spout_log_warning("slow request: %s %s took %.2f s", spout_get_method(r), spout_uri(r),
            (double)time_us / 1e6);
    return 0;
}

json_t *site_body_object(spout_request *r)
{
    json_t *body = spout_need_json(r);
    if (!body)
        site_error(r, 400, "Invalid JSON");
    else if (!json_is_object(body))
        site_error(r, 400, "Invalid JSON: an object is needed");
    return json_is_object(body) ? body : NULL;
}

json_t *site_timestamp(void)
{
    char text[32];
    return json_string(spout_format_iso8601(spout_wall_us(), text));
}

static int say_not_found(spout_request *r)
{
    return site_error(r, 404, "Not Found");
}

const spout_handler site = {
    .set_default_headers = set_default_headers,
    .options = preflight,
    .write_error = write_error,
    .on_finish = on_finish,
};

const spout_handler not_found = { .base = &site, .name = "not_found", .any = say_not_found };
