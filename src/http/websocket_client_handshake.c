/* A client's opening handshake (RFC 6455 §4.1, RFC 7692 §7.1): the request, and what answers it. */
#include <spout/error.h>
#include <spout/version.h>

#include "base/digest.h"
#include "base/text.h"
#include "http/websocket_client.h"

static spout_bytes name_of(const char *line)
{
    const char *colon = strchr(line, ':');
    return (spout_bytes){ line, colon ? (size_t)(colon - line) : 0 };
}

static const char *value_of(const char *line)
{
    line = strchr(line, ':') + 1;
    while (spi_is_blank(*line))
        line++;
    return line;
}

static bool is_one_of(spout_bytes name, const char *const *names)
{
    for (; *names; names++)
        if (spi_equal_nocase(name.data, name.len, *names, strlen(*names)))
            return true;
    return false;
}

static int check_line(const char *line)
{
    static const char *const own[] = { "Upgrade", "Connection", "Sec-WebSocket-Key",
        "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept", "Content-Length", "Transfer-Encoding", NULL };
    spout_bytes name = name_of(line);
    if (!spi_is_token(name.data, name.len))
        return spout_error_set(SPOUT_EINVAL, "a header line is \"Name: value\"");
    const char *value = value_of(line);
    if (!spi_is_field_value(value, strlen(value)))
        return spout_error_set(SPOUT_EINVAL, "the header %.*s has a value that can't be sent",
            (int)name.len, name.data);
    if (is_one_of(name, own))
        return spout_error_set(
            SPOUT_EINVAL, "the header %.*s is the handshake's own", (int)name.len, name.data);
    return 0;
}

static int check_protocols(const char *const *protocols)
{
    for (size_t i = 0; protocols && protocols[i]; i++) {
        if (!spi_is_token(protocols[i], strlen(protocols[i])))
            return spout_error_set(SPOUT_EINVAL, "a subprotocol's name must be a token");
        for (size_t k = 0; k < i; k++)
            if (strcmp(protocols[i], protocols[k]) == 0)
                return spout_error_set(
                    SPOUT_EINVAL, "the subprotocol %s is offered twice", protocols[i]);
    }
    return 0;
}

int spi_websocket_check_options(const spout_websocket_connect_options *options)
{
    int result = 0;
    for (const char *const *line = options->headers; line && *line && result == 0; line++)
        result = check_line(*line);
    return result < 0 ? result : check_protocols(options->subprotocols);
}

spi_deflate_terms spi_websocket_wanted_terms(const spout_websocket_compression *compression)
{
    uint8_t bits = spi_websocket_window_bits(compression);
    return (spi_deflate_terms){ .server_takeover = compression->takeover,
        .client_takeover = compression->takeover,
        .server_bits = bits,
        .client_bits = bits };
}

static const char *protocol_line(spi_arena *arena, const char *const *protocols)
{
    const char *line = "";
    for (size_t i = 0; protocols && protocols[i]; i++)
        line = spi_arena_format(
            arena, "%s%s%s", i ? line : "Sec-WebSocket-Protocol: ", i ? ", " : "", protocols[i]);
    return *line ? spi_arena_format(arena, "%s\r\n", line) : "";
}

static const char *extension_line(spi_arena *arena, const spout_websocket_connect_options *options)
{
    char offer[SPI_DEFLATE_OFFER_SIZE];
    if (!options->handler || !options->handler->compression)
        return "";
    const spi_deflate_terms wanted = spi_websocket_wanted_terms(options->handler->compression);
    spi_deflate_offer(&wanted, offer);
    return spi_arena_format(arena, "Sec-WebSocket-Extensions: %s\r\n", offer);
}

/* Which of our own lines the user's ones replace. */
typedef struct replaced {
    bool host, user_agent, authorization;
} replaced;

static void note_replaced(spout_bytes name, replaced *found)
{
    static const char *const names[][2] = { { "Host", NULL }, { "User-Agent", NULL },
        { "Authorization", NULL } };
    found->host |= is_one_of(name, names[0]);
    found->user_agent |= is_one_of(name, names[1]);
    found->authorization |= is_one_of(name, names[2]);
}

static const char *users_lines(
    spi_arena *arena, const spi_websocket_request *request, replaced *ret_replaced)
{
    static const char *const bound[] = { "Host", "Authorization", "Cookie", "Proxy-Authorization",
        NULL };
    const char *text = "";
    for (const char *const *line = request->options->headers; line && *line; line++) {
        spout_bytes name = name_of(*line);
        if (request->foreign && is_one_of(name, bound))
            continue;
        note_replaced(name, ret_replaced);
        text = spi_arena_format(
            arena, "%s%.*s: %s\r\n", text, (int)name.len, name.data, value_of(*line));
    }
    return text;
}

