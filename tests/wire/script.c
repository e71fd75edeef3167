#include "script.h"

#include "kit.h"

#include <spout/error.h>
#include <spout/task.h>

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/text.h"
#include "loop/task.h"

enum { LINES_MAX = 2000, TEXT_MAX = 8192 };

typedef struct wire_script {
    test_kit kit;
    const char *lines[LINES_MAX];
    int line_count;
    int at;          /* the current line, from 0 */
    spi_buffer head; /* lines of the last head, of any peer */
    bool draining, drained;
    char *complaint;
    size_t complaint_size;
    bool failed;
} wire_script;

typedef struct command {
    const char *word;
    void (*run)(wire_script *script, int peer, const char *rest);
} command;

static void complain(wire_script *script, const char *format, ...) SPOUT_PRINTF(2, 3);
static void complain(wire_script *script, const char *format, ...)
{
    if (script->failed)
        return;
    script->failed = true;
    int len = snprintf(script->complaint, script->complaint_size, "line %d: ", script->at + 1);
    va_list args;
    va_start(args, format);
    vsnprintf(script->complaint + len, script->complaint_size - (size_t)len, format, args);
    va_end(args);
    for (char *c = script->complaint; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = *c == '\n' ? '|' : '.';
}

/* \r \n \t \0 \\ \s and \xHH. */
static spout_bytes unescape(const char *text, char out[TEXT_MAX])
{
    static const char names[] = "rnt0\\s", values[] = "\r\n\t\0\\ ";
    size_t len = 0;
    for (; *text && len < TEXT_MAX; text++) {
        const char *name = *text == '\\' && text[1] ? strchr(names, text[1]) : NULL;
        if (name) {
            out[len++] = values[name - names];
            text++;
        } else if (text[0] == '\\' && text[1] == 'x' && spi_hex_value(text[2]) >= 0 &&
                   spi_hex_value(text[3]) >= 0) {
            out[len++] = (char)(spi_hex_value(text[2]) << 4 | spi_hex_value(text[3]));
            text += 3;
        } else {
            out[len++] = *text;
        }
    }
    return (spout_bytes){ out, len };
}

static kit_peer *peer_of(wire_script *script, int number)
{
    kit_peer *peer = &script->kit.peers[number];
    return peer->received.max ? peer : kit_connect(&script->kit, number);
}

/* "N text" → N times the text. */
static size_t repeat_of(const char **rest)
{
    char *end;
    size_t count = (size_t)strtoull(*rest, &end, 10);
    *rest = *end == ' ' ? end + 1 : end;
    return count;
}

static void send_text(wire_script *script, int number, const char *rest, size_t count)
{
    char out[TEXT_MAX];
    spout_bytes bytes = unescape(rest, out);
    kit_peer *peer = peer_of(script, number);
    for (size_t i = 0; i < count; i++)
        kit_send(&script->kit, peer, bytes);
    kit_pump(&script->kit);
}

static void run_send(wire_script *script, int number, const char *rest)
{
    send_text(script, number, rest, 1);
}

static void run_send_many(wire_script *script, int number, const char *rest)
{
    size_t count = repeat_of(&rest);
    send_text(script, number, rest, count);
}

/* Each byte in a turn of its own. */
static void run_send_slowly(wire_script *script, int number, const char *rest)
{
    char out[TEXT_MAX];
    spout_bytes bytes = unescape(rest, out);
    kit_peer *peer = peer_of(script, number);
    for (size_t i = 0; i < bytes.len; i++) {
        kit_send(&script->kit, peer, (spout_bytes){ bytes.data + i, 1 });
        kit_pump(&script->kit);
    }
}

/* Takes a line, without its line end, into out. False, with a complaint, if there is none. */
static bool take_line(wire_script *script, kit_peer *peer, char out[TEXT_MAX])
{
    kit_pump(&script->kit);
    size_t len = spi_buffer_len(&peer->received);
    const char *data = len > 0 ? spi_buffer_head(&peer->received) : "";
    const char *end = memchr(data, '\n', len);
    if (!end || end - data >= TEXT_MAX) {
        complain(
            script, "no line came, but %zu bytes: %.200s", len, spi_buffer_text(&peer->received));
        return false;
    }
    size_t line_len = (size_t)(end - data);
    memcpy(out, data, line_len);
    out[line_len] = '\0';
    if (line_len > 0 && out[line_len - 1] == '\r')
        out[line_len - 1] = '\0';
    spi_buffer_consume(&peer->received, line_len + 1);
    return true;
}

static void run_line(wire_script *script, int number, const char *rest)
{
    char line[TEXT_MAX], wanted[TEXT_MAX];
    spout_bytes text = unescape(rest, wanted);
    if (!take_line(script, peer_of(script, number), line))
        return;
    if (!spi_bytes_equal(text, line))
        complain(script, "the line is '%s'", line);
}

static void run_glob(wire_script *script, int number, const char *rest)
{
    char line[TEXT_MAX];
    if (take_line(script, peer_of(script, number), line) && fnmatch(rest, line, 0) != 0)
        complain(script, "the line is '%s'", line);
}

/* Status line and fields up to the blank line. */
static void run_head(wire_script *script, int number, const char *rest)
{
    char line[TEXT_MAX];
    kit_peer *peer = peer_of(script, number);
    spi_buffer_clear(&script->head);
    if (!take_line(script, peer, line))
        return;
    if (strncmp(line, "HTTP/1.1 ", 9) != 0 || strncmp(line + 9, rest, strlen(rest)) != 0) {
        complain(script, "the status line is '%s'", line);
        return;
    }
    while (take_line(script, peer, line) && *line)
        if (spi_buffer_append_format(&script->head, "%s\n", line) < 0)
            complain(script, "the head is too large");
}

/* The value of the last head's field, copied; NULL if it isn't there. */
static const char *field_of(wire_script *script, const char *name, char out[TEXT_MAX])
{
    size_t name_len = strlen(name);
    const char *at = spi_buffer_text(&script->head);
    for (const char *end; (end = strchr(at, '\n')); at = end + 1)
        if ((size_t)(end - at) > name_len && at[name_len] == ':' &&
            spi_equal_nocase(at, name_len, name, name_len)) {
            const char *value = at + name_len + 1 + (at[name_len + 1] == ' ');
            snprintf(out, TEXT_MAX, "%.*s", (int)(end - value), value);
            return out;
        }
    return NULL;
}

static void run_has(wire_script *script, int number, const char *rest)
{
    char name[TEXT_MAX], value[TEXT_MAX];
    (void)number;
    const char *colon = strchr(rest, ':');
    snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - rest) : (int)strlen(rest), rest);
    const char *found = field_of(script, name, value);
    if (!found)
        complain(script, "there is no %s in: %s", name, spi_buffer_text(&script->head));
    else if (colon && fnmatch(colon + 1 + (colon[1] == ' '), found, 0) != 0)
        complain(script, "%s is '%s'", name, found);
}

