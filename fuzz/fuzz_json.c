/* JSON texts: what Jansson reads alone must be read the same, names with a NUL come on top, and what
   was read survives being written. */
#include "fuzz.h"

#include <spout/escape.h>
#include <spout/memory.h>

#include "base/memory.h"
#include "http/json.h"

/* By their texts: json_equal doesn't find names with a NUL. */
static void check_value(const json_t *value)
{
    size_t len, len_again;
    char *text = spi_json_dump(value, &len);
    MUST(text && spi_json_text_is_shallow(text, len));
    json_t *again = spout_json_parse((spout_bytes){ text, len });
    char *text_again = spi_json_dump(again, &len_again);
    MUST(text_again && len_again == len && memcmp(text, text_again, len) == 0);
    json_decref(again);
    spi_free(text_again);
    spi_free(text);
    const char *script = spout_json_encode(value);
    MUST(script && !strstr(script, "</") && !strstr(script, "<!--"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spout_scope *scope = spout_scope_push();
    const char *text = (const char *)data;
    json_t *value = spout_json_parse((spout_bytes){ text, size });
    bool plain = !memchr(text, 0, size) && spi_json_text_is_shallow(text, size);
    json_error_t error;
    json_t *alone = plain ? json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error) : NULL;
    if (alone)
        MUST(value && json_equal(value, alone));
    else if (value)
        MUST(plain && json_error_code(&error) == json_error_null_byte_in_key);
    if (value)
        check_value(value);
    json_decref(alone);
    json_decref(value);
    spout_scope_pop(scope);
    return 0;
}