static const char *own_lines(spi_arena *arena, const spi_client_url *url, const replaced *given)
{
    const char *host = given->host ? "" : spi_arena_format(arena, "Host: %s\r\n", url->authority);
    const char *agent = given->user_agent ? "" : "User-Agent: Waterspout/" SPOUT_VERSION "\r\n";
    if (!url->user || given->authorization)
        return spi_arena_format(arena, "%s%s", host, agent);
    return spi_arena_format(arena, "%s%sAuthorization: Basic %s\r\n", host, agent,
        spi_basic_credentials(arena, url->user, url->password));
}

const char *spi_basic_credentials(spi_arena *arena, const char *user, const char *password)
{
    const char *pair = spi_arena_format(arena, "%s:%s", user, password);
    size_t len = strlen(pair);
    char *text = spi_arena_chars(arena, (len + 2) / 3 * 4 + 1);
    text[spi_base64_encode(text, pair, len)] = '\0';
    return text;
}

spout_bytes spi_websocket_request_text(spi_arena *arena, const spi_websocket_request *request)
{
    replaced given = { .host = false };
    const char *lines = users_lines(arena, request, &given);
    return spout_bytes_of(spi_arena_format(arena,
        "GET %s HTTP/1.1\r\n%s%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: %s\r\n%s%s\r\n",
        request->url->target, own_lines(arena, request->url, &given), lines, request->key,
        SPI_WEBSOCKET_VERSION, protocol_line(arena, request->options->subprotocols),
        extension_line(arena, request->options)));
}

/* --- the answer --- */

static int refuse(const char *what)
{
    return spout_error_set(SPOUT_EPROTO, "the server's handshake is wrong: %s", what);
}

/* The one field of that name. How many there are is returned. */
static size_t find_fields(
    const spi_response_head *head, const char *name, const spi_field **ret_field)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (!spi_equal_nocase(field->name, field->name_len, name, strlen(name)))
            continue;
        *ret_field = field;
        count++;
    }
    return count;
}

static int check_protocol(
    const spi_response_head *head, const char *const *offered, const char **ret_subprotocol)
{
    const spi_field *field = NULL;
    size_t count = find_fields(head, "Sec-WebSocket-Protocol", &field);
    if (count > 1)
        return refuse("it selects several subprotocols");
    for (; count == 1 && offered && *offered; offered++) {
        if (strcmp(field->value, *offered) != 0)
            continue;
        *ret_subprotocol = *offered;
        return 0;
    }
    return count == 0 ? 0 : refuse("it selects a subprotocol that was not offered");
}

static int check_extensions(const spi_response_head *head,
    const spout_websocket_connect_options *options, spi_websocket_agreement *agreement)
{
    const spi_field *field = NULL;
    size_t count = find_fields(head, "Sec-WebSocket-Extensions", &field);
    if (count == 0 || (count == 1 && field->value_len == 0))
        return 0;
    if (!options->handler || !options->handler->compression)
        return refuse("it selects an extension that was not offered");
    const spi_deflate_terms wanted = spi_websocket_wanted_terms(options->handler->compression);
    if (count > 1 || !spi_deflate_take_answer((spout_bytes){ field->value, field->value_len },
                         &wanted, &agreement->terms))
        return refuse("it selects an extension, or parameters of one, that were not offered");
    agreement->compressed = true;
    return 0;
}

int spi_websocket_check_response(const spi_response_head *head,
    const spi_websocket_request *request, spi_websocket_agreement *ret_agreement)
{
    char accept[29];
    spi_websocket_agreement agreement = { .subprotocol = NULL };
    const spi_field *field = NULL;
    if (head->minor_version == 0)
        return refuse("HTTP/1.0 has no upgrades");
    if (find_fields(head, "Upgrade", &field) != 1 ||
        !spi_equal_nocase(field->value, field->value_len, "websocket", 9))
        return refuse("\"Upgrade\" isn't \"websocket\"");
    if (!spi_field_lists(head->fields, head->field_count, "Connection", "upgrade"))
        return refuse("\"Connection\" isn't \"Upgrade\"");
    spi_websocket_accept_value(request->key, accept);
    if (find_fields(head, "Sec-WebSocket-Accept", &field) != 1 || strcmp(field->value, accept) != 0)
        return refuse("\"Sec-WebSocket-Accept\" doesn't answer our key");
    int result = check_protocol(head, request->options->subprotocols, &agreement.subprotocol);
    if (result == 0)
        result = check_extensions(head, request->options, &agreement);
    if (result == 0)
        *ret_agreement = agreement;
    return result;
}
