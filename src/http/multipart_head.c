#include "http/multipart.h"

#include <spout/error.h>
#include <spout/memory.h>

#include "base/text.h"
#include "http/header_params.h"
#include "http/token.h"

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "multipart: %s", what);
}

static bool has_nul_or_bad_utf8(spout_bytes text)
{
    return memchr(text.data, '\0', text.len) || !spi_is_utf8(text.data, text.len);
}

static int take_filename(spi_part_head *part, spout_bytes value)
{
    if (part->has_filename)
        return refuse("two file names in a part");
    part->has_filename = true;
    if (part->has_extended)
        return 0;
    if (has_nul_or_bad_utf8(value))
        return refuse("a file name that isn't UTF-8");
    part->filename = spout_scope_bytes(value);
    return 0;
}

static int take_extended_filename(spi_part_head *part, spout_bytes value)
{
    if (part->has_extended)
        return refuse("two file names in a part");
    part->has_extended = true;
    part->filename = spi_params_decode_extended(value);
    return part->filename ? 0 : SPOUT_EPROTO;
}

static int take_disposition_parameter(spi_part_head *part, spout_bytes name, spout_bytes value)
{
    if (spi_equal_nocase(name.data, name.len, "name", 4)) {
        if (part->has_name)
            return refuse("two names in a part");
        part->has_name = true;
        part->name = value;
        return 0;
    }
    if (spi_equal_nocase(name.data, name.len, "filename", 8))
        return take_filename(part, value);
    if (spi_equal_nocase(name.data, name.len, "filename*", 9))
        return take_extended_filename(part, value);
    return 0;
}

static int take_disposition(spi_part_head *part, spout_bytes field)
{
    spi_params params;
    spout_bytes name, value, type = spi_params_start(field, &params);
    if (part->has_disposition || !spi_equal_nocase(type.data, type.len, "form-data", 9))
        return refuse("a part's Content-Disposition isn't form-data, once");
    part->has_disposition = true;
    int result;
    while ((result = spi_params_next(&params, &name, &value)) > 0) {
        result = take_disposition_parameter(part, name, value);
        if (result < 0)
            return result;
    }
    return result;
}

static int take_field(spi_part_head *part, spout_bytes line)
{
    const char *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon ? (size_t)(colon - line.data) : 0;
    if (!spi_is_token(line.data, name_len))
        return refuse("a header line of a part is malformed");
    const char *value = colon + 1, *end = line.data + line.len;
    while (value < end && spi_is_blank(*value))
        value++;
    while (end > value && spi_is_blank(end[-1]))
        end--;
    spout_bytes field = { value, (size_t)(end - value) };
    if (spi_equal_nocase(line.data, name_len, "content-disposition", 19))
        return take_disposition(part, field);
    if (spi_equal_nocase(line.data, name_len, "content-type", 12)) {
        if (has_nul_or_bad_utf8(field))
            return refuse("a part's Content-Type isn't UTF-8");
        part->content_type = spout_scope_bytes(field);
    }
    return 0;
}

/* Parts have MIME's header lines, which may be folded (RFC 2045 §1, RFC 5322 §2.2.3): unlike in
   HTTP's own that is nothing to refuse. Goes behind the field; a fold becomes blanks. */
static spout_bytes next_field(const char **at, const char *end)
{
    const char *start = *at, *cr = memchr(start, '\r', (size_t)(end - start));
    char *copy = NULL;
    while (cr + 2 < end && spi_is_blank(cr[2])) {
        if (!copy)
            copy = spout_scope_bytes((spout_bytes){ start, (size_t)(end - start) });
        memset(copy + (cr - start), ' ', 2);
        cr = memchr(cr + 2, '\r', (size_t)(end - cr) - 2);
    }
    *at = cr + 2;
    return (spout_bytes){ copy ? copy : start, (size_t)(cr - start) };
}

int spi_part_head_parse(spout_bytes lines, spi_part_head *ret_head)
{
    spi_part_head part = { .content_type = "" };
    const char *at = lines.data, *end = at + lines.len;
    while (at < end) {
        int result = take_field(&part, next_field(&at, end));
        if (result < 0)
            return result;
    }
    if (!part.has_disposition)
        return refuse("a part without Content-Disposition");
    if (!part.name.len)
        return refuse("a part without a name");
    *ret_head = part;
    return 0;
}
