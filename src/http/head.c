#include "http/head.h"

#include "base/text.h"
#include "http/framing.h"
#include "http/host.h"

#include <spout/error.h>

static int refuse(int status, const char *what)
{
    spout_error_set(SPOUT_EPROTO, "%s", what);
    return -status;
}

spi_method spi_method_parse(const char *text, size_t len)
{
    static const struct {
        char name[8];
        spi_method method;
    } methods[] = {
        { "GET", SPI_METHOD_GET },
        { "HEAD", SPI_METHOD_HEAD },
        { "POST", SPI_METHOD_POST },
        { "PUT", SPI_METHOD_PUT },
        { "DELETE", SPI_METHOD_DELETE },
        { "PATCH", SPI_METHOD_PATCH },
        { "OPTIONS", SPI_METHOD_OPTIONS },
        { "CONNECT", SPI_METHOD_CONNECT },
        { "TRACE", SPI_METHOD_TRACE },
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && len <= 7; i++) {
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, text, len) == 0)
            return methods[i].method;
    }
    return SPI_METHOD_OTHER;
}

static size_t token_len(const char *text)
{
    size_t len = 0;
    while (spi_is_token_char(text[len]))
        len++;
    return len;
}

/* Takes the method off the line's front. Returns its length, 0 if it is none. */
static size_t parse_method(const char *line, spi_request_head *head)
{
    size_t len = token_len(line);
    if (line[len] != ' ')
        return 0;
    head->method = spi_method_parse(line, len);
    return len;
}

/* The last eight bytes of the request line, behind a space. */
static int parse_version(const char *version, spi_request_head *head)
{
    if (memcmp(version, "HTTP/", 5) != 0 || !spi_is_digit(version[5]) || version[6] != '.' ||
        !spi_is_digit(version[7]))
        return refuse(400, "the version isn't HTTP/digit.digit");
    if (version[5] != '1')
        return refuse(505, "only HTTP/1 is spoken here");
    head->minor_version = version[7] != '0';
    return 0;
}

/* "http://" or "https://": its length, else 0. */
static size_t scheme_len(const char *text, size_t len)
{
    size_t prefix = len >= 8 && spi_lower(text[4]) == 's' ? 8 : 7;
    if (len < prefix || !spi_equal_nocase(text, 4, "http", 4) ||
        memcmp(text + prefix - 3, "://", 3) != 0)
        return 0;
    return prefix;
}

/* RFC 9112 §3.2.2. Finds where the path begins; the authority becomes the host. */
static int parse_absolute(
    spi_arena *arena, const char *target, size_t path_end, spi_request_head *head, size_t *ret_path)
{
    size_t authority = scheme_len(target, path_end);
    if (!authority)
        return refuse(400, "the request target is neither a path nor an http URL");
    const char *slash = memchr(target + authority, '/', path_end - authority);
    size_t end = slash ? (size_t)(slash - target) : path_end;
    if (end == authority || target[authority] == ':')
        return refuse(400, "the request target names no host");
    const char *copy = spi_arena_memdup(arena, target + authority, end - authority);
    if (!spi_host_parse(arena, copy, end - authority, &head->host))
        return refuse(400, "the host of the request target is malformed");
    *ret_path = end;
    return 0;
}

/* RFC 9112 §3.2.3: host and port, both. */
static int parse_authority(spi_arena *arena, const char *target, size_t len, spi_request_head *head)
{
    size_t digits = 0;
    while (digits < len && spi_is_digit(target[len - 1 - digits]))
        digits++;
    if (digits == 0 || digits + 1 >= len || target[len - 1 - digits] != ':' ||
        !spi_host_parse(arena, target, len, &head->host))
        return refuse(400, "the target of CONNECT isn't host:port");
    head->path = "";
    return 0;
}

/* The target is NUL-terminated already and `mark` is where its path ends: at the '?' or the end. */
static int split_target(spi_arena *arena, size_t mark, spi_request_head *head)
{
    const char *target = head->target.data;
    size_t len = head->target.len, path = 0;
    head->query = mark < len ? target + mark + 1 : "";
    if (target[0] != '/') {
        if (head->method == SPI_METHOD_CONNECT)
            return parse_authority(arena, target, len, head);
        if (len == 1 && target[0] == '*' && head->method == SPI_METHOD_OPTIONS) {
            head->path = target;
            head->path_len = 1;
            return 0;
        }
        int status = parse_absolute(arena, target, mark, head, &path);
        if (status < 0)
            return status;
    } else if (head->method == SPI_METHOD_CONNECT) {
        return refuse(400, "the target of CONNECT isn't host:port");
    }
    head->path_len = mark - path;
    if (path == mark) {
        head->path = "/";
        head->path_len = 1;
    } else if (mark == len) {
        head->path = target + path;
    } else {
        head->path = spi_arena_memdup(arena, target + path, mark - path);
    }
    return 0;
}