static void run_lacks(wire_script *script, int number, const char *rest)
{
    char value[TEXT_MAX];
    (void)number;
    if (field_of(script, rest, value))
        complain(script, "%s is '%s'", rest, value);
}

/* Takes exactly these bytes. */
static void expect_bytes(wire_script *script, int number, spout_bytes wanted, size_t count)
{
    kit_peer *peer = peer_of(script, number);
    kit_pump(&script->kit);
    for (size_t i = 0; i < count; i++) {
        size_t len = spi_buffer_len(&peer->received);
        if (len < wanted.len || (wanted.len && memcmp(spi_buffer_head(&peer->received), wanted.data,
                                                   wanted.len) != 0)) {
            complain(script, "after %zu repetitions %zu bytes came: %.200s", i, len,
                spi_buffer_text(&peer->received));
            return;
        }
        spi_buffer_consume(&peer->received, wanted.len);
    }
}

static void run_bytes(wire_script *script, int number, const char *rest)
{
    char out[TEXT_MAX];
    expect_bytes(script, number, unescape(rest, out), 1);
}

static void run_bytes_many(wire_script *script, int number, const char *rest)
{
    char out[TEXT_MAX];
    size_t count = repeat_of(&rest);
    expect_bytes(script, number, unescape(rest, out), count);
}

