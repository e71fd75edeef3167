/* A whole form that streams: fields as arguments, files into a folder or to a function. */
#include "web/multipart.h"

#include "web/arguments.h"

enum { MAX_FIELD = 256 * 1024, MAX_FIELDS = 1024 * 1024 };

typedef struct form_reader {
    const spout_form_options *options;
    spi_pairs *fields;
    size_t room;
    size_t max_field, max_fields; /* of which `left` may still come */
    size_t left;
} form_reader;

static int check(const spout_form_options *options)
{
    if (options->max_field_size < 0 || options->max_fields_size < 0 || options->max_file_size < 0)
        return spout_error_set(SPOUT_EINVAL, "a limit of a form is negative");
    if (options->folder && options->on_file)
        return spout_error_set(SPOUT_EINVAL, "a form's files go to .folder or to .on_file");
    return 0;
}

static int fail_too_large(spout_request *r, const form_reader *reader)
{
    return spi_form_fail(spi_request_form(r), 413,
        "the fields of the form are larger than %zu bytes", reader->max_fields);
}

static void add_field(spout_request *r, form_reader *reader, spout_bytes name, spout_bytes value)
{
    spi_pairs *fields = reader->fields;
    if (fields->count == reader->room) {
        reader->room = reader->room ? 2 * reader->room : 8;
        spout_pair *larger = spi_arena_alloc(spi_request_arena(r), reader->room * sizeof *larger);
        if (fields->count)
            memcpy(larger, fields->pairs, fields->count * sizeof *larger);
        fields->pairs = larger;
    }
    fields->pairs[fields->count++] = (spout_pair){ name, value };
}

static int take_field(spout_request *r, form_reader *reader, const spout_part *part)
{
    size_t name_len = strlen(part->name);
    if (name_len > reader->left)
        return fail_too_large(r, reader);
    spout_bytes name = { spi_arena_memdup(spi_request_arena(r), part->name, name_len), name_len };
    reader->left -= name_len;
    spout_bytes value;
    bool field_decides = reader->max_field <= reader->left;
    int result = spout_part_read_all(r, field_decides ? reader->max_field : reader->left, &value);
    if (result < 0)
        return result;
    reader->left -= value.len;
    add_field(r, reader, name, value);
    return 0;
}

static int take_file(spout_request *r, const form_reader *reader, const spout_part *part)
{
    const spout_form_options *options = reader->options;
    const spout_upload *ignored;
    if (options->folder)
        return spout_part_save(r, options->folder, options->max_file_size, &ignored);
    if (!options->on_file)
        return 0;
    int result = options->on_file(r, part);
    return result <= 0 ? result
                       : spout_error_set(SPOUT_EFAILED,
                             "on_file returned %d: it returns 0 or a negative code", result);
}

static int read_multipart(spout_request *r, form_reader *reader)
{
    spout_part part;
    int result = spout_multipart_start(r, &reader->options->multipart);
    if (result < 0)
        return result;
    while ((result = spout_multipart_next(r, &part)) > 0) {
        result = part.filename && *part.filename ? take_file(r, reader, &part)
                                                 : take_field(r, reader, &part);
        if (result < 0)
            return result;
    }
    return result;
}

static int read_urlencoded(spout_request *r, const form_reader *reader)
{
    spi_form *form = spi_request_form(r);
    spi_buffer_clear(&form->gathered);
    spout_bytes piece;
    int result;
    while ((result = spout_read_body(r, &piece)) > 0) {
        if (spi_buffer_len(&form->gathered) + piece.len > reader->max_fields)
            return fail_too_large(r, reader);
        if (spi_buffer_append(&form->gathered, piece.data, piece.len) < 0)
            return SPOUT_ELIMIT;
    }
    return result < 0
               ? result
               : spi_arguments_take_urlencoded(r, (spout_bytes){ spi_buffer_text(&form->gathered),
                                                      spi_buffer_len(&form->gathered) });
}

int spout_read_form(spout_request *r, const spout_form_options *options)
{
    static const spout_form_options defaults;
    if (!options)
        options = &defaults;
    form_reader reader = {
        .options = options,
        .fields = &spi_request_input(r)->body,
        .max_field = options->max_field_size ? (size_t)options->max_field_size : MAX_FIELD,
        .max_fields = options->max_fields_size ? (size_t)options->max_fields_size : MAX_FIELDS,
    };
    reader.left = reader.max_fields;
    int result = check(options);
    if (result < 0)
        return result;
    reader.fields->parsed = true;
    if (spi_form_type(r, "application/x-www-form-urlencoded") &&
        r->exchange->body_mode == SPI_BODY_STREAM)
        return read_urlencoded(r, &reader);
    return read_multipart(r, &reader);
}
