#include "web/response.h"

#include "base/text.h"
#include "http/date.h"
#include "web/compress.h"
#include "web/etag.h"
#include "web/request.h"
#include "web/session.h"

enum {
    LARGEST_PIECE = 64 * 1024,
    MAX_HELD = 256 * 1024 * 1024, /* of a body that is not flushed */
    SLICE = 256 * 1024            /* given to the exchange at once */
};

void spi_response_init(
    spi_response *response, spi_usual *usual, spi_field *fields, spi_piece *piece)
{
    response->usual = usual;
    response->fields = fields;
    response->field_capacity = SPI_FIRST_FIELDS;
    response->field_count = response->as_made = usual->count;
    response->status = 200;
    response->declared = -1;
    piece->next = NULL;
    piece->len = 0;
    piece->size = SPI_FIRST_PIECE;
    response->first = response->last = piece;
}

void spi_response_reset(spout_request *r)
{
    spi_response *response = &r->response;
    response->usual = &r->application->usual;
    response->field_count = response->as_made = response->usual->count;
    response->status = 200;
    response->reason = NULL;
    response->declared = -1;
    response->close = false;
    response->type_set = false;
    response->compressor = NULL;
    response->coding = NULL;
    response->plain = 0;
    spi_response_drop_body(r);
}

void spi_response_drop_body(spout_request *r)
{
    r->response.first = r->response.last = NULL;
    r->response.len = 0;
}

int spi_response_find(const spi_response *response, const char *name, size_t name_len)
{
    uint32_t as_made = response->as_made;
    const spi_field *usual = response->usual->fields;
    const spi_field *found = spi_field_find(usual, as_made, name, name_len);
    if (found)
        return (int)(found - usual);
    found = spi_field_find(
        response->fields + as_made, response->field_count - as_made, name, name_len);
    return found ? (int)(found - response->fields) : -1;
}

spi_field *spi_response_change(spi_response *response, uint32_t at)
{
    for (uint32_t i = at; i < response->as_made; i++) {
        response->fields[i] = response->usual->fields[i];
        if (spi_usual_is_date(&response->fields[i]))
            response->fields[i].value = NULL;
    }
    if (at < response->as_made)
        response->as_made = at;
    return &response->fields[at];
}

__attribute__((noinline)) static void grow(spout_request *r)
{
    spi_response *response = &r->response;
    uint32_t capacity = response->field_capacity * 2, as_made = response->as_made;
    spi_field *fields = spi_arena_alloc(spi_request_arena(r), capacity * sizeof *fields);
    memcpy(fields + as_made, response->fields + as_made,
        (response->field_count - as_made) * sizeof *fields);
    response->fields = fields;
    response->field_capacity = capacity;
}

static inline spi_field *new_field(spout_request *r)
{
    spi_response *response = &r->response;
    if (response->field_count == response->field_capacity)
        grow(r);
    return &response->fields[response->field_count++];
}

static spi_field make_field(const char *name, const char *value)
{
    return (spi_field){ name, value, (uint32_t)strlen(name), (uint32_t)strlen(value) };
}

void spi_response_add_field(spout_request *r, spi_field field)
{
    *new_field(r) = field;
}

void spi_response_add(spout_request *r, const char *name, const char *value)
{
    *new_field(r) = make_field(name, value);
}

void spi_response_put(spout_request *r, const char *name, const char *value)
{
    int at = spi_response_find(&r->response, name, strlen(name));
    if (at < 0)
        spi_response_add(r, name, value);
    else
        *spi_response_change(&r->response, (uint32_t)at) = make_field(name, value);
}

bool spi_response_has_usual_type(const spi_response *response)
{
    if (response->as_made < response->usual->count)
        return false;
    for (uint32_t i = response->as_made; i < response->field_count; i++) {
        if (response->fields[i].name_len == sizeof "Content-Type" - 1)
            return false;
    }
    return true;
}

bool spi_response_take_type(spout_request *r, const char *type)
{
    spi_usual *first = &r->application->usual;
    size_t len = strlen(type);
    if (!spi_response_has_usual_type(&r->response))
        return false;
    spi_usual *usual = spi_usual_find(first, type, len);
    if (!usual)
        usual = spi_usual_add(first, r->application->arena, type, len);
    if (!usual)
        return false;
    r->response.usual = usual;
    return true;
}

