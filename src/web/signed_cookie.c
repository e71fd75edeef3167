/* Signed values for those who have a scope, and signed cookies with the application's keys. */
#include "base/context.h"
#include "base/text.h"
#include "web/request.h"
#include "web/signed.h"

enum { KEPT_DAYS = 30 };

static int64_t time_of(const spout_signed_options *options)
{
    return options->now ? options->now : spout_wall_us() / 1000000;
}

static int check_given(const char *name, const spout_signed_options *options)
{
    if (!name || !options)
        return spout_error_set(SPOUT_EINVAL, "a signed value needs a name and a secret");
    return spi_signed_check(options);
}

const char *spout_create_signed_value(
    const char *name, spout_bytes value, const spout_signed_options *options)
{
    if (check_given(name, options) < 0)
        return NULL;
    spi_arena *arena = spi_context_scope(spi_context_current());
    return spi_signed_create(arena, name, value, options, time_of(options));
}

int spout_decode_signed_value(
    const char *name, const char *text, const spout_signed_options *options, spout_bytes *ret_value)
{
    int result = check_given(name, options);
    if (result < 0)
        return result;
    spi_arena *arena = spi_context_scope(spi_context_current());
    *ret_value = spi_signed_decode(
        arena, name, text, options, time_of(options), spi_signed_max_age(options));
    return 0;
}

int spout_use_cookie_secret(spout_request *r, spout_signed_options *options)
{
    const spout_application_options *application = &r->application->options;
    if (!application->cookie_secret && !application->cookie_secrets)
        return spout_error_set(SPOUT_ESTATE,
            "signed cookies need .cookie_secret or .cookie_secrets in the application's options");
    options->secret = application->cookie_secret;
    options->secrets = application->cookie_secrets;
    options->key_version = application->key_version;
    return 0;
}

int spout_set_signed_cookie_bytes(
    spout_request *r, const char *name, spout_bytes value, const spout_cookie_options *options)
{
    spout_cookie_options kept = options ? *options : (spout_cookie_options){ 0 };
    if (!kept.expires && !kept.expires_days)
        kept.expires_days = KEPT_DAYS;
    spout_signed_options how = { .version = kept.signed_version };
    int result = spout_use_cookie_secret(r, &how);
    if (result < 0)
        return result;
    if (!name)
        return spout_error_set(SPOUT_EINVAL, "the name of a cookie is NULL");
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    const char *text = spi_signed_create(spi_request_arena(r), name, value, &how, now);
    return text ? spout_set_cookie(r, name, text, &kept) : spout_error_code_current();
}

int spout_set_signed_cookie(
    spout_request *r, const char *name, const char *value, const spout_cookie_options *options)
{
    if (!value)
        return spout_error_set(SPOUT_EINVAL, "the value of a signed cookie is NULL");
    return spout_set_signed_cookie_bytes(r, name, spout_bytes_of(value), options);
}

spout_bytes spout_get_signed_cookie_bytes(
    spout_request *r, const char *name, const spout_signed_options *options)
{
    static const spout_bytes none = { NULL, 0 };
    spout_signed_options how = options ? *options : (spout_signed_options){ 0 };
    if (!how.secret && !how.secrets && spout_use_cookie_secret(r, &how) < 0)
        return none;
    if (spi_signed_check(&how) < 0)
        return none;
    const char *text = spout_cookie(r, name, NULL);
    int64_t now = how.now ? how.now : spi_loop_wall_us(r->exchange->loop) / 1000000;
    return spi_signed_decode(spi_request_arena(r), name, text, &how, now, spi_signed_max_age(&how));
}

const char *spout_get_signed_cookie(
    spout_request *r, const char *name, const spout_signed_options *options)
{
    spout_bytes value = spout_get_signed_cookie_bytes(r, name, options);
    if (!value.data || memchr(value.data, '\0', value.len) || !spi_is_utf8(value.data, value.len))
        return NULL;
    return value.data;
}

int spout_get_signed_cookie_key_version(spout_request *r, const char *name)
{
    return spout_get_signature_key_version(spout_cookie(r, name, NULL));
}
