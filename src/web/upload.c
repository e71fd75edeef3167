/* Files of a form, written to a folder while they come. */
#define _GNU_SOURCE
#include "web/multipart.h"

#include "web/arguments.h"

#include <spout/executor.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITE_SIZE = 128 * 1024 }; /* gathered before another thread is troubled with it */

static int create_file(void *arg)
{
    spi_form *form = arg;
    form->fd = mkostemp(form->last->path, O_CLOEXEC);
    if (form->fd >= 0)
        return 0;
    form->last->moved = true; /* there is none to remove */
    return spout_error_set_errno(errno, "no file can be made for an upload");
}

static int write_gathered(void *arg)
{
    spi_form *form = arg;
    const char *at = spi_buffer_head(&form->gathered);
    size_t left = spi_buffer_len(&form->gathered);
    while (left > 0) {
        ssize_t written = write(form->fd, at, left);
        if (written < 0 && errno != EINTR)
            return spout_error_set_errno(errno, "an upload can't be written");
        if (written > 0) {
            at += written;
            left -= (size_t)written;
        }
    }
    return 0;
}

static int close_file(void *arg)
{
    spi_form *form = arg;
    int result = close(form->fd);
    form->fd = -1;
    return result < 0 ? spout_error_set_errno(errno, "an upload can't be written") : 0;
}

static int write_part(spout_request *r, spi_form *form, int64_t max_size)
{
    int more;
    do {
        spi_buffer_clear(&form->gathered);
        more = spi_form_gather(r, form, WRITE_SIZE);
        if (more < 0)
            return more;
        form->last->shown.size += (int64_t)spi_buffer_len(&form->gathered);
        if (max_size > 0 && form->last->shown.size > max_size)
            return spi_form_fail(
                form, 413, "a file is larger than %lld bytes", (long long)max_size);
        int result = spi_buffer_len(&form->gathered) > 0
                         ? spout_run_in_executor(write_gathered, form)
                         : 0;
        if (result < 0)
            return result;
    } while (more > 0);
    return spout_run_in_executor(close_file, form);
}

static spi_upload *add_upload(spout_request *r, spi_form *form, const char *folder)
{
    spi_arena *arena = spi_request_arena(r);
    const spout_part *part = &form->part;
    spi_upload *upload = spi_arena_calloc(arena, sizeof *upload);
    upload->path = spi_arena_format(arena, "%s/upload-XXXXXX", folder);
    upload->shown = (spout_upload){
        .name = spi_arena_strdup(arena, part->name),
        .filename = spi_arena_strdup(arena, part->filename ? part->filename : ""),
        .content_type = spi_arena_strdup(arena, part->content_type),
        .path = upload->path,
    };
    if (form->last)
        form->last->next = upload;
    else
        form->first = upload;
    form->last = upload;
    return upload;
}

/* What is left of a file that came to nothing. */
static void drop_file(spi_form *form)
{
    if (form->fd >= 0)
        close(form->fd);
    form->fd = -1;
    if (!form->last->moved)
        (void)unlink(form->last->shown.path);
    form->last->moved = true;
    form->failed = true;
}

int spout_part_save(
    spout_request *r, const char *folder, int64_t max_size, const spout_upload **ret_upload)
{
    spi_form *form = spi_request_form(r);
    if (!form->part.name)
        return spout_error_set(SPOUT_ESTATE, "there is no part to save");
    spi_upload *upload = add_upload(r, form, folder);
    int result = spout_run_in_executor(create_file, form);
    if (result == 0)
        result = write_part(r, form, max_size);
    if (result < 0) {
        drop_file(form);
        return result;
    }
    form->upload_count++;
    *ret_upload = &upload->shown;
    return 0;
}

typedef struct move_job {
    const char *from, *to;
} move_job;

static int move_file(void *arg)
{
    const move_job *job = arg;
    if (rename(job->from, job->to) == 0)
        return 0;
    return spout_error_set_errno(errno, "an upload can't be moved to %s", job->to);
}

int spout_upload_move(spout_request *r, const spout_upload *upload, const char *path)
{
    spi_upload *found = spi_request_form(r)->first;
    while (found && &found->shown != upload)
        found = found->next;
    if (!found || found->moved)
        return spout_error_set(SPOUT_ESTATE, "the upload was moved already");
    move_job job = { upload->path, path };
    int result = spout_run_in_executor(move_file, &job);
    found->moved = result == 0;
    return result;
}

size_t spout_uploads(spout_request *r, const spout_upload *const **ret_uploads)
{
    const spi_form *form = spi_request_form(r);
    const spout_upload **all = spi_arena_alloc(
        spi_request_arena(r), (form->upload_count + 1) * sizeof *all);
    size_t count = 0;
    for (const spi_upload *upload = form->first; upload && count < form->upload_count;
         upload = upload->next)
        all[count++] = &upload->shown;
    all[count] = NULL;
    *ret_uploads = all;
    return count;
}

const spout_upload *spout_find_upload(spout_request *r, const char *name)
{
    const spout_upload *const *all;
    size_t count = spout_uploads(r, &all);
    while (count-- > 0)
        if (strcmp(all[count]->name, name) == 0)
            return all[count];
    return NULL;
}
