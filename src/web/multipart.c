/* The parts of a form, as they come. */
#include "web/multipart.h"

#include "base/context.h"
#include "base/text.h"
#include "web/arguments.h"

#include <stdarg.h>
#include <unistd.h>

static void remove_uploads(spi_form *form)
{
    for (spi_upload *upload = form->first; upload; upload = upload->next)
        if (!upload->moved)
            (void)unlink(upload->shown.path); /* gone already, or nobody's to mend */
}

static void on_reset(void *arg)
{
    spi_form *form = arg;
    if (form->fd >= 0)
        close(form->fd);
    remove_uploads(form);
    spi_multipart_finish(&form->machine);
    spi_buffer_release(&form->gathered);
    spi_arena_pool_give(form->pool, form->texts);
}

spi_form *spi_request_form(spout_request *r)
{
    spi_input *input = spi_request_input(r);
    if (input->form)
        return input->form;
    spi_form *form = spi_arena_calloc(spi_request_arena(r), sizeof *form);
    form->fd = -1;
    form->pool = spi_loop_arenas(r->exchange->loop);
    form->texts = spi_arena_pool_take(form->pool);
    spi_buffer_init(&form->gathered, SIZE_MAX / 4);
    spi_arena_on_reset(spi_request_arena(r), on_reset, form);
    input->form = form;
    return form;
}

