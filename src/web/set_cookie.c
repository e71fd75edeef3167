/* The cookies that a reply sets: kept until its head goes out, whatever page that is. */
#include "web/cookie_line.h"
#include "web/request.h"

enum { MAX_COOKIES = 256, DAY = 24 * 60 * 60 };

struct spi_new_cookie {
    spi_new_cookie *next;
    const char *name, *domain, *path;
    const char *line;
};

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_cookie(const spi_new_cookie *a, const spi_new_cookie *b)
{
    return same_text(a->name, b->name) && same_text(a->domain, b->domain) &&
           same_text(a->path ? a->path : "/", b->path ? b->path : "/");
}

/* Appends to the list, in place of one that is the same. False: there are too many. */
static bool replace(spout_request *r, spi_new_cookie *cookie)
{
    spi_new_cookie **link = &r->response.cookies;
    int count = 0;
    while (*link) {
        if (same_cookie(*link, cookie)) {
            *link = (*link)->next;
            continue;
        }
        link = &(*link)->next;
        count++;
    }
    if (count >= MAX_COOKIES)
        return false;
    *link = cookie;
    return true;
}

static const char *own(spout_request *r, const char *text)
{
    return text ? spi_arena_strdup(spi_request_arena(r), text) : NULL;
}

int spout_set_cookie(
    spout_request *r, const char *name, const char *value, const spout_cookie_options *options)
{
    if (r->response.head_sent)
        return spout_error_set(
            SPOUT_ESTATE, "spout_set_cookie: the head of the reply has been sent");
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    const char *line = spi_cookie_line(spi_request_arena(r), name, value, options, now);
    if (!line)
        return spout_error_code_current();
    spi_new_cookie *cookie = spi_arena_alloc(spi_request_arena(r), sizeof *cookie);
    *cookie = (spi_new_cookie){
        .name = own(r, name),
        .domain = options ? own(r, options->domain) : NULL,
        .path = options ? own(r, options->path) : NULL,
        .line = line,
    };
    if (!replace(r, cookie))
        return spout_error_set(SPOUT_ELIMIT, "a reply sets at most %d cookies", MAX_COOKIES);
    return 0;
}

/* A year ago, as in Tornado: clocks differ. */
static int make_clearing(
    spout_request *r, const spout_cookie_options *options, spout_cookie_options *out)
{
    *out = options ? *options : (spout_cookie_options){ 0 };
    if (out->expires || out->expires_days || out->max_age)
        return spout_error_set(SPOUT_EINVAL, "a cookie that is cleared takes no time");
    out->expires = spi_loop_wall_us(r->exchange->loop) / 1000000 - (int64_t)365 * DAY;
    if (out->expires < 1)
        out->expires = SPOUT_ZERO;
    return 0;
}

int spout_clear_cookie(spout_request *r, const char *name, const spout_cookie_options *options)
{
    spout_cookie_options clearing;
    int result = make_clearing(r, options, &clearing);
    return result < 0 ? result : spout_set_cookie(r, name, "", &clearing);
}

int spout_clear_all_cookies(spout_request *r, const spout_cookie_options *options)
{
    spout_cookie_options clearing;
    int result = make_clearing(r, options, &clearing);
    const spout_pair *pairs;
    size_t count = spout_cookies(r, &pairs);
    for (size_t i = 0; i < count && result == 0; i++) {
        const char *name = spi_arena_memdup(
            spi_request_arena(r), pairs[i].name.data, pairs[i].name.len);
        if (spi_is_cookie_name(name))
            result = spout_set_cookie(r, name, "", &clearing);
    }
    if (result != SPOUT_ELIMIT)
        return result;
    spout_error_clear();
    return 0;
}

void spi_response_put_cookies(spout_request *r)
{
    for (const spi_new_cookie *cookie = r->response.cookies; cookie; cookie = cookie->next)
        spi_response_add(r, "Set-Cookie", cookie->line);
    r->response.cookies = NULL;
}
