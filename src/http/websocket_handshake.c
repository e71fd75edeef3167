/* The opening handshake (RFC 6455 §4.2): what a request must say, and the 101. */
#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/token.h"
#include "http/websocket_client.h"

static bool is_named(const spi_field *field, const char *name)
{
    return spi_equal_nocase(field->name, field->name_len, name, strlen(name));
}

/* The field of that name if there is exactly one. */
static const spi_field *only_field(const spi_request_head *head, const char *name)
{
    const spi_field *found = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!is_named(&head->fields[i], name))
            continue;
        if (found)
            return NULL;
        found = &head->fields[i];
    }
    return found;
}

static bool lists(const spi_request_head *head, const char *name, const char *token)
{
    return spi_field_lists(head->fields, head->field_count, name, token);
}

/* 16 bytes in base64 (§4.1). */
static bool is_key(const spi_field *field)
{
    char bytes[18];
    size_t len;
    return field && field->value_len == 24 &&
           spi_base64_decode(bytes, &len, field->value, field->value_len) && len == 16;
}

static int check_before_origin(const spi_request_head *head, const char **ret_text)
{
    if (!lists(head, "Upgrade", "websocket")) {
        *ret_text = "Can \"Upgrade\" only to \"WebSocket\".";
        return 400;
    }
    if (!lists(head, "Connection", "upgrade")) {
        *ret_text = "\"Connection\" must be \"Upgrade\".";
        return 400;
    }
    return 0;
}

static int check_after_origin(const spi_request_head *head, const char **ret_text)
{
    const spi_field *version = only_field(head, "Sec-WebSocket-Version");
    if (!version || strcmp(version->value, SPI_WEBSOCKET_VERSION) != 0) {
        *ret_text = "Upgrade Required";
        return 426;
    }
    if (head->minor_version < 1 || !*head->host || !is_key(only_field(head, "Sec-WebSocket-Key"))) {
        *ret_text = "Missing/Invalid WebSocket headers";
        return 400;
    }
    return 0;
}

int spi_websocket_check_request(
    const spi_request_head *head, bool after_origin, const char **ret_text)
{
    return after_origin ? check_after_origin(head, ret_text) : check_before_origin(head, ret_text);
}

/* Counts the protocols that are offered, and copies them to `out` unless that is NULL. */
static size_t walk_protocols(spi_arena *arena, const spi_request_head *head, const char **out)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (!is_named(field, "Sec-WebSocket-Protocol"))
            continue;
        const char *at = field->value;
        spout_bytes name;
        while (spi_list_next(&at, field->value + field->value_len, &name)) {
            if (!spi_is_token(name.data, name.len))
                continue;
            if (out)
                out[count] = spi_arena_memdup(arena, name.data, name.len);
            count++;
        }
    }
    return count;
}

size_t spi_websocket_offered_protocols(
    spi_arena *arena, const spi_request_head *head, const char *const **ret_offered)
{
    size_t count = walk_protocols(NULL, head, NULL);
    const char **offered = spi_arena_alloc(arena, (count + 1) * sizeof *offered);
    walk_protocols(arena, head, offered);
    offered[count] = NULL;
    *ret_offered = offered;
    return count;
}

/* An authority without the port that its scheme has anyway. */
static spout_bytes without_default_port(spout_bytes authority, spout_bytes scheme)
{
    bool secure = spi_equal_nocase(scheme.data, scheme.len, "https", 5) ||
                  spi_equal_nocase(scheme.data, scheme.len, "wss", 3);
    const char *port = secure ? ":443" : ":80";
    size_t len = strlen(port);
    if (authority.len >= len && memcmp(authority.data + authority.len - len, port, len) == 0)
        authority.len -= len;
    return authority;
}

bool spi_websocket_is_same_origin(const char *origin, const char *host, const char *protocol)
{
    const char *separator = strstr(origin, "://");
    if (!separator || separator == origin || !*host)
        return false;
    spout_bytes scheme = { origin, (size_t)(separator - origin) };
    spout_bytes theirs = without_default_port(spout_bytes_of(separator + 3), scheme);
    spout_bytes ours = without_default_port(spout_bytes_of(host), spout_bytes_of(protocol));
    return ours.len > 0 && spi_equal_nocase(theirs.data, theirs.len, ours.data, ours.len);
}

void spi_websocket_accept_value(const char *key, char out[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[24 + sizeof guid];
    memcpy(text, key, 24);
    memcpy(text + 24, guid, sizeof guid);
    unsigned char digest[20];
    spi_sha1(digest, text, 24 + sizeof guid - 1);
    out[spi_base64_encode(out, digest, sizeof digest)] = '\0';
}

static spi_field field_of(const char *name, const char *value)
{
    return (spi_field){ name, value, (uint32_t)strlen(name), (uint32_t)strlen(value) };
}

uint8_t spi_websocket_window_bits(const spout_websocket_compression *compression)
{
    int bits = compression->window_bits;
    if (bits == 0 || bits > SPI_DEFLATE_MAX_BITS)
        return SPI_DEFLATE_MAX_BITS;
    return (uint8_t)(bits < SPI_DEFLATE_MIN_BITS ? SPI_DEFLATE_MIN_BITS : bits);
}

bool spi_websocket_agree_deflate(const spi_request_head *head,
    const spout_websocket_compression *compression, spi_deflate_terms *ret_terms)
{
    if (!compression)
        return false;
    const spi_deflate_terms wanted = spi_websocket_wanted_terms(compression);
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        const spout_bytes value = { field->value, field->value_len };
        if (is_named(field, "Sec-WebSocket-Extensions") &&
            spi_deflate_negotiate(value, &wanted, ret_terms))
            return true;
    }
    return false;
}

int spi_websocket_upgrade(spi_exchange *exchange, const char *subprotocol, const char *extensions,
    const spi_field *fields, size_t field_count, const spi_tunnel *tunnel, void *self)
{
    char accept[29];
    spi_websocket_accept_value(only_field(&exchange->head, "Sec-WebSocket-Key")->value, accept);
    spi_field *all = spi_malloc((field_count + 4) * sizeof *all);
    size_t count = 0;
    while (count < field_count) {
        all[count] = fields[count];
        count++;
    }
    if (subprotocol)
        all[count++] = field_of("Sec-WebSocket-Protocol", subprotocol);
    if (extensions)
        all[count++] = field_of("Sec-WebSocket-Extensions", extensions);
    all[count++] = field_of("Upgrade", "websocket");
    all[count++] = field_of("Sec-WebSocket-Accept", accept);
    const spi_reply_head head = {
        .status = 101, .fields = all, .field_count = count, .content_length = -1
    };
    int result = exchange->ops->upgrade(exchange, &head, tunnel, self);
    spi_free(all);
    return result;
}