int spi_form_fail(spi_form *form, int status, const char *format, ...)
{
    char words[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
    form->failed = true;
    form->in_part = false;
    return spout_error_set_status(status, "%s", words);
}

static int fail_malformed(spi_form *form)
{
    return spi_form_fail(form, 400, "Invalid body: %s", spout_error_message());
}

/* What the caller leaves open is the application's to say. */
static spout_multipart_options limits_of(
    const spout_request *r, const spout_multipart_options *options)
{
    const spout_multipart_options *usual = r->application->options.multipart;
    spout_multipart_options limits = options ? *options : (spout_multipart_options){ 0 };
    if (!usual)
        return limits;
    limits.max_parts = limits.max_parts ? limits.max_parts : usual->max_parts;
    if (!limits.max_part_header)
        limits.max_part_header = usual->max_part_header;
    limits.disabled = limits.disabled || usual->disabled;
    return limits;
}

static int begin(spout_request *r, spi_form *form, const spout_multipart_options *options)
{
    if (r->exchange->body_mode != SPI_BODY_STREAM)
        return spout_error_set(SPOUT_ESTATE, "forms stream only in handlers with .stream_body");
    const char *type = spi_form_type(r, "multipart/form-data");
    if (!type)
        return spi_form_fail(form, 415, "the body is no multipart/form-data");
    if (spout_header_bytes(r, "Content-Encoding").data)
        return spi_form_fail(form, 415, "Invalid body: a form with a Content-Encoding");
    const spout_multipart_options limits = limits_of(r, options);
    spi_scope_guard guard = spi_request_scope_enter(r);
    int result = spi_multipart_init(&form->machine, type, &limits);
    spi_scope_leave(guard);
    if (result < 0)
        return fail_malformed(form);
    form->begun = true;
    return 0;
}

int spout_multipart_start(spout_request *r, const spout_multipart_options *options)
{
    spi_form *form = spi_request_form(r);
    if (form->begun)
        return spout_error_set(SPOUT_ESTATE, "the form is being read already");
    return begin(r, form, options);
}

static int fail_again(void)
{
    return spout_error_set_status(400, "the form is unusable");
}

/* The body has ended, which may be the end of the last part. */
static int end_input(spi_form *form, spi_multipart_event *ret_event)
{
    if (spi_multipart_end_input(&form->machine) < 0)
        return fail_malformed(form);
    form->ended = true;
    *ret_event = form->in_part ? SPI_MULTIPART_DONE : SPI_MULTIPART_END;
    return 0;
}

/* Behind the last boundary: the end of the body, and whether it is sound up to there. */
static int pass_rest(spout_request *r, spi_form *form)
{
    int result;
    spout_bytes ignored;
    while ((result = spout_read_body(r, &ignored)) > 0)
        ;
    form->ended = result == 0;
    return result;
}

/* 0 with the next event, which is none of MORE and BAD. */
static int next_event(
    spout_request *r, spi_form *form, spi_multipart_event *ret_event, spout_bytes *ret_data)
{
    for (;;) {
        if (form->failed)
            return fail_again();
        if (form->input.len == 0) {
            int result = spout_read_body(r, &form->input);
            if (result == 0)
                return end_input(form, ret_event);
            if (result < 0)
                return result;
        }
        size_t used;
        spi_multipart_event event = spi_multipart_feed(
            &form->machine, form->input.data, form->input.len, &used, ret_data);
        form->input = (spout_bytes){ form->input.data + used, form->input.len - used };
        if (event == SPI_MULTIPART_BAD)
            return fail_malformed(form);
        if (event != SPI_MULTIPART_MORE) {
            *ret_event = event;
            return 0;
        }
    }
}

static int take_head(spi_form *form, spout_bytes lines)
{
    spi_arena_reset(form->texts);
    spi_context *context = spi_context_current();
    spi_scope_guard guard = { context, context->scope };
    context->scope = form->texts;
    spi_part_head head;
    int result = spi_part_head_parse(lines, &head);
    spi_scope_leave(guard);
    if (result < 0)
        return fail_malformed(form);
    form->part = (spout_part){
        .name = spi_text_of(form->texts, head.name),
        .filename = head.filename,
        .content_type = head.content_type,
    };
    form->in_part = true;
    return 1;
}

static int next_part(spout_request *r, spi_form *form)
{
    while (!form->ended) {
        spi_multipart_event event;
        spout_bytes data;
        int result = next_event(r, form, &event, &data);
        if (result < 0)
            return result;
        if (event == SPI_MULTIPART_HEAD)
            return take_head(form, data);
        if (event == SPI_MULTIPART_END && !form->ended)
            return pass_rest(r, form);
    }
    return 0;
}

int spout_multipart_next(spout_request *r, spout_part *ret_part)
{
    spi_form *form = spi_request_form(r);
    int result = form->failed ? fail_again() : form->begun ? 0 : begin(r, form, NULL);
    if (result < 0)
        return result;
    form->in_part = false;
    form->part = (spout_part){ 0 };
    result = next_part(r, form);
    if (result > 0)
        *ret_part = form->part;
    return result;
}

int spout_part_read(spout_request *r, spout_bytes *ret_piece)
{
    spi_form *form = spi_request_form(r);
    if (form->failed)
        return fail_again();
    if (!form->begun)
        return spout_error_set(SPOUT_ESTATE, "there is no part to read yet");
    if (!form->in_part)
        return 0;
    spi_multipart_event event;
    int result = next_event(r, form, &event, ret_piece);
    if (result < 0)
        return result;
    form->in_part = event == SPI_MULTIPART_DATA;
    return form->in_part;
}

int spi_form_gather(spout_request *r, spi_form *form, size_t enough)
{
    while (spi_buffer_len(&form->gathered) < enough) {
        spout_bytes piece;
        int result = spout_part_read(r, &piece);
        if (result <= 0)
            return result;
        if (spi_buffer_append(&form->gathered, piece.data, piece.len) < 0)
            return SPOUT_ELIMIT;
    }
    return 1;
}

int spout_part_read_all(spout_request *r, size_t max, spout_bytes *ret_content)
{
    spi_form *form = spi_request_form(r);
    spi_buffer_clear(&form->gathered);
    int result = spi_form_gather(r, form, max < SIZE_MAX ? max + 1 : max);
    if (result < 0)
        return result;
    size_t len = spi_buffer_len(&form->gathered);
    if (len > max)
        return spi_form_fail(form, 413, "a part of the form is larger than %zu bytes", max);
    const char *data = len > 0 ? spi_buffer_head(&form->gathered) : "";
    *ret_content = (spout_bytes){ spi_arena_memdup(spi_request_arena(r), data, len), len };
    return 0;
}
