#include "web/session.h"

#include <spout/cookies.h>
#include <spout/escape.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/json.h"
#include "web/request.h"
#include "web/signed.h"

enum { ID_BYTES = 32, ID_LEN = 2 * ID_BYTES, MAX_COOKIE = 3800, TWO_WEEKS = 14 * 24 * 60 * 60 };

typedef struct spi_session {
    json_t *data;      /* owned, until the request's arena is reset */
    const char *saved; /* as it was when it was loaded; "{}": nothing */
    const char *id;    /* of the store; NULL: none yet */
    const char *old;   /* an id to be removed with the next save */
    bool touched, cleared, given_up;
} spi_session;

static const spout_session_options *options_of(const spout_request *r)
{
    return r->application->options.session;
}

static const char *cookie_name(const spout_session_options *options)
{
    return options->cookie_name ? options->cookie_name : "session";
}

static int64_t max_age(const spout_session_options *options)
{
    return options->max_age_s ? options->max_age_s : TWO_WEEKS;
}

int spi_session_check(
    const spout_session_options *options, const spout_application_options *application)
{
    if (!options)
        return 0;
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i])
            return spout_error_set(SPOUT_EINVAL, "reserved members of .session must be zero");
    }
    if (options->max_age_s < 0)
        return spout_error_set(SPOUT_EINVAL, ".session: max_age_s is negative");
    if (!options->store && !application->cookie_secret && !application->cookie_secrets)
        return spout_error_set(
            SPOUT_EINVAL, ".session without a store needs .cookie_secret or .cookie_secrets");
    return 0;
}

/* --- loading --- */

static bool is_id(const char *text)
{
    return strlen(text) == ID_LEN && strspn(text, "0123456789abcdef") == ID_LEN;
}

static int load_from_store(spout_request *r, spi_session *session)
{
    const spout_session_options *options = options_of(r);
    const char *id = spout_cookie(r, cookie_name(options), "");
    if (!is_id(id))
        return 0;
    int result = options->store->load(options->store->self, id, &session->data);
    if (result < 0)
        return result;
    if (session->data)
        session->id = id; /* one that the store doesn't know is never taken over */
    return 0;
}

static int load_from_cookie(spout_request *r, spi_session *session)
{
    const spout_session_options *options = options_of(r);
    const char *name = cookie_name(options);
    spout_signed_options keys = { .min_version = 2 };
    int result = spout_use_cookie_secret(r, &keys);
    if (result < 0)
        return result;
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    spout_bytes text = spi_signed_decode(
        spi_request_arena(r), name, spout_cookie(r, name, NULL), &keys, now, max_age(options));
    if (text.data)
        session->data = spout_json_parse(text);
    spout_error_clear();
    return 0;
}

/* In the request's arena. NULL: it can't be written. */
static const char *dump(spout_request *r, const json_t *data)
{
    size_t len;
    char *text = spi_json_dump(data, &len);
    if (!text)
        return NULL;
    const char *copy = spi_arena_memdup(spi_request_arena(r), text, len);
    spi_free(text);
    return copy;
}

static void drop_data(void *arg)
{
    spi_session *session = arg;
    json_decref(session->data);
}

static spi_session *load(spout_request *r)
{
    spi_session *session = spi_arena_calloc(spi_request_arena(r), sizeof *session);
    int result = options_of(r)->store ? load_from_store(r, session) : load_from_cookie(r, session);
    if (result < 0)
        return NULL;
    if (!json_is_object(session->data)) {
        json_decref(session->data);
        session->data = json_object();
    }
    spi_arena_on_reset(spi_request_arena(r), drop_data, session);
    session->saved = dump(r, session->data);
    if (!session->saved)
        session->saved = "";
    return session;
}

static spi_session *get_session(spout_request *r)
{
    spi_extras *extras = spi_request_extras(r);
    if (extras->session)
        return extras->session;
    if (!options_of(r)) {
        spout_error_set(SPOUT_ESTATE, "there is no .session in the application's options");
        return NULL;
    }
    extras->session = load(r);
    return extras->session;
}

/* --- saving --- */

static spout_cookie_options cookie_options(const spout_request *r)
{
    const spout_session_options *options = options_of(r);
    spout_cookie_options how = { .httponly = true, .samesite = "Lax" };
    how.secure = strcmp(r->exchange->protocol, "https") == 0;
    if (options->cookie)
        how = *options->cookie;
    how.expires = how.expires_days = how.max_age = 0;
    return how;
}

