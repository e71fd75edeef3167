#include "http/multipart.h"

#include <spout/error.h>
#include <spout/memory.h>

typedef struct form_builder {
    spout_multipart form;
    size_t pair_room, file_room;
    spi_part_head part; /* the one whose content comes */
    spout_bytes content;
    bool in_part;
} form_builder;

/* Room for one more element: the old array is left to the scope. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 8;
    void *larger = spout_scope_alloc(*room * size);
    if (count)
        memcpy(larger, array, count * size);
    return larger;
}

static void add_part(form_builder *b)
{
    spout_multipart *form = &b->form;
    const spi_part_head *part = &b->part;
    b->in_part = false;
    if (part->filename && *part->filename) {
        form->files = grow(form->files, form->file_count, &b->file_room, sizeof *form->files);
        form->files[form->file_count++] = (spout_file){
            .name = part->name,
            .filename = part->filename,
            .content_type = part->content_type,
            .body = b->content,
        };
    } else {
        form->pairs = grow(form->pairs, form->pair_count, &b->pair_room, sizeof *form->pairs);
        form->pairs[form->pair_count++] = (spout_pair){ part->name, b->content };
    }
}

/* Data come as views that follow one another: what they say together is one view. */
static int build(form_builder *b, spi_multipart *multipart, spout_bytes body)
{
    for (;;) {
        size_t used;
        spout_bytes data;
        spi_multipart_event event = spi_multipart_feed(
            multipart, body.data, body.len, &used, &data);
        body = (spout_bytes){ body.data + used, body.len - used };
        switch (event) {
        case SPI_MULTIPART_HEAD:
            if (spi_part_head_parse(data, &b->part) < 0)
                return SPOUT_EPROTO;
            b->content = (spout_bytes){ body.data, 0 };
            b->in_part = true;
            break;
        case SPI_MULTIPART_DATA: b->content.len += data.len; break;
        case SPI_MULTIPART_DONE: add_part(b); break;
        case SPI_MULTIPART_BAD: return SPOUT_EPROTO;
        case SPI_MULTIPART_END: return 0;
        case SPI_MULTIPART_MORE: return spi_multipart_end_input(multipart);
        }
    }
}

int spout_parse_multipart(const char *content_type, spout_bytes body,
    const spout_multipart_options *options, spout_multipart *ret_form)
{
    spi_multipart multipart;
    form_builder b = { .in_part = false };
    int result = spi_multipart_init(&multipart, content_type, options);
    if (result == 0)
        result = build(&b, &multipart, body.data ? body : (spout_bytes){ "", 0 });
    spi_multipart_finish(&multipart);
    if (result < 0)
        return result;
    if (b.in_part)
        add_part(&b);
    *ret_form = b.form;
    return 0;
}
