/* Query strings: raw bytes. */
#include "fuzz.h"

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

enum { MAX_PAIRS = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    spout_pair *pairs = NULL;
    long count = spout_parse_query((spout_bytes){ (const char *)data, size }, MAX_PAIRS, &pairs);
    MUST(count == SPOUT_ELIMIT || (count >= 0 && count <= MAX_PAIRS));
    size_t total = 0;
    for (long i = 0; i < count; i++) {
        digest d = { 0 };
        digest_text(&d, pairs[i].name.data, pairs[i].name.len);
        digest_text(&d, pairs[i].value.data, pairs[i].value.len);
        total += pairs[i].name.len + pairs[i].value.len;
    }
    MUST(total <= size);
    spout_scope_pop(scope);
    return 0;
}