void spi_response_put_type(spout_request *r, const char *type)
{
    if (!spi_response_take_type(r, type))
        spi_response_put(r, "Content-Type", type);
}

void spi_response_remove_at(spi_response *response, uint32_t at)
{
    spi_response_change(response, at);
    response->field_count--;
    memmove(&response->fields[at], &response->fields[at + 1],
        (response->field_count - at) * sizeof *response->fields);
}

static spi_piece *link_piece(spi_response *response, spi_piece *piece)
{
    piece->next = NULL;
    piece->len = 0;
    if (response->last)
        response->last->next = piece;
    else
        response->first = piece;
    response->last = piece;
    return piece;
}

static spi_piece *new_piece(spout_request *r, size_t len)
{
    spi_response *response = &r->response;
    spi_piece *piece = response->spare;
    if (piece && piece->size >= len) {
        response->spare = NULL;
        return link_piece(response, piece);
    }
    size_t size = response->last ? response->last->size * 2 : SPI_FIRST_PIECE;
    if (size > LARGEST_PIECE)
        size = LARGEST_PIECE;
    if (size < len)
        size = len;
    piece = spi_arena_alloc(spi_request_arena(r), sizeof *piece + size);
    piece->size = size;
    return link_piece(response, piece);
}

/* A body that is too long for it does without the first piece. */
int spi_response_append_slowly(spout_request *r, const void *data, size_t len)
{
    spi_response *response = &r->response;
    if (response->ended)
        return spout_error_set(SPOUT_ESTATE, "the reply is finished: nothing can be added to it");
    if (r->exchange->gone)
        return spout_error_set(SPOUT_ECLOSED, "the client went away");
    if (len > MAX_HELD - response->len)
        return spout_error_set(
            SPOUT_ELIMIT, "the reply is too large to be held: spout_flush sends it in parts");
    if (!len)
        return 0;
    spi_piece *piece = response->last;
    if (!piece || piece->size - piece->len < len) {
        if (response->len == 0)
            spi_response_drop_body(r);
        piece = new_piece(r, len);
    }
    memcpy(piece->data + piece->len, data, len);
    piece->len += len;
    response->len += len;
    return 0;
}

/* What describes a body that isn't there; Content-Location and Content-Security-Policy are no such
   fields. */
static void strip_content_fields(spi_response *response)
{
    static const char *const names[] = { "Content-Type", "Content-Encoding", "Content-Language",
        "Content-Range" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int at = spi_response_find(response, names[i], strlen(names[i]));
        if (at >= 0)
            spi_response_remove_at(response, (uint32_t)at);
    }
}

__attribute__((noinline)) static void fill_date(spout_request *r)
{
    for (uint32_t i = r->response.as_made; i < r->response.field_count; i++) {
        if (!r->response.fields[i].value)
            r->response.fields[i].value = spi_http_date(r->exchange->loop);
    }
}

const spi_field *spi_response_own_fields(spout_request *r)
{
    spi_response_change(&r->response, 0);
    fill_date(r);
    return r->response.fields;
}

int spi_response_sent(spout_request *r, int result)
{
    if (result == SPOUT_ECLOSED)
        r->response.lost = true;
    return result;
}

/* `more`: of the usual fields, beyond those that the reply has. */
static inline void use_usual(spout_request *r, spi_reply_head *head, uint32_t more)
{
    spi_usual *usual = r->response.usual;
    uint32_t as_made = r->response.as_made;
    if (!spi_usual_have_date(usual, as_made))
        fill_date(r);
    spi_usual_use(usual, as_made + more, r->exchange->loop, head);
}

/* The last of what goes into a head. */
static int complete_head(spout_request *r, int64_t content_length, spi_reply_head *ret_head)
{
    spi_response *response = &r->response;
    if (spi_status_is_bodiless(response->status)) {
        strip_content_fields(response);
        content_length = -1;
    }
    if (r->extras && r->extras->session && spi_session_save(r) < 0)
        return spout_error_code_current();
    if (response->cookies || r->handler->dresses)
        spi_response_dress(r);
    *ret_head = (spi_reply_head){
        .status = response->status,
        .reason = response->reason,
        .fields = response->fields,
        .field_count = response->field_count,
        .content_length = content_length,
        .close = response->close,
    };
    use_usual(r, ret_head, 0);
    return 0;
}

