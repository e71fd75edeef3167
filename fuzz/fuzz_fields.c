/* Small field values: ranges, entity tags, dates, hosts, escapes, where a redirect leads. */
#include "fuzz.h"

#include <spout/error.h>
#include <spout/escape.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "http/client_url.h"
#include "http/host.h"

static void try_ranges(const char *text)
{
    spout_range ranges[8];
    for (int64_t size = 0; size < 200; size += 33) {
        int count = spout_parse_range(text, size, ranges, 8);
        MUST(count == SPOUT_ELIMIT || count == SPOUT_ENOTFOUND || (count >= 0 && count <= 8));
        for (int i = 0; i < count; i++)
            MUST(ranges[i].start >= 0 && ranges[i].start < ranges[i].end && ranges[i].end <= size);
    }
}

static void try_date(const char *text)
{
    int64_t seconds, again;
    char out[30];
    if (spout_parse_timestamp(text, &seconds) < 0)
        return;
    MUST(spout_parse_timestamp(spout_format_timestamp(seconds, out), &again) == 0);
    MUST(again == seconds);
}

static void try_host(const char *text)
{
    const char *host, *name;
    int port;
    spi_arena *arena = spi_arena_new(0);
    if (spi_host_parse(arena, text, strlen(text), &host))
        MUST(!strpbrk(host, " ,@/\\?#\t\r\n") && strlen(host) == strlen(text));
    spi_arena_free(arena);
    if (spout_split_host_and_port(text, &name, &port) == 0)
        MUST(port >= -1 && port <= 65535 && strlen(name) <= strlen(text));
}

/* What is sent to another server must be one request line, and come apart the same again. */
static void try_location(const char *text)
{
    spi_client_url base, url, again;
    spi_arena *arena = spi_arena_new(0);
    MUST(spi_client_url_parse(arena, "wss://user@example.org:444/a/b?c", &base) == 0);
    if (spi_client_url_resolve(arena, &base, text, &url) == 0) {
        MUST(url.target[0] == '/' && !strpbrk(url.target, " \t\r\n#\\"));
        MUST(url.port > 0 && url.port <= 65535 && url.host[0] && !strpbrk(url.host, "/?#@ \r\n"));
        const char *whole = spi_arena_format(
            arena, "%s://%s%s", url.secure ? "wss" : "ws", url.authority, url.target);
        MUST(spi_client_url_parse(arena, whole, &again) == 0);
        MUST(spi_client_url_is_same_origin(&url, &again));
        MUST(strcmp(url.target, again.target) == 0);
    }
    spi_arena_free(arena);
}

static void try_escapes(const char *text)
{
    const char *plain = spout_url_unescape(text, true);
    if (plain) {
        MUST(strcmp(spout_url_unescape(spout_url_escape(plain, true), true), plain) == 0);
        MUST(strcmp(spout_url_unescape(spout_url_escape(plain, false), false), plain) == 0);
    }
    MUST(!strpbrk(spout_xhtml_escape(text), "<>\"'"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    const char *text = spout_scope_bytes((spout_bytes){ (const char *)data, size });
    try_ranges(text);
    try_date(text);
    try_host(text);
    try_location(text);
    try_escapes(text);
    spout_etag_matches(text, "\"a\"");
    MUST(spout_etag_matches("*", text));
    spout_scope_pop(scope);
    return 0;
}