static int set_session_cookie(spout_request *r, const char *value)
{
    spout_cookie_options how = cookie_options(r);
    how.max_age = max_age(options_of(r));
    return spout_set_cookie(r, cookie_name(options_of(r)), value, &how);
}

static int save_in_cookie(spout_request *r, const char *text)
{
    spout_signed_options keys = { 0 };
    int result = spout_use_cookie_secret(r, &keys);
    if (result < 0)
        return result;
    int64_t now = spi_loop_wall_us(r->exchange->loop) / 1000000;
    const char *value = spi_signed_create(
        spi_request_arena(r), cookie_name(options_of(r)), spout_bytes_of(text), &keys, now);
    if (!value)
        return spout_error_code_current();
    if (strlen(value) > MAX_COOKIE)
        return spout_error_set(SPOUT_ELIMIT, "the session has become too large for a cookie");
    return set_session_cookie(r, value);
}

static const char *new_id(spout_request *r)
{
    unsigned char bytes[ID_BYTES];
    spi_random_bytes(bytes, sizeof bytes);
    char *id = spi_arena_chars(spi_request_arena(r), ID_LEN + 1);
    spi_hex_encode(id, bytes, sizeof bytes);
    id[ID_LEN] = '\0';
    return id;
}

static int save_in_store(spout_request *r, spi_session *session)
{
    const spout_session_store *store = options_of(r)->store;
    int result = session->old ? store->remove(store->self, session->old) : 0;
    session->old = NULL;
    if (result < 0)
        return result;
    if (!session->id)
        session->id = new_id(r);
    result = store->save(store->self, session->id, session->data, max_age(options_of(r)));
    return result < 0 ? result : set_session_cookie(r, session->id);
}

static int forget(spout_request *r, spi_session *session)
{
    const spout_session_store *store = options_of(r)->store;
    const char *id = session->id ? session->id : session->old;
    int result = store && id ? store->remove(store->self, id) : 0;
    if (result < 0)
        return result;
    spout_cookie_options how = cookie_options(r);
    return spout_clear_cookie(r, cookie_name(options_of(r)), &how);
}

static int save(spout_request *r, spi_session *session)
{
    if (session->cleared && json_object_size(session->data) == 0)
        return forget(r, session);
    const char *text = dump(r, session->data);
    if (!text)
        return spout_error_wrap(SPOUT_EINVAL, "the session can't be saved");
    bool renewed = session->old && json_object_size(session->data) > 0;
    if (!session->touched && !renewed && strcmp(text, session->saved) == 0)
        return 0;
    return options_of(r)->store ? save_in_store(r, session) : save_in_cookie(r, text);
}

int spi_session_save(spout_request *r)
{
    spi_session *session = r->extras->session;
    if (session->given_up || r->response.status >= 500)
        return 0;
    session->given_up = true; /* an error page is not kept from going out by the same error */
    return save(r, session);
}

/* --- the verbs --- */

json_t *spout_session(spout_request *r)
{
    spi_session *session = get_session(r);
    return session ? session->data : NULL;
}

const char *spout_session_get(spout_request *r, const char *key, const char *fallback)
{
    json_t *data = spout_session(r);
    if (!data) {
        spi_request_stick(r);
        return fallback;
    }
    const char *text = json_string_value(json_object_get(data, key));
    return text ? spi_arena_strdup(spi_request_arena(r), text) : fallback;
}

static spi_session *session_to_change(spout_request *r)
{
    if (!r->response.head_sent)
        return get_session(r);
    spout_error_set(SPOUT_ESTATE, "the session is saved: the head of the reply has been sent");
    return NULL;
}

int spout_session_set(spout_request *r, const char *key, json_t *value)
{
    spi_session *session = session_to_change(r);
    if (!session) {
        json_decref(value);
        return spout_error_code_current();
    }
    if (!value) {
        json_object_del(session->data, key);
        return 0;
    }
    if (json_object_set_new(session->data, key, value) < 0)
        return spout_error_set(SPOUT_EINVAL, "the session can't hold that");
    return 0;
}

int spout_session_renew(spout_request *r)
{
    spi_session *session = session_to_change(r);
    if (!session)
        return spout_error_code_current();
    if (session->id)
        session->old = session->id;
    session->id = NULL;
    return 0;
}

int spout_session_touch(spout_request *r)
{
    spi_session *session = session_to_change(r);
    if (!session)
        return spout_error_code_current();
    session->touched = true;
    return 0;
}

int spout_session_clear(spout_request *r)
{
    int result = spout_session_renew(r);
    if (result < 0)
        return result;
    spi_session *session = r->extras->session;
    json_object_clear(session->data);
    session->cleared = true;
    return 0;
}