/* The body that the last head announces by its Content-Length. */
static void run_body(wire_script *script, int number, const char *rest)
{
    char out[TEXT_MAX], value[TEXT_MAX];
    spout_bytes wanted = unescape(rest, out);
    const char *length = field_of(script, "Content-Length", value);
    if (!length || (size_t)strtoull(length, NULL, 10) != wanted.len)
        complain(script, "Content-Length is '%s', not %zu", length ? length : "", wanted.len);
    else
        expect_bytes(script, number, wanted, 1);
}

/* One chunk with these bytes; an empty one is the last. */
static void run_chunk(wire_script *script, int number, const char *rest)
{
    char out[TEXT_MAX], framed[TEXT_MAX + 32];
    spout_bytes wanted = unescape(rest, out);
    int len = snprintf(framed, sizeof framed, "%zx\r\n", wanted.len);
    memcpy(framed + len, wanted.data, wanted.len);
    memcpy(framed + len + wanted.len, "\r\n", 2);
    expect_bytes(script, number, (spout_bytes){ framed, (size_t)len + wanted.len + 2 }, 1);
}

static void run_nothing(wire_script *script, int number, const char *rest)
{
    (void)rest;
    kit_peer *peer = peer_of(script, number);
    kit_pump(&script->kit);
    if (spi_buffer_len(&peer->received) > 0)
        complain(script, "this came: %.200s", spi_buffer_text(&peer->received));
    else if (peer->eof || peer->reset)
        complain(script, "the connection has ended");
}

static void run_eof(wire_script *script, int number, const char *rest)
{
    (void)rest;
    kit_peer *peer = peer_of(script, number);
    kit_pump(&script->kit);
    if (spi_buffer_len(&peer->received) > 0)
        complain(script, "this came: %.200s", spi_buffer_text(&peer->received));
    else if (!peer->eof)
        complain(script, "the connection is %s", peer->reset ? "reset" : "open");
}

/* The end, in whatever way, whatever was sent before. */
static void run_cut(wire_script *script, int number, const char *rest)
{
    (void)rest;
    kit_peer *peer = peer_of(script, number);
    kit_pump(&script->kit);
    spi_buffer_clear(&peer->received);
    if (!peer->eof && !peer->reset)
        complain(script, "the connection is open");
}

static void run_discard(wire_script *script, int number, const char *rest)
{
    (void)rest;
    kit_pump(&script->kit);
    spi_buffer_clear(&peer_of(script, number)->received);
}

static void run_half_close(wire_script *script, int number, const char *rest)
{
    (void)rest;
    peer_of(script, number)->half_close = true;
    kit_pump(&script->kit);
}

static void run_close(wire_script *script, int number, const char *rest)
{
    (void)rest;
    kit_close(peer_of(script, number));
    kit_pump(&script->kit);
}

static void run_hold(wire_script *script, int number, const char *rest)
{
    (void)rest;
    peer_of(script, number)->held = true;
}

static void run_read(wire_script *script, int number, const char *rest)
{
    (void)rest;
    peer_of(script, number)->held = false;
    kit_pump(&script->kit);
}

static void run_open(wire_script *script, int number, const char *rest)
{
    (void)rest;
    peer_of(script, number);
    kit_pump(&script->kit);
}

/* "10s" or "500ms". */
static void run_advance(wire_script *script, int number, const char *rest)
{
    (void)number;
    char *unit;
    int64_t ms = strtoll(rest, &unit, 10);
    kit_advance(&script->kit, strcmp(unit, "s") == 0 ? ms * 1000 : ms);
}

