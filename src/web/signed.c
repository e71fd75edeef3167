#include "web/signed.h"

#include <spout/error.h>

#include "base/digest.h"
#include "base/text.h"

#include <stdio.h>

enum {
    DAY = 24 * 60 * 60,
    LAST_VERSION = 2,
    DEFAULT_AGE = 31, /* days */
    MAX_VERSION = 999 /* beyond: a value of format 1 that begins with digits */
};

int spi_signed_check(const spout_signed_options *options)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of signed options must be zero");
    }
    if (!options->secret && !options->secrets)
        return spout_error_set(SPOUT_EINVAL, "a signed value needs a secret");
    if (options->version < 0 || options->version > LAST_VERSION ||
        options->min_version > LAST_VERSION)
        return spout_error_set(SPOUT_EINVAL, "signed values have version 1 or 2");
    if (options->max_age_days < SPOUT_ZERO)
        return spout_error_set(SPOUT_EINVAL, "max_age_days is negative");
    return 0;
}

int64_t spi_signed_max_age(const spout_signed_options *options)
{
    if (options->max_age_days == SPOUT_NONE || options->max_age_days > INT64_MAX / DAY)
        return -1;
    if (options->max_age_days == SPOUT_ZERO)
        return 0;
    return (options->max_age_days ? options->max_age_days : DEFAULT_AGE) * DAY;
}

/* NULL: there is no such key. */
static const char *find_key(const spout_signed_options *options, int version)
{
    if (options->secret)
        return options->secret;
    for (const spout_secret *secret = options->secrets; secret->key; secret++) {
        if (secret->version == version)
            return secret->key;
    }
    return NULL;
}

static const char *encode_base64(spi_arena *arena, spout_bytes value)
{
    char *text = spi_arena_chars(arena, 4 * ((value.len + 2) / 3) + 1);
    text[spi_base64_encode(text, value.data, value.len)] = '\0';
    return text;
}

/* What format 1 signs: no separators, which is why names can be moved into values. */
static void sign_v1(char out[41], spi_arena *arena, const char *key, const char *name,
    const char *value, const char *time)
{
    const char *text = spi_arena_format(arena, "%s%s%s", name, value, time);
    unsigned char mac[20];
    spi_hmac_sha1(mac, spout_bytes_of(key), spout_bytes_of(text));
    spi_hex_encode(out, mac, sizeof mac);
    out[40] = '\0';
}

static void sign_v2(char out[65], const char *key, spout_bytes text)
{
    unsigned char mac[32];
    spi_hmac_sha256(mac, spout_bytes_of(key), text);
    spi_hex_encode(out, mac, sizeof mac);
    out[64] = '\0';
}

static const char *create_v1(
    spi_arena *arena, const char *key, const char *name, const char *value, long long now)
{
    char mac[41];
    const char *time = spi_arena_format(arena, "%lld", now);
    sign_v1(mac, arena, key, name, value, time);
    return spi_arena_format(arena, "%s|%s|%s", value, time, mac);
}

static const char *create_v2(spi_arena *arena, const char *key, int key_version, const char *name,
    const char *value, long long now)
{
    char version[16], time[24], mac[65];
    int version_len = snprintf(version, sizeof version, "%d", key_version);
    int time_len = snprintf(time, sizeof time, "%lld", now);
    const char *text = spi_arena_format(arena, "2|%d:%s|%d:%s|%zu:%s|%zu:%s|", version_len, version,
        time_len, time, strlen(name), name, strlen(value), value);
    sign_v2(mac, key, spout_bytes_of(text));
    return spi_arena_format(arena, "%s%s", text, mac);
}

const char *spi_signed_create(spi_arena *arena, const char *name, spout_bytes value,
    const spout_signed_options *options, int64_t now)
{
    if (spi_signed_check(options) < 0)
        return NULL;
    if (options->version == 1 && !options->secret) {
        spout_error_set(SPOUT_EINVAL, "signed values of version 1 know one key only");
        return NULL;
    }
    const char *key = find_key(options, options->key_version);
    if (!key || options->key_version < 0) {
        spout_error_set(
            SPOUT_EINVAL, "there is no secret with key_version %d", options->key_version);
        return NULL;
    }
    const char *encoded = encode_base64(arena, value);
    if (options->version == 1)
        return create_v1(arena, key, name, encoded, now);
    return create_v2(arena, key, options->key_version, name, encoded, now);
}

/* --- reading --- */

