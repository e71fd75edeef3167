/* The first lines of messages, for those who have them as texts (RFC 9112 §3 and §4). */
#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/token.h"

enum { VERSION_LEN = 8 };

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "%s", what);
}

static bool is_version(const char *text)
{
    return memcmp(text, "HTTP/1.", VERSION_LEN - 1) == 0 && spi_is_digit(text[VERSION_LEN - 1]);
}

static bool is_target(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ' || spi_is_control(text[i]))
            return false;
    }
    return len > 0;
}

int spout_parse_request_start_line(const char *line, spout_request_start_line *ret_line)
{
    size_t len = strlen(line), method = strcspn(line, " ");
    if (!spi_is_token(line, method) || len < method + strlen(" / ") + VERSION_LEN)
        return refuse("the request line isn't method, target and version");
    const char *target = line + method + 1, *version = line + len - VERSION_LEN;
    size_t target_len = (size_t)(version - target) - 1;
    if (version[-1] != ' ' || !is_target(target, target_len))
        return refuse("the request line isn't method, target and version");
    if (!is_version(version))
        return refuse("the version isn't HTTP/1 and a digit");
    *ret_line = (spout_request_start_line){
        .method = spout_scope_bytes((spout_bytes){ line, method }),
        .path = spout_scope_bytes((spout_bytes){ target, target_len }),
        .version = spout_scope_text(version),
    };
    return 0;
}

int spout_parse_response_start_line(const char *line, spout_response_start_line *ret_line)
{
    enum { STATUS_AT = VERSION_LEN + 1, REASON_AT = STATUS_AT + 4 };
    size_t len = strlen(line);
    uint64_t status;
    if (len < REASON_AT - 1 || !is_version(line) || line[VERSION_LEN] != ' ' ||
        !spi_parse_uint(line + STATUS_AT, 3, 999, &status) || status < 100)
        return refuse("the status line isn't version and status");
    const char *reason = len >= REASON_AT ? line + REASON_AT : "";
    if (len >= REASON_AT && line[REASON_AT - 1] != ' ')
        return refuse("the status has more than three digits");
    for (const char *c = reason; *c; c++) {
        if (spi_is_control(*c) && *c != '\t')
            return refuse("the reason phrase has control characters");
    }
    *ret_line = (spout_response_start_line){
        .version = spout_scope_bytes((spout_bytes){ line, VERSION_LEN }),
        .code = (int)status,
        .reason = spout_scope_text(reason),
    };
    return 0;
}
