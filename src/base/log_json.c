#include "base/log_json.h"

#include "base/text.h"

#include <spout/error.h>

#include <stdio.h>
#include <time.h>

void spi_log_json_put(spi_buffer *out, const char *data, size_t len)
{
    if (spi_buffer_append(out, data, len) < 0)
        spout_error_clear();
}

static void put_text(spi_buffer *out, const char *text)
{
    spi_log_json_put(out, text, strlen(text));
}

/* What needs an escape begins at `at`: its code point, and its length in bytes; -1: nothing does.
   The control characters beyond ASCII (C1) are among them. */
static int escaped_at(const unsigned char *at, bool utf8, size_t *ret_len)
{
    *ret_len = 1;
    if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7F || (!utf8 && *at >= 0x80))
        return *at;
    *ret_len = 2;
    return *at == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F ? at[1] : -1;
}

void spi_log_json_text(spi_buffer *out, const char *text, size_t max)
{
    const char *from = text, *at = text;
    bool utf8 = spi_is_utf8(text, strlen(text));
    spi_log_json_put(out, "\"", 1);
    while (*at && (size_t)(at - text) < max) {
        size_t len;
        int c = escaped_at((const unsigned char *)at, utf8, &len);
        if (c < 0) {
            at++;
            continue;
        }
        char escape[8];
        int escape_len = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
                                               : snprintf(escape, sizeof escape, "\\u%04x", c);
        spi_log_json_put(out, from, (size_t)(at - from));
        spi_log_json_put(out, escape, (size_t)escape_len);
        from = at += len;
    }
    while (at > from && ((unsigned char)*at & 0xC0) == 0x80)
        at--; /* not in the middle of a character */
    spi_log_json_put(out, from, (size_t)(at - from));
    spi_log_json_put(out, "\"", 1);
}

void spi_log_json_time(spi_buffer *out, int64_t wall_us)
{
    time_t second = (time_t)(wall_us / 1000000);
    struct tm parts;
    char text[48];
    gmtime_r(&second, &parts);
    size_t len = strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03dZ\"", (int)(wall_us / 1000 % 1000));
    put_text(out, text);
}

const char *spi_log_logger_name(spout_logger logger)
{
    switch (logger) {
    case SPOUT_LOGGER_APPLICATION: return "application";
    case SPOUT_LOGGER_ACCESS: return "access";
    case SPOUT_LOGGER_GENERAL: return "general";
    }
    return "?";
}

static const char *level_name(spout_log_level level)
{
    switch (level) {
    case SPOUT_LOG_DEBUG: return "debug";
    case SPOUT_LOG_INFO: return "info";
    case SPOUT_LOG_WARNING: return "warning";
    case SPOUT_LOG_ERROR: return "error";
    case SPOUT_LOG_OFF: break;
    }
    return "?";
}

static bool is_object(const spout_log_record *record)
{
    size_t len = strlen(record->message);
    return record->logger == SPOUT_LOGGER_ACCESS && len > 2 && record->message[0] == '{' &&
           record->message[len - 1] == '}';
}

void spi_log_json_line(spi_buffer *out, const spout_log_record *record, const char *raw)
{
    put_text(out, "{\"level\":\"");
    put_text(out, level_name(record->level));
    put_text(out, "\",\"logger\":\"");
    put_text(out, spi_log_logger_name(record->logger));
    put_text(out, "\",");
    if (!raw && is_object(record)) {
        put_text(out, record->message + 1);
    } else {
        put_text(out, "\"time\":");
        spi_log_json_time(out, record->time_us);
        put_text(out, ",\"message\":");
        spi_log_json_text(out, raw ? raw : record->message, SIZE_MAX);
        if (record->request_id) {
            put_text(out, ",\"request_id\":");
            spi_log_json_text(out, record->request_id, SIZE_MAX);
        }
        put_text(out, "}");
    }
    put_text(out, "\n");
}