static void run_log(wire_script *script, int number, const char *rest)
{
    (void)number;
    char line[TEXT_MAX];
    kit_pump(&script->kit);
    const char *text = spi_buffer_text(&script->kit.log), *end = strchr(text, '\n');
    if (!end) {
        complain(script, "nothing was logged");
        return;
    }
    snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
    spi_buffer_consume(&script->kit.log, (size_t)(end - text) + 1);
    if (fnmatch(rest, line, 0) != 0)
        complain(script, "the log says '%s'", line);
}

static void run_count(wire_script *script, int number, const char *rest)
{
    (void)number;
    const test_service *service = &script->kit.service;
    const struct {
        const char *name;
        int value;
    } counts[] = {
        { "requests", service->requests },
        { "gone", service->gone },
        { "lost", service->lost },
        { "running", service->running },
        { "shutdowns", service->shutdowns },
        { "errors", service->errors },
        { "connections", (int)spout_http_server_connections(script->kit.server) },
    };
    char name[32];
    int wanted;
    kit_pump(&script->kit);
    if (sscanf(rest, "%31s %d", name, &wanted) != 2)
        complain(script, "a count has a name and a number");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (strcmp(counts[i].name, name) == 0 && counts[i].value != wanted)
            complain(script, "%s is %d", name, counts[i].value);
}

static void run_error(wire_script *script, int number, const char *rest)
{
    (void)number;
    kit_pump(&script->kit);
    if (fnmatch(rest, script->kit.service.last_error, 0) != 0)
        complain(script, "the last error is '%s'", script->kit.service.last_error);
}

static int drain(void *arg)
{
    wire_script *script = arg;
    int result = spout_http_server_drain(script->kit.server);
    script->drained = true;
    return result;
}

static void run_drain(wire_script *script, int number, const char *rest)
{
    (void)number;
    (void)rest;
    script->draining = true;
    if (spout_spawn(drain, script, NULL) < 0)
        complain(script, "no coroutine for the drain");
    kit_pump(&script->kit);
}

static void run_drained(wire_script *script, int number, const char *rest)
{
    (void)number;
    kit_pump(&script->kit);
    if (script->drained == (strcmp(rest, "not") == 0))
        complain(script, "it is %s", script->drained ? "drained" : "not drained");
}

/* server NAME=VALUE …: before the first connection. */
static void run_server(wire_script *script, int number, const char *rest)
{
    (void)number;
    spout_http_server_options *options = &script->kit.options;
    const struct {
        const char *name;
        int64_t *value;
    } names[] = {
        { "max_line_size", &options->max_line_size },
        { "max_header_size", &options->max_header_size },
        { "max_header_count", &options->max_header_count },
        { "max_body_size", &options->max_body_size },
        { "header_timeout_ms", &options->header_timeout_ms },
        { "body_timeout_ms", &options->body_timeout_ms },
        { "idle_timeout_ms", &options->idle_timeout_ms },
        { "write_timeout_ms", &options->write_timeout_ms },
        { "drain_timeout_ms", &options->drain_timeout_ms },
        { "max_connections", &options->max_connections },
        { "request_timeout_ms", &options->request_timeout_ms },
        { "chunk_size", &options->chunk_size },
        { "min_body_rate", &options->min_body_rate },
        { "min_write_rate", &options->min_write_rate },
    };
    char name[32];
    long long value;
    int used;
    for (; sscanf(rest, " %31[a-z_]=%lld%n", name, &value, &used) == 2; rest += used)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcmp(names[i].name, name) == 0)
                *names[i].value = value;
    static const char *const proxies[] = { "192.0.2.0/24", "10.0.0.0/8", NULL };
    static const char *const others[] = { "10.0.0.0/8", NULL };
    options->decompress_request = strstr(rest, "decompress_request") != NULL;
    options->forwarded = strstr(rest, "forwarded") != NULL;
    options->xheaders = strstr(rest, "xheaders") != NULL;
    if (strstr(rest, "trusts_us"))
        options->trusted_downstream = proxies;
    else if (strstr(rest, "trusts_others"))
        options->trusted_downstream = others;
    if (strstr(rest, "as_https"))
        options->protocol = "https";
    options->no_keep_alive = strstr(rest, "no_keep_alive") != NULL;
    script->kit.service.own_errors = strstr(rest, "own_errors") != NULL;
}