int spi_response_send_head(spout_request *r, int64_t content_length)
{
    spi_reply_head head;
    int result = complete_head(r, content_length, &head);
    if (result == 0)
        result = spi_response_sent(r, r->exchange->ops->send_head(r->exchange, &head));
    if (result < 0)
        return result;
    r->response.head_sent = true;
    return 0;
}

/* Waiting is a courtesy to memory: where it can't be (out of time, cancelled, on the loop) the
   queue takes it. */
static int wait_for_room(spout_request *r)
{
    if (!spout_in_task())
        return 0;
    int result = spi_response_sent(r, r->exchange->ops->wait_writable(r->exchange));
    return result == SPOUT_ETIMEDOUT || result == SPOUT_ECANCELED ? 0 : result;
}

static int send_slices(spout_request *r, spout_bytes body)
{
    const spi_exchange_ops *ops = r->exchange->ops;
    while (body.len > SLICE) {
        int result = spi_response_sent(
            r, ops->send_body(r->exchange, (spout_bytes){ body.data, SLICE }));
        if (result == 0)
            result = wait_for_room(r);
        if (result < 0)
            return result;
        body.data += SLICE;
        body.len -= SLICE;
    }
    return spi_response_sent(r, ops->send_body(r->exchange, body));
}

int spi_response_send_pieces(spout_request *r)
{
    spi_response *response = &r->response;
    size_t unsettled = 0;
    for (spi_piece *piece = response->len ? response->first : NULL; piece; piece = piece->next) {
        int result = send_slices(r, (spout_bytes){ piece->data, piece->len });
        unsettled += piece->len;
        if (result == 0 && unsettled > SLICE && piece->next) {
            result = wait_for_room(r);
            unsettled = 0;
        }
        if (result < 0)
            return result;
    }
    response->sent += response->len;
    if (response->last)
        response->spare = response->last; /* a stream that never ends needs no more memory */
    spi_response_drop_body(r);
    return 0;
}

static int check_length(const spout_request *r)
{
    const spi_response *response = &r->response;
    uint64_t len = (response->compressor ? response->plain : response->sent) + response->len;
    if (response->declared < 0 || (uint64_t)response->declared == len)
        return 0;
    if (len == 0 && r->exchange->head.method == SPI_METHOD_HEAD)
        return 0;
    return spout_error_set(SPOUT_EINVAL,
        "Content-Length was set to %lld, but the body has %llu bytes",
        (long long)response->declared, (unsigned long long)len);
}

static bool wants_etag(const spout_request *r)
{
    spi_method method = r->exchange->head.method;
    return r->handler->etag && r->response.status == 200 &&
           (method == SPI_METHOD_GET || method == SPI_METHOD_HEAD);
}

/* Checks and changes what can only be done once a reply is complete. */
static int complete(spout_request *r, int64_t *ret_content_length)
{
    spi_response *response = &r->response;
    if (spi_status_is_bodiless(response->status) && response->len)
        return spout_error_set(SPOUT_EINVAL,
            "a reply with status %d has no body, but %zu bytes were written", response->status,
            response->len);
    if (check_length(r) < 0)
        return SPOUT_EINVAL;
    if (r->handler->compresses)
        spi_compress_begin(r, true);
    if (wants_etag(r) && spi_response_check_etag(r) < 0)
        return spout_error_code_current();
    if (response->compressor && response->status != 304) {
        if (spi_compress_pieces(r, true) < 0)
            return spout_error_code_current();
        response->declared = -1;
    }
    *ret_content_length = response->declared >= 0 ? response->declared : (int64_t)response->len;
    return 0;
}

static int send_in_parts(spout_request *r)
{
    int result = 0;
    if (r->exchange->head.method == SPI_METHOD_HEAD)
        spi_response_drop_body(r);
    else
        result = spi_response_send_pieces(r);
    return result < 0 ? result : spi_response_sent(r, r->exchange->ops->finish(r->exchange));
}

