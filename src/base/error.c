#include "base/error.h"

#include "base/context.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Where a text that must not exceed `max` bytes is cut without tearing a character of it apart. */
static size_t cut_at(const char *text, size_t max)
{
    size_t at = max;
    while (at > 0 && max - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    return max - at < 4 ? at : max;
}

/* One byte more than a message may have shows whether the cut is in the middle of a character. */
typedef struct draft {
    size_t len;
    char text[SPI_ERROR_MESSAGE_MAX + 2];
} draft;

static void draft_cut(draft *d, size_t max)
{
    if (d->len > max)
        d->len = cut_at(d->text, max);
    d->text[d->len] = '\0';
}

SPOUT_PRINTF(2, 0) static void draft_write(draft *d, const char *format, va_list args)
{
    int len = vsnprintf(d->text, sizeof d->text, format, args);
    d->len = len > 0 ? (size_t)len : 0;
    draft_cut(d, SPI_ERROR_MESSAGE_MAX);
}

/* What errno means is worth more than the end of a long file name. */
static void draft_append_meaning(draft *d, int errnum)
{
    char meaning[128];
    if (strerror_r(errnum, meaning, sizeof meaning) != 0)
        snprintf(meaning, sizeof meaning, "error %d", errnum);
    meaning[0] = spi_lower(meaning[0]); /* it stands behind a colon */
    size_t len = strlen(meaning) + 2;
    draft_cut(d, SPI_ERROR_MESSAGE_MAX - len);
    snprintf(d->text + d->len, len + 1, ": %s", meaning);
    d->len += len;
}

void spi_error_free(spout_error *error)
{
    while (error) {
        spout_error *cause = error->cause;
        spi_free(error);
        error = cause;
    }
}

static spout_error *new_link(size_t len)
{
    size_t size = (sizeof(spout_error) + len + 1 + 63) & ~(size_t)63;
    spout_error *error = spi_malloc(size);
    *error = (spout_error){ .capacity = size - sizeof *error };
    return error;
}

static void fill_link(spout_error *error, int code, const draft *d)
{
    error->code = code;
    error->status = 0;
    error->errnum = 0;
    memcpy(error->message, d->text, d->len + 1);
}

/* Instead of the current error, in its memory if the message fits. */
static spout_error *replace_current(int code, const draft *d)
{
    spi_context *context = spi_context_current();
    spout_error *error = context->error;
    if (error && error->capacity > d->len) {
        spi_error_free(error->cause);
        error->cause = NULL;
    } else {
        spi_error_free(error);
        error = new_link(d->len);
        context->error = error;
        spi_context_holds_memory(context);
    }
    fill_link(error, code, d);
    return error;
}

/* The root cause says most, the newest links say where: what is too much goes from between. */
static void limit_depth(spout_error *error)
{
    int depth = 1;
    spout_error *above = error;
    for (const spout_error *link = error; link->cause; link = link->cause) {
        if (++depth > 3)
            above = above->cause;
    }
    if (depth <= SPI_ERROR_DEPTH_MAX)
        return;
    spout_error *gone = above->cause;
    above->cause = gone->cause;
    spi_free(gone);
}

static int failure(int code)
{
    return code < 0 ? code : SPOUT_EFAILED;
}

int spout_error_set(int code, const char *format, ...)
{
    int kept_errno = errno;
    draft d;
    va_list args;
    va_start(args, format);
    draft_write(&d, format, args);
    va_end(args);
    replace_current(failure(code), &d);
    errno = kept_errno;
    return failure(code);
}

int spout_error_wrap(int code, const char *format, ...)
{
    int kept_errno = errno;
    draft d;
    va_list args;
    va_start(args, format);
    draft_write(&d, format, args);
    va_end(args);
    spi_context *context = spi_context_current();
    spout_error *error = new_link(d.len);
    fill_link(error, failure(code), &d);
    error->cause = context->error;
    context->error = error;
    spi_context_holds_memory(context);
    limit_depth(error);
    errno = kept_errno;
    return failure(code);
}

int spout_error_set_errno(int errnum, const char *format, ...)
{
    int kept_errno = errno;
    draft d;
    va_list args;
    va_start(args, format);
    draft_write(&d, format, args);
    va_end(args);
    draft_append_meaning(&d, errnum);
    replace_current(SPOUT_ESYSTEM, &d)->errnum = errnum;
    errno = kept_errno;
    return SPOUT_ESYSTEM;
}

int spout_error_set_status(int status, const char *format, ...)
{
    int kept_errno = errno;
    draft d;
    va_list args;
    va_start(args, format);
    draft_write(&d, format, args);
    va_end(args);
    replace_current(SPOUT_EHTTP, &d)->status = status >= 400 && status <= 599 ? status : 500;
    errno = kept_errno;
    return SPOUT_EHTTP;
}

spout_error *spi_error_take(void)
{
    spi_context *context = spi_context_current();
    spout_error *error = context->error;
    context->error = NULL;
    return error;
}

int spi_error_put(spout_error *error)
{
    spi_context *context = spi_context_current();
    if (error == context->error)
        return spout_error_get_code(error);
    spi_context_clear(context);
    context->error = error;
    if (error)
        spi_context_holds_memory(context);
    return spout_error_get_code(error);
}

spout_error *spi_error_copy(const spout_error *error)
{
    spout_error *copy = NULL;
    spout_error **end = &copy;
    for (; error; error = error->cause) {
        size_t size = sizeof *error + error->capacity;
        spout_error *link = spi_malloc(size);
        memcpy(link, error, sizeof *error);
        memcpy(link->message, error->message, strlen(error->message) + 1);
        link->cause = NULL;
        *end = link;
        end = &link->cause;
    }
    return copy;
}

const spout_error *spout_error_current(void)
{
    return spi_context_current()->error;
}

void spout_error_clear(void)
{
    spi_context_clear(spi_context_current());
}

int spout_error_get_code(const spout_error *error)
{
    return error ? error->code : SPOUT_OK;
}

const char *spout_error_get_message(const spout_error *error)
{
    return error ? error->message : "";
}

int spout_error_get_status(const spout_error *error)
{
    return error ? error->status : 0;
}

int spout_error_get_errno(const spout_error *error)
{
    return error ? error->errnum : 0;
}

const spout_error *spout_error_get_cause(const spout_error *error)
{
    return error ? error->cause : NULL;
}

int spout_error_code_current(void)
{
    return spout_error_get_code(spout_error_current());
}

const char *spout_error_message(void)
{
    return spout_error_get_message(spout_error_current());
}

const char *spout_error_code_name(int code)
{
    switch ((spout_error_code)code) {
    case SPOUT_OK: return "no error";
    case SPOUT_EFAILED: return "failed";
    case SPOUT_EINVAL: return "invalid";
    case SPOUT_ESTATE: return "not possible now";
    case SPOUT_ECANCELED: return "cancelled";
    case SPOUT_ETIMEDOUT: return "timed out";
    case SPOUT_ECLOSED: return "closed";
    case SPOUT_ELIMIT: return "limit reached";
    case SPOUT_EPROTO: return "protocol error";
    case SPOUT_ENOTFOUND: return "not found";
    case SPOUT_EEXIST: return "already exists";
    case SPOUT_EAGAIN: return "would wait";
    case SPOUT_ESYSTEM: return "system call failed";
    case SPOUT_EHTTP: return "HTTP status";
    case SPOUT_EUNSUPPORTED: return "unsupported";
    }
    return "unknown error";
}
