/* Tokens against requests that another site makes in the user's name (Tornado's versions 1 and
   2). */
#include <spout/auth.h>
#include <spout/cookies.h>

#include "base/digest.h"
#include "base/text.h"
#include "web/request.h"
#include "web/signed.h"

enum { TOKEN_LEN = 16, MASK_LEN = 4, KEPT_DAYS = 30 };

typedef struct token {
    spout_bytes raw; /* data NULL: none */
    const char *time;
} token;

/* NULL: not hexadecimal. */
static char *decode_hex(spi_arena *arena, const char *text, size_t len)
{
    if (len % 2)
        return NULL;
    char *out = spi_arena_chars(arena, len / 2 + 1);
    for (size_t i = 0; i < len; i += 2) {
        int high = spi_hex_value(text[i]), low = spi_hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return NULL;
        out[i / 2] = (char)(high << 4 | low);
    }
    return out;
}

static void apply_mask(char *data, size_t len, const char mask[MASK_LEN])
{
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(data[i] ^ mask[i % MASK_LEN]);
}

/* "2|mask|masked token|seconds" */
static token decode_v2(spi_arena *arena, const char *text)
{
    static const token none = { { NULL, 0 }, NULL };
    const char *mask = text + 2;
    const char *masked = strchr(mask, '|');
    const char *time = masked ? strchr(masked + 1, '|') : NULL;
    uint64_t seconds;
    if (!time || masked - mask != 2 * MASK_LEN ||
        !spi_parse_uint(time + 1, strlen(time + 1), INT64_MAX, &seconds))
        return none;
    size_t len = (size_t)(time - masked - 1);
    char *bytes = decode_hex(arena, masked + 1, len);
    char *key = decode_hex(arena, mask, 2 * MASK_LEN);
    if (!bytes || !key)
        return none;
    apply_mask(bytes, len / 2, key);
    return (token){ { bytes, len / 2 }, time + 1 };
}

/* Version 1 is the token in hexadecimal, or as it is. */
static token decode(spi_arena *arena, const char *text)
{
    if (!text || !*text)
        return (token){ { NULL, 0 }, NULL };
    int version = spi_signed_version(text);
    if (version == 2)
        return decode_v2(arena, text);
    if (version != 1)
        return (token){ { NULL, 0 }, NULL };
    size_t len = strlen(text);
    const char *bytes = decode_hex(arena, text, len);
    return (token){ bytes ? (spout_bytes){ bytes, len / 2 } : (spout_bytes){ text, len }, NULL };
}

static token token_of_cookie(spout_request *r)
{
    const char *text = spout_cookie(r, r->application->options.xsrf_cookie_name, NULL);
    token found = decode(spi_request_arena(r), text);
    if (!found.raw.len)
        found.raw.data = NULL;
    return found;
}

static token make_token(spout_request *r)
{
    char *bytes = spi_arena_chars(spi_request_arena(r), TOKEN_LEN);
    spi_random_bytes(bytes, TOKEN_LEN);
    return (token){ { bytes, TOKEN_LEN }, NULL };
}

static const char *hex_of(spi_arena *arena, spout_bytes bytes)
{
    char *text = spi_arena_chars(arena, 2 * bytes.len + 1);
    spi_hex_encode(text, bytes.data, bytes.len);
    text[2 * bytes.len] = '\0';
    return text;
}

static const char *encode(spout_request *r, const token *plain)
{
    spi_arena *arena = spi_request_arena(r);
    if (r->application->options.xsrf_cookie_version == 1)
        return hex_of(arena, plain->raw);
    char mask[MASK_LEN];
    spi_random_bytes(mask, sizeof mask);
    char *masked = spi_arena_memdup(arena, plain->raw.data, plain->raw.len);
    apply_mask(masked, plain->raw.len, mask);
    const char *time = plain->time;
    if (!time)
        time = spi_arena_format(
            arena, "%lld", (long long)(spi_loop_wall_us(r->exchange->loop) / 1000000));
    return spi_arena_format(arena, "2|%s|%s|%s", hex_of(arena, (spout_bytes){ mask, MASK_LEN }),
        hex_of(arena, (spout_bytes){ masked, plain->raw.len }), time);
}

static int set_token_cookie(spout_request *r, const char *text)
{
    const spout_application_options *options = &r->application->options;
    spout_cookie_options how = { 0 };
    if (options->xsrf_cookie_options)
        how = *options->xsrf_cookie_options;
    if (!how.expires && !how.expires_days && !how.max_age && spout_current_user(r))
        how.expires_days = KEPT_DAYS;
    return spout_set_cookie(r, options->xsrf_cookie_name, text, &how);
}

const char *spout_xsrf_token(spout_request *r)
{
    spi_extras *extras = spi_request_extras(r);
    if (extras->xsrf_token)
        return extras->xsrf_token;
    token known = token_of_cookie(r);
    bool is_new = !known.raw.data;
    if (is_new)
        known = make_token(r);
    const char *text = encode(r, &known);
    if (is_new && set_token_cookie(r, text) < 0)
        return NULL;
    extras->xsrf_token = text;
    return text;
}

const char *spout_xsrf_form_html(spout_request *r)
{
    const char *text = spout_xsrf_token(r); /* of digits, letters and '|' */
    return text ? spi_arena_format(spi_request_arena(r),
                      "<input type=\"hidden\" name=\"_xsrf\" value=\"%s\"/>", text)
                : NULL;
}

static const char *token_of_request(spout_request *r)
{
    const char *text = r->exchange->body_mode == SPI_BODY_STREAM
                           ? spout_query_argument(r, "_xsrf", NULL)
                           : spout_argument(r, "_xsrf", NULL);
    if (!text || !*text)
        text = spout_header(r, "X-Xsrftoken", NULL);
    if (!text || !*text)
        text = spout_header(r, "X-Csrftoken", NULL);
    return text && *text ? text : NULL;
}

int spout_check_xsrf_cookie(spout_request *r)
{
    const char *text = token_of_request(r);
    if (!text)
        return spout_fail(
            r, 403, "'_xsrf' argument missing from %s", r->exchange->head.method_text);
    token given = decode(spi_request_arena(r), text), expected = token_of_cookie(r);
    if (!given.raw.len)
        return spout_fail(r, 403, "'_xsrf' argument has invalid format");
    if (!expected.raw.data || !spi_equal_constant_time(given.raw.data, given.raw.len,
                                  expected.raw.data, expected.raw.len))
        return spout_fail(
            r, 403, "XSRF cookie does not match %s argument", r->exchange->head.method_text);
    return 0;
}
