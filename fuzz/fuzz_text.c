/* Texts of users on their way into a page: links, entities, white space, bytes that are no UTF-8. */
#include "fuzz.h"

#include <spout/escape.h>
#include <spout/httputil.h>
#include <spout/memory.h>

static void try_links(const char *text)
{
    const spout_linkify_options kinds[] = { { .shorten = false },
        { .shorten = true, .require_protocol = true } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *page = spout_linkify(text, &kinds[i]);
        MUST(page && !strstr(page, "<script") && !strstr(page, "<a href=\"javascript:"));
        for (const char *at = page; (at = strchr(at, '<')) != NULL; at++)
            MUST(strncmp(at, "<a href=\"", 9) == 0 || strncmp(at, "</a>", 4) == 0);
    }
}

static void try_entities(const char *text)
{
    MUST(strcmp(spout_xhtml_unescape(spout_xhtml_escape(text)), text) == 0);
    const char *plain = spout_xhtml_unescape(text);
    MUST(spout_is_utf8(spout_bytes_of(plain)));
}

static void try_space(const char *text)
{
    const char *squeezed = spout_squeeze(text);
    MUST(strlen(squeezed) <= strlen(text) && !strstr(squeezed, "  "));
    MUST(strcmp(spout_squeeze(squeezed), squeezed) == 0);
}

static void try_url(const char *text)
{
    const spout_pair more = { { "a&b", 3 }, { "c d", 3 } };
    const char *url = spout_url_concat(text, &more, 1);
    MUST(url && strstr(url, "a%26b=c+d"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    const char *text = spout_utf8_or_replacement((spout_bytes){ (const char *)data, size });
    MUST(spout_is_utf8(spout_bytes_of(text)));
    if (!memchr(data, 0, size) && spout_is_utf8((spout_bytes){ (const char *)data, size }))
        MUST(strlen(text) == size && memcmp(text, data, size) == 0);
    try_links(text);
    try_entities(text);
    try_space(text);
    try_url(text);
    spout_scope_pop(scope);
    return 0;
}