/* A reply of which nothing was sent before. */
static int send_whole(spout_request *r)
{
    spi_response *response = &r->response;
    int64_t content_length = 0;
    int result = complete(r, &content_length);
    if (result < 0)
        return result;
    const spi_piece *piece = response->first;
    if (piece && (piece->next || piece->len > SLICE)) {
        result = spi_response_send_head(r, content_length);
        return result < 0 ? result : send_in_parts(r);
    }
    spi_reply_head head;
    result = complete_head(r, content_length, &head);
    if (result < 0)
        return result;
    spout_bytes body = { "", 0 };
    if (piece && r->exchange->head.method != SPI_METHOD_HEAD)
        body = (spout_bytes){ piece->data, piece->len };
    result = spi_response_sent(r, r->exchange->ops->send_reply(r->exchange, &head, body));
    response->head_sent = r->exchange->head_sent;
    response->sent = body.len;
    return result;
}

/* What is left of a reply that was begun in parts. */
static int end_parts(spout_request *r)
{
    int result = check_length(r);
    if (result < 0 || !r->response.compressor)
        return result;
    return spi_compress_pieces(r, true);
}

__attribute__((noinline)) static int end_any(spout_request *r)
{
    int result = r->handler->transforms ? spi_response_transform(r, true) : 0;
    if (result < 0)
        return result;
    if (r->response.head_sent) {
        result = end_parts(r);
        if (result == 0)
            result = send_in_parts(r);
    } else {
        result = send_whole(r);
    }
    if (result < 0)
        return result;
    r->response.ended = true;
    return 0;
}

/* What nearly all replies are: a 200 in one piece, to which no more than an ETag is to be added. */
static inline bool is_straight(const spout_request *r)
{
    const spi_response *response = &r->response;
    const spi_piece *piece = response->first;
    return r->handler->ends_straight && piece && !piece->next && piece->len <= SLICE &&
           response->status == 200 && response->declared < 0 && !response->head_sent &&
           !response->cookies && !r->extras && r->exchange->head.method != SPI_METHOD_HEAD;
}

/* As end_any would, with what can't be left out. `tags`: so many Etags among the usual fields. */
static inline int end_straight(spout_request *r, uint32_t tags)
{
    spi_response *response = &r->response;
    spi_exchange *exchange = r->exchange;
    const spi_piece *piece = response->first;
    spi_reply_head head;
    use_usual(r, &head, tags);
    head.status = 200;
    head.reason = response->reason;
    head.fields = response->fields;
    head.field_count = response->field_count + tags;
    head.content_length = (int64_t)piece->len;
    head.close = response->close;
    int result = spi_response_sent(
        r, exchange->ops->send_reply(exchange, &head, (spout_bytes){ piece->data, piece->len }));
    response->head_sent = exchange->head_sent;
    response->sent = piece->len;
    response->ended = result == 0;
    return result;
}

/* Whether an Etag can go out among the usual fields: there are no others, and no condition asks for
   it. */
static inline bool takes_usual_etag(const spout_request *r)
{
    const spi_response *response = &r->response;
    return spi_response_is_usual(response) && response->as_made == response->usual->count &&
           !r->exchange->head.has_condition;
}

static int end_with_usual_etag(spout_request *r)
{
    spi_response *response = &r->response;
    const spi_piece *piece = response->first;
    response->hash = spi_content_hash64(piece->data, piece->len);
    response->tagged = true;
    spi_usual_set_etag(response->usual, response->hash);
    return end_straight(r, 1);
}

__attribute__((noinline)) static int end_with_etag(spout_request *r)
{
    int result = spi_response_check_etag(r);
    if (result < 0)
        return result;
    return r->response.status == 200 ? end_straight(r, 0) : end_any(r);
}

int spi_response_end(spout_request *r)
{
    if (!is_straight(r))
        return end_any(r);
    if (!r->handler->etag || r->exchange->head.method != SPI_METHOD_GET)
        return end_straight(r, 0);
    return takes_usual_etag(r) ? end_with_usual_etag(r) : end_with_etag(r);
}
