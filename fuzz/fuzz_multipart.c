/* A form: its Content-Type up to the first LF, then the body; as a whole, and cut into pieces. */
#include "fuzz.h"

#include <spout/error.h>
#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/multipart.h"

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

/* Of parts that come in pieces: what has to be the same as of the whole. */
typedef struct sums {
    size_t parts, bytes;
    uint32_t hash;
} sums;

static void add_bytes(sums *s, spout_bytes bytes)
{
    s->bytes += bytes.len;
    for (size_t i = 0; i < bytes.len; i++)
        s->hash = s->hash * 16777619u ^ (unsigned char)bytes.data[i];
}

/* Fields and files are told apart in the whole, so that their order counts only among their like. */
typedef struct listener {
    sums of[2];
    int kind;
    bool in_part;
} listener;

static spi_multipart_event hear(listener *l, spi_multipart_event event, spout_bytes data)
{
    spi_part_head part;
    if (event == SPI_MULTIPART_DATA)
        add_bytes(&l->of[l->kind], data);
    l->in_part = event == SPI_MULTIPART_DONE ? false : l->in_part;
    if (event != SPI_MULTIPART_HEAD)
        return event;
    if (spi_part_head_parse(data, &part) < 0)
        return SPI_MULTIPART_BAD;
    l->kind = part.filename && *part.filename;
    l->in_part = true;
    l->of[l->kind].parts++;
    add_bytes(&l->of[l->kind], part.name);
    return event;
}

static int read_in_pieces(const char *type, spout_bytes body, size_t size, listener *l)
{
    spout_multipart_options options = { .max_parts = MAX_PARTS, .max_part_header = 300 };
    spi_multipart multipart;
    int result = spi_multipart_init(&multipart, type, &options);
    spi_multipart_event event = SPI_MULTIPART_MORE;
    for (size_t at = 0; result == 0 && at < body.len && event != SPI_MULTIPART_END;) {
        size_t limit = body.len - at < size ? body.len : at + size, used;
        spout_bytes data = { "", 0 };
        event = spi_multipart_feed(&multipart, body.data + at, limit - at, &used, &data);
        at += used;
        MUST(at <= limit && (event != SPI_MULTIPART_MORE || at == limit));
        event = hear(l, event, data);
        if (event == SPI_MULTIPART_BAD)
            result = SPOUT_EPROTO;
    }
    if (result == 0 && event != SPI_MULTIPART_END)
        result = spi_multipart_end_input(&multipart);
    spi_multipart_finish(&multipart);
    return result;
}

static void compare(const char *type, spout_bytes body, int expected, const spout_multipart *form)
{
    sums whole[2] = { { 0 }, { 0 } };
    for (size_t i = 0; expected == 0 && i < form->pair_count; i++) {
        add_bytes(&whole[0], form->pairs[i].name);
        add_bytes(&whole[0], form->pairs[i].value);
    }
    for (size_t i = 0; expected == 0 && i < form->file_count; i++) {
        add_bytes(&whole[1], form->files[i].name);
        add_bytes(&whole[1], form->files[i].body);
    }
    static const size_t sizes[] = { 1, 2, 3, 7, 64, SIZE_MAX / 2 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        listener l = { .kind = 0 };
        MUST(read_in_pieces(type, body, sizes[i], &l) == expected);
        if (expected < 0)
            continue;
        MUST(l.of[0].parts == form->pair_count && l.of[1].parts == form->file_count);
        for (int kind = 0; kind < 2; kind++)
            MUST(l.of[kind].bytes == whole[kind].bytes && l.of[kind].hash == whole[kind].hash);
    }
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
    compare(type, body, result, &form);
    spout_scope_pop(scope);
    return 0;
}
