/* The access log as JSON lines. */
#include "base/buffer.h"
#include "base/text.h"
#include "web/arguments.h"

#include <stdio.h>
#include <time.h>

enum { MAX_LINE = 1024 * 1024, MAX_TEXT = 8 * 1024 };

/* Texts are cut, so that all of them together stay below the maximum. */
static void put(spi_buffer *out, const char *data, size_t len)
{
    if (spi_buffer_append(out, data, len) < 0)
        spout_error_clear();
}

static void put_escaped(spi_buffer *out, const char *text)
{
    put(out, "\"", 1);
    const char *from = text, *at = text;
    for (; *at && at - text < MAX_TEXT; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        char escape[8];
        int len = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
                                        : snprintf(escape, sizeof escape, "\\u%04x", c);
        put(out, from, (size_t)(at - from));
        put(out, escape, (size_t)len);
        from = at + 1;
    }
    while (at > from && ((unsigned char)*at & 0xC0) == 0x80)
        at--; /* not in the middle of a character */
    put(out, from, (size_t)(at - from));
    put(out, "\"", 1);
}

static void put_key(spi_buffer *out, const char *key)
{
    if (spi_buffer_len(out) > 1)
        put(out, ",", 1);
    put(out, "\"", 1);
    put(out, key, strlen(key));
    put(out, "\":", 2);
}

static void put_text(spi_buffer *out, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    put_key(out, key);
    put_escaped(out, text);
}

static void put_number(spi_buffer *out, const char *key, long long value)
{
    put_key(out, key);
    char digits[24];
    put(out, digits, (size_t)snprintf(digits, sizeof digits, "%lld", value));
}

static void put_time(spi_buffer *out, int64_t wall_us)
{
    time_t second = (time_t)(wall_us / 1000000);
    struct tm parts;
    char text[48];
    gmtime_r(&second, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(wall_us / 1000 % 1000));
    put_text(out, "time", text);
}

static void put_duration(spi_buffer *out, int64_t us)
{
    put_key(out, "duration_ms");
    char digits[32];
    put(out, digits,
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
    put(&out, "{", 1);
    put_time(&out, spi_loop_wall_us(r->exchange->loop));
    put_request(&out, r);
    put(&out, "}", 1);
    spout_log(SPOUT_LOGGER_ACCESS, level, "%s", spi_buffer_text(&out));
    spi_buffer_release(&out);
}
