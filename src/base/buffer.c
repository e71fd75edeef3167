#include "base/buffer.h"

#include "base/bug.h"
#include "base/memory.h"

#include <spout/error.h>

#include <stdio.h>

enum { SMALLEST = 256 };

void spi_buffer_init(spi_buffer *buffer, size_t max)
{
    /* Half of the address space is no real limit, and keeps the sums below from overflowing. */
    *buffer = (spi_buffer){ .max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2 };
}

void spi_buffer_release(spi_buffer *buffer)
{
    spi_free(buffer->data);
    *buffer = (spi_buffer){ .max = buffer->max };
}

static void compact(spi_buffer *buffer)
{
    size_t len = spi_buffer_len(buffer);
    memmove(buffer->data, buffer->data + buffer->start, len);
    buffer->start = 0;
    buffer->end = len;
}

static void grow(spi_buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity > SMALLEST ? buffer->capacity : SMALLEST;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buffer->max + 1)
        capacity = buffer->max + 1;
    if (buffer->start) {
        size_t len = spi_buffer_len(buffer);
        char *data = spi_malloc(capacity);
        memcpy(data, buffer->data + buffer->start, len);
        spi_free(buffer->data);
        buffer->data = data;
        buffer->start = 0;
        buffer->end = len;
    } else {
        buffer->data = spi_realloc(buffer->data, capacity);
    }
    buffer->capacity = capacity;
}

/* Room for `len` more bytes and a NUL. Moving is worth it if no more moves than was consumed, or if
   there is no choice. */
static void make_room(spi_buffer *buffer, size_t len)
{
    if (len < buffer->capacity - buffer->end)
        return;
    size_t held = spi_buffer_len(buffer);
    size_t needed = held + len + 1;
    if (needed <= buffer->capacity &&
        (buffer->start >= held || buffer->capacity == buffer->max + 1))
        compact(buffer);
    else
        grow(buffer, needed);
}

char *spi_buffer_reserve(spi_buffer *buffer, size_t len)
{
    if (len > buffer->max - spi_buffer_len(buffer)) {
        spout_error_set(SPOUT_ELIMIT, "the buffer's maximum of %zu bytes is reached", buffer->max);
        return NULL;
    }
    make_room(buffer, len);
    return buffer->data + buffer->end;
}

void spi_buffer_commit(spi_buffer *buffer, size_t len)
{
    SPI_BUG_IF(len > buffer->capacity - buffer->end, "more committed than was reserved");
    buffer->end += len;
}

int spi_buffer_append(spi_buffer *buffer, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    char *room = spi_buffer_reserve(buffer, len);
    if (!room)
        return SPOUT_ELIMIT;
    memcpy(room, data, len);
    buffer->end += len;
    return 0;
}

int spi_buffer_append_text(spi_buffer *buffer, const char *text)
{
    return spi_buffer_append(buffer, text, strlen(text));
}

int spi_buffer_append_char(spi_buffer *buffer, char c)
{
    return spi_buffer_append(buffer, &c, 1);
}

int spi_buffer_append_format(spi_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return spout_error_set(SPOUT_EINVAL, "the format can't be written");
    char *room = spi_buffer_reserve(buffer, (size_t)len);
    if (!room)
        return SPOUT_ELIMIT;
    va_start(args, format);
    vsnprintf(room, (size_t)len + 1, format, args);
    va_end(args);
    buffer->end += (size_t)len;
    return 0;
}

void spi_buffer_consume(spi_buffer *buffer, size_t len)
{
    SPI_BUG_IF(len > spi_buffer_len(buffer), "more consumed than the buffer holds");
    buffer->start += len;
    if (buffer->start == buffer->end)
        spi_buffer_clear(buffer);
}

void spi_buffer_clear(spi_buffer *buffer)
{
    buffer->start = buffer->end = 0;
}

char *spi_buffer_text(spi_buffer *buffer)
{
    make_room(buffer, 0);
    buffer->data[buffer->end] = '\0';
    return spi_buffer_head(buffer);
}
