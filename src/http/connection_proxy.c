#include "http/connection.h"

#include <spout/httputil.h>
#include <spout/memory.h>

#include "base/text.h"

static const spi_field *find(const spi_exchange *base, const char *name)
{
    return spi_field_find(base->head.fields, base->head.field_count, name, strlen(name));
}

/* The last field of that name: each proxy adds behind what it was sent. */
static const spi_field *find_last(const spi_exchange *base, const char *name)
{
    const spi_request_head *head = &base->head;
    for (size_t i = head->field_count; i-- > 0;) {
        const spi_field *field = &head->fields[i];
        if (spi_equal_nocase(field->name, field->name_len, name, strlen(name)))
            return field;
    }
    return NULL;
}

/* All fields of that name are one list. */
static spout_bytes join_lists(const spi_exchange *base, const char *name)
{
    const spi_request_head *head = &base->head;
    size_t len = 0, at = 0;
    for (size_t i = 0; i < head->field_count; i++)
        len += head->fields[i].value_len + 1;
    char *list = spi_arena_chars(base->arena, len + 1);
    for (size_t i = 0; i < head->field_count; i++) {
        const spi_field *field = &head->fields[i];
        if (!spi_equal_nocase(field->name, field->name_len, name, strlen(name)))
            continue;
        if (at > 0)
            list[at++] = ',';
        memcpy(list + at, field->value, field->value_len);
        at += field->value_len;
    }
    list[at] = '\0';
    return (spout_bytes){ list, at };
}

static bool find_client(
    const spi_exchange *base, const spi_networks *trusted, spout_endpoint *ret_client)
{
    if (find(base, "X-Forwarded-For")) {
        spout_bytes list = join_lists(base, "X-Forwarded-For");
        return spi_forwarded_client(list.data, list.len, trusted, ret_client);
    }
    const spi_field *real = find_last(base, "X-Real-Ip");
    return real && spi_forwarded_parse_node(real->value, real->value_len, ret_client);
}

static void take_client(spi_exchange *base, const spout_endpoint *client)
{
    spout_endpoint *peer = spi_arena_alloc(base->arena, sizeof *peer);
    *peer = *client;
    base->peer = peer;
}

static void take_protocol(spi_exchange *base, spout_bytes name)
{
    if (spi_equal_nocase(name.data, name.len, "http", 4))
        base->protocol = "http";
    else if (spi_equal_nocase(name.data, name.len, "https", 5))
        base->protocol = "https";
}

static void apply_protocol(spi_exchange *base)
{
    const spi_field *field = find_last(base, "X-Scheme");
    if (!field)
        field = find_last(base, "X-Forwarded-Proto");
    if (!field)
        return;
    const char *at = field->value, *end = at + field->value_len;
    spout_bytes last = { "", 0 };
    while (spi_list_next(&at, end, &last))
        ;
    take_protocol(base, last);
}

static void believe_xheaders(spi_exchange *base, const spi_networks *trusted)
{
    spout_endpoint client;
    if (find_client(base, trusted, &client))
        take_client(base, &client);
    apply_protocol(base);
}

/* Whoever wrote the element is trusted. True if what stands in front of it is trusted as well. */
static bool believe_hop(spi_exchange *base, const spi_networks *trusted, const spout_forwarded *hop)
{
    spout_endpoint client;
    if (hop->protocol)
        take_protocol(base, spout_bytes_of(hop->protocol));
    if (!hop->client || !spi_forwarded_parse_node(hop->client, strlen(hop->client), &client))
        return false;
    take_client(base, &client);
    return spi_forwarded_trusts(trusted, &client);
}

static void believe_forwarded(spi_exchange *base, const spi_networks *trusted)
{
    if (!find(base, "Forwarded"))
        return;
    spout_scope *scope = spout_scope_push();
    spout_forwarded *hops;
    long count = spout_parse_forwarded(join_lists(base, "Forwarded").data, &hops);
    while (count > 0 && believe_hop(base, trusted, &hops[count - 1]))
        count--;
    spout_scope_pop(scope);
}

static void believe(spi_exchange *base, const spout_http_server *server)
{
    bool is_local = base->peer->family == 0;
    if (!server->limits.trusts_all && !is_local &&
        !spi_forwarded_trusts(&server->trusted, base->peer))
        return;
    if (server->limits.forwarded)
        believe_forwarded(base, &server->trusted);
    else
        believe_xheaders(base, &server->trusted);
}

/* One coding, gzip: then the body will be inflated, and the header says so. */
static void announce_gzip(spi_http1_exchange *exchange)
{
    static const char name[] = "Content-Encoding", consumed[] = "X-Consumed-Content-Encoding";
    spi_request_head *head = &exchange->base.head;
    spi_field *found = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        spi_field *field = &head->fields[i];
        if (!spi_equal_nocase(field->name, field->name_len, name, sizeof name - 1))
            continue;
        if (found)
            return;
        found = field;
    }
    if (!found || (!spi_equal_nocase(found->value, found->value_len, "gzip", 4) &&
                      !spi_equal_nocase(found->value, found->value_len, "x-gzip", 6)))
        return;
    found->name = consumed;
    found->name_len = sizeof consumed - 1;
    exchange->is_gzip = true;
}

void spi_http1_apply_options(spi_http1_exchange *exchange)
{
    const spout_http_server *server = exchange->connection->server;
    spi_exchange *base = &exchange->base;
    if (server->limits.protocol)
        base->protocol = server->limits.protocol;
    if (server->limits.xheaders || server->limits.forwarded)
        believe(base, server);
    if (server->limits.decompress && base->head.body_kind != SPI_BODY_NONE)
        announce_gzip(exchange);
}
