/* Cookie fields. No value may become a cookie of another name: there are never more than pieces
   between semicolons. */
#include "fuzz.h"

#include <spout/httputil.h>
#include <spout/memory.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    char *header = spout_scope_bytes((spout_bytes){ (const char *)data, size });
    long pieces = 1;
    for (const char *at = header; *at; at++)
        pieces += *at == ';';
    spout_pair *pairs = NULL;
    long count = spout_parse_cookies(header, &pairs);
    MUST(count >= 0 && count <= pieces);
    size_t total = 0;
    for (long i = 0; i < count; i++) {
        MUST(pairs[i].name.len + pairs[i].value.len > 0 || strchr(header, '"'));
        MUST(!memchr(pairs[i].name.data, '=', pairs[i].name.len));
        digest d = { 0 };
        digest_text(&d, pairs[i].value.data, pairs[i].value.len);
        total += pairs[i].name.len + pairs[i].value.len;
    }
    MUST(total <= size);
    spout_scope_pop(scope);
    return 0;
}