static int parse_request_line(spi_arena *arena, char *line, size_t len, spi_request_head *head)
{
    enum { VERSION = sizeof "HTTP/1.1" - 1 };
    if (len < sizeof "A / HTTP/1.1" - 1 || line[len - VERSION - 1] != ' ')
        return refuse(400, "the request line isn't method, target and version");
    size_t method = parse_method(line, head);
    if (method == 0 || method + 1 + 1 + VERSION >= len)
        return refuse(400, "the request line isn't method, target and version");
    int status = parse_version(line + len - VERSION, head);
    if (status < 0)
        return status;

    char *target = line + method + 1;
    size_t target_len = len - VERSION - 1 - method - 1;
    if (memchr(target, ' ', target_len) || memchr(target, '#', target_len))
        return refuse(400, "a space or a fragment in the request target");
    const char *mark = memchr(target, '?', target_len);
    line[method] = '\0';
    target[target_len] = '\0';
    head->method_text = line;
    head->target = (spout_bytes){ target, target_len };
    return split_target(arena, mark ? (size_t)(mark - target) : target_len, head);
}

static int refuse_line(const char *line)
{
    if (spi_is_blank(*line))
        return refuse(400, "a folded header line");
    return refuse(400, spi_is_blank(line[token_len(line)]) ? "a space before a header's colon"
                                                           : "a header line without a proper name");
}

int spi_field_parse(char *line, char *end, spi_field *ret_field)
{
    size_t len = token_len(line);
    if (len == 0 || line[len] != ':')
        return refuse_line(line);
    char *value = line + len + 1;
    while (spi_is_blank(*value))
        value++;
    while (end > value && spi_is_blank(end[-1]))
        end--;
    line[len] = '\0';
    *end = '\0';
    *ret_field = (spi_field){ .name = line,
        .value = value,
        .name_len = (uint32_t)len,
        .value_len = (uint32_t)(end - value) };
    return 0;
}

size_t spi_field_lines(const char *at, const char *end)
{
    size_t count = 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* The fields are in line[0..end), and end[0] begins the blank line. The scan has seen that CRs
   stand in line ends only. */
static int parse_fields(spi_arena *arena, char *line, const char *end,
    const spi_head_limits *limits, spi_framing *framing, spi_request_head *head)
{
    size_t count = spi_field_lines(line, end);
    if (count > limits->max_fields)
        return refuse(431, "too many header lines");
    spi_field *field = spi_arena_alloc(arena, (count ? count : 1) * sizeof *field);
    head->field_count = count;
    head->fields = field;
    for (; line < end; field++) {
        char *line_end = memchr(line, '\r', (size_t)(end - line));
        int status = spi_field_parse(line, line_end, field);
        if (status == 0)
            status = spi_framing_add(framing, field);
        if (status < 0)
            return status;
        line = line_end + 2;
    }
    return 0;
}

static int parse_host(spi_arena *arena, const spi_framing *framing, spi_request_head *head)
{
    const char *host = "";
    if (!framing->host && head->minor_version > 0)
        return refuse(400, "there is no Host");
    if (framing->host &&
        !spi_host_parse(arena, framing->host->value, framing->host->value_len, &host))
        return refuse(400, "the Host is malformed");
    if (head->host)
        return 0; /* the target's, which wins */
    if (head->minor_version > 0 && (*host == '\0' || *host == ':'))
        return refuse(400, "the Host names none"); /* RFC 9112 §3.3: no http URL is without */
    head->host = host;
    return 0;
}

/* A head that the scan has found whole and clean. */
static int parse_scanned(spi_arena *arena, char *text, size_t len, size_t line_end,
    const spi_head_limits *limits, spi_request_head *ret_head)
{
    spi_request_head head = { .field_count = 0 };
    size_t start = text[0] == '\r' ? 2 : 0;
    int status = parse_request_line(arena, text + start, line_end - start, &head);
    if (status < 0)
        return status;
    spi_framing framing = { .minor_version = head.minor_version };
    status = parse_fields(arena, text + line_end + 2, text + len - 2, limits, &framing, &head);
    if (status == 0)
        status = parse_host(arena, &framing, &head);
    if (status == 0)
        status = spi_framing_finish(&framing, &head);
    if (status == 0)
        *ret_head = head;
    return status;
}

int spi_request_head_parse(spi_arena *arena, char *text, size_t len, const spi_head_limits *limits,
    spi_request_head *ret_head)
{
    spi_head_scanner scanner = { .scanned = 0 };
    if (len > UINT32_MAX)
        return refuse(431, "the header is too large");
    long end = spi_head_scan(&scanner, text, len, limits);
    if (end < 0)
        return (int)end;
    if (end == 0 || (size_t)end != len)
        return refuse(400, "not one complete head");
    return parse_scanned(arena, text, len, scanner.line_end, limits, ret_head);
}
