/* The access log as JSON lines. */
#include "base/log_json.h"
#include "web/arguments.h"

#include <stdio.h>

/* Texts are cut, so that all of them together stay below the maximum. */
enum { MAX_LINE = 1024 * 1024, MAX_TEXT = 8 * 1024 };

static void put_key(spi_buffer *out, const char *key)
{
    if (spi_buffer_len(out) > 1)
        spi_log_json_put(out, ",", 1);
    spi_log_json_put(out, "\"", 1);
    spi_log_json_put(out, key, strlen(key));
    spi_log_json_put(out, "\":", 2);
}

static void put_text(spi_buffer *out, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    put_key(out, key);
    spi_log_json_text(out, text, MAX_TEXT);
}

static void put_number(spi_buffer *out, const char *key, long long value)
{
    put_key(out, key);
    char digits[24];
    spi_log_json_put(out, digits, (size_t)snprintf(digits, sizeof digits, "%lld", value));
}

static void put_duration(spi_buffer *out, int64_t us)
{
    put_key(out, "duration_ms");
    char digits[32];
    spi_log_json_put(out, digits,
        (size_t)snprintf(
            digits, sizeof digits, "%lld.%03d", (long long)(us / 1000), (int)(us % 1000)));
}

static void put_request(spi_buffer *out, spout_request *r)
{
    put_number(out, "status", r->response.status);
    put_text(out, "method", spout_get_method(r));
    put_text(out, "uri", spout_uri(r));
    put_text(out, "host", spout_host(r));
    put_text(out, "remote_ip", spout_remote_ip(r));
    put_duration(out, spout_request_time_us(r));
    put_number(out, "bytes", (long long)r->response.sent);
    put_text(out, "handler", r->handler->name);
    if (r->application->options.request_id_header)
        put_text(out, "request_id", spout_request_id(r));
    put_text(out, "user_agent", spout_header(r, "User-Agent", NULL));
    put_text(out, "referer", spout_header(r, "Referer", NULL));
    put_text(out, "remark", r->remark);
}

void spi_request_log_json(spout_request *r, spout_log_level level)
{
    spi_buffer out;
    spi_buffer_init(&out, MAX_LINE);
    spi_log_json_put(&out, "{", 1);
    put_key(&out, "time");
    spi_log_json_time(&out, spi_loop_wall_us(r->exchange->loop));
    put_request(&out, r);
    spi_log_json_put(&out, "}", 1);
    spout_log(SPOUT_LOGGER_ACCESS, level, "%s", spi_buffer_text(&out));
    spi_buffer_release(&out);
}