int spi_signed_version(const char *text)
{
    size_t len = strspn(text, "0123456789");
    uint64_t version;
    if (text[len] != '|' || *text == '0' || !spi_parse_uint(text, len, MAX_VERSION, &version))
        return 1;
    return (int)version;
}

static spout_bytes decode_base64(spi_arena *arena, spout_bytes text)
{
    char *out = spi_arena_memdup(arena, text.data, text.len);
    size_t len;
    if (!spi_base64_decode(out, &len, out, text.len))
        return (spout_bytes){ NULL, 0 };
    out[len] = '\0';
    return (spout_bytes){ out, len };
}

static bool is_too_old(uint64_t time, int64_t now, int64_t max_age)
{
    return max_age >= 0 && (int64_t)time < now - max_age;
}

static spout_bytes decode_v1(spi_arena *arena, const char *name, const char *text,
    const spout_signed_options *options, int64_t now, int64_t max_age)
{
    static const spout_bytes none = { NULL, 0 };
    const char *first = strchr(text, '|'), *second = first ? strchr(first + 1, '|') : NULL;
    if (!options->secret || !second || strchr(second + 1, '|'))
        return none;
    const char *value = spi_arena_memdup(arena, text, (size_t)(first - text));
    const char *time = spi_arena_memdup(arena, first + 1, (size_t)(second - first - 1));
    char mac[41];
    sign_v1(mac, arena, options->secret, name, value, time);
    uint64_t seconds;
    if (!spi_equal_constant_time(mac, 40, second + 1, strlen(second + 1)) ||
        !spi_parse_uint(time, strlen(time), INT64_MAX, &seconds))
        return none;
    /* Digits can be moved from the value to the time without breaking the signature: such times lie
       far ahead, or begin with 0. */
    if (is_too_old(seconds, now, max_age) || (int64_t)seconds > now + (int64_t)DEFAULT_AGE * DAY ||
        *time == '0')
        return none;
    return decode_base64(arena, spout_bytes_of(value));
}

/* "5:value|" at *at. */
static bool take_field(const char **at, const char *end, spout_bytes *ret_field)
{
    const char *colon = memchr(*at, ':', (size_t)(end - *at));
    uint64_t len;
    if (!colon || !spi_parse_uint(*at, (size_t)(colon - *at), SIZE_MAX / 2, &len) ||
        len >= (uint64_t)(end - colon - 1) || colon[1 + len] != '|')
        return false;
    *ret_field = (spout_bytes){ colon + 1, (size_t)len };
    *at = colon + 2 + len;
    return true;
}

typedef struct fields {
    uint64_t key_version, time;
    spout_bytes name, value;
    const char *mac; /* behind the text that it signs */
} fields;

static bool parse_v2(const char *text, fields *out)
{
    const char *at = text + 2, *end = text + strlen(text);
    spout_bytes version, time;
    bool good = take_field(&at, end, &version) && take_field(&at, end, &time) &&
                take_field(&at, end, &out->name) && take_field(&at, end, &out->value);
    out->mac = at;
    return good && spi_parse_uint(version.data, version.len, INT32_MAX, &out->key_version) &&
           spi_parse_uint(time.data, time.len, INT64_MAX, &out->time);
}

static spout_bytes decode_v2(spi_arena *arena, const char *name, const char *text,
    const spout_signed_options *options, int64_t now, int64_t max_age)
{
    static const spout_bytes none = { NULL, 0 };
    fields in;
    if (!parse_v2(text, &in))
        return none;
    const char *key = find_key(options, (int)in.key_version);
    if (!key)
        return none;
    char mac[65];
    sign_v2(mac, key, (spout_bytes){ text, (size_t)(in.mac - text) });
    if (!spi_equal_constant_time(mac, 64, in.mac, strlen(in.mac)) ||
        !spi_bytes_equal(in.name, name) || is_too_old(in.time, now, max_age))
        return none;
    return decode_base64(arena, in.value);
}

spout_bytes spi_signed_decode(spi_arena *arena, const char *name, const char *text,
    const spout_signed_options *options, int64_t now, int64_t max_age)
{
    static const spout_bytes none = { NULL, 0 };
    int version = text ? spi_signed_version(text) : 0;
    if (version < 1 || version < options->min_version)
        return none;
    if (version == 1)
        return decode_v1(arena, name, text, options, now, max_age);
    return version == 2 ? decode_v2(arena, name, text, options, now, max_age) : none;
}

int spout_get_signature_key_version(const char *text)
{
    fields in;
    if (!text || spi_signed_version(text) != 2 || !parse_v2(text, &in))
        return -1;
    return (int)in.key_version;
}