static const command commands[] = {
    { ">", run_send },
    { ">*", run_send_many },
    { ">.", run_send_slowly },
    { "<", run_line },
    { "<~", run_glob },
    { "<head", run_head },
    { "<has", run_has },
    { "<lacks", run_lacks },
    { "<bytes", run_bytes },
    { "<bytes*", run_bytes_many },
    { "<body", run_body },
    { "<chunk", run_chunk },
    { "<nothing", run_nothing },
    { "<eof", run_eof },
    { "<cut", run_cut },
    { "<log", run_log },
    { "<count", run_count },
    { "<error", run_error },
    { "<drained", run_drained },
    { "discard", run_discard },
    { "half-close", run_half_close },
    { "close", run_close },
    { "hold", run_hold },
    { "read", run_read },
    { "open", run_open },
    { "advance", run_advance },
    { "drain", run_drain },
    { "server", run_server },
};

static void run_line_of_script(wire_script *script, const char *line)
{
    int number = 0, used = 0;
    if (sscanf(line, "@%d %n", &number, &used) == 1 && used > 0)
        line += used;
    size_t word_len = strcspn(line, " ");
    const char *rest = line + word_len + (line[word_len] == ' ');
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strlen(commands[i].word) == word_len &&
            strncmp(commands[i].word, line, word_len) == 0) {
            if (number < 0 || number >= KIT_PEERS)
                complain(script, "there are %d connections at most", KIT_PEERS);
            else
                commands[i].run(script, number, rest);
            return;
        }
    complain(script, "what is '%s'?", line);
}

static void check_end(wire_script *script)
{
    kit_pump(&script->kit);
    if (spi_buffer_len(&script->kit.log) > 0)
        complain(script, "the log says more: %s", spi_buffer_text(&script->kit.log));
    for (int i = 0; i < KIT_PEERS; i++) {
        spi_buffer *received = &script->kit.peers[i].received;
        if (received->max && spi_buffer_len(received) > 0)
            complain(script, "connection %d has more: %.200s", i, spi_buffer_text(received));
    }
}

static void run_lines(wire_script *script)
{
    for (script->at = 0; script->at < script->line_count && !script->failed; script->at++) {
        const char *line = script->lines[script->at];
        if (*line && *line != '#')
            run_line_of_script(script, line);
    }
    check_end(script);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 256 * 1024);
    if (!file || !text || fread(text, 1, 256 * 1024 - 1, file) == 0) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static void split_lines(wire_script *script, char *text)
{
    char *state, *line = text;
    for (state = text; line && script->line_count < LINES_MAX; line = state) {
        state = strchr(line, '\n');
        if (state)
            *state++ = '\0';
        script->lines[script->line_count++] = line;
    }
}

/* Who still sleeps is woken, so that nothing is left when the loop goes. */
static void wake_all(wire_script *script)
{
    spi_wake_all(&script->kit.service.sleepers);
    spi_wake_all(&script->kit.service.gone_waiters);
    kit_pump(&script->kit);
}

bool script_run(const char *path, char *complaint, size_t size)
{
    char *text = read_file(path);
    wire_script *script = calloc(1, sizeof *script);
    if (!text || !script) {
        snprintf(complaint, size, "can't be read");
        free(text);
        free(script);
        return false;
    }
    script->complaint = complaint;
    script->complaint_size = size;
    kit_start(&script->kit);
    spi_buffer_init(&script->head, 1 << 20);
    split_lines(script, text);
    run_lines(script);
    wake_all(script);
    kit_stop(&script->kit);
    bool good = !script->failed;
    spi_buffer_release(&script->head);
    free(script);
    free(text);
    return good;
}
