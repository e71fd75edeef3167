/* A form: its Content-Type up to the first LF, then the body. */
#include "fuzz.h"

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"

enum { MAX_PARTS = 20 };

static void check_form(const spout_multipart *form, spout_bytes body)
{
    size_t total = 0;
    MUST(form->pair_count + form->file_count <= MAX_PARTS);
    for (size_t i = 0; i < form->pair_count; i++) {
        MUST(form->pairs[i].name.len > 0);
        total += form->pairs[i].value.len;
    }
    for (size_t i = 0; i < form->file_count; i++) {
        const spout_file *file = &form->files[i];
        MUST(file->name.len > 0 && *file->filename);
        MUST(spi_is_utf8(file->filename, strlen(file->filename)));
        MUST(spi_is_utf8(file->content_type, strlen(file->content_type)));
        MUST(file->body.data >= body.data && file->body.len <= body.len);
        total += file->body.len;
    }
    MUST(total <= body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = size ? memchr(data, '\n', size) : NULL;
    if (!lf)
        return 0;
    size_t type_len = (size_t)(lf - data);
    spout_scope *scope = spout_scope_push();
    char *type = spout_scope_bytes((spout_bytes){ (const char *)data, type_len });
    spout_bytes body = { (const char *)lf + 1, size - type_len - 1 };
    spout_multipart_options options = { .max_parts = MAX_PARTS, .max_part_header = 300 };
    spout_multipart form;
    int result = spout_parse_multipart(type, body, &options, &form);
    MUST(result == 0 || result == SPOUT_EPROTO);
    if (result == 0)
        check_form(&form, body);
    spout_scope_pop(scope);
    return 0;
}
