#include "net/resolver.h"

#include <spout/error.h>
#include <spout/executor.h>
#include <spout/memory.h>
#include <spout/task.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/task.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/resolver_cache.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>

enum { MAX_HOST = 255, MAX_TTL_S = 3600 };

struct spout_resolver {
    size_t refs;
    spout_resolver_kind kind;
    spout_override *overrides; /* their texts are ours */
    size_t override_count;
    spout_resolve_fn *resolve;
    void *resolve_arg;
    char *servers;
    int64_t cache_ms; /* as in the options */
    spi_resolver_cache cache;
};

/* One lookup in a thread, and all who wait for it. It belongs to the coroutine that stays with it
   to its end, and to those who wait. */
typedef struct lookup {
    spi_list node; /* in the loop's list until it is done */
    size_t refs;
    char *host;
    spout_family family;
    spi_list waiters;
    bool done;
    int result;
    spout_error *error;
    spi_addresses found;
} lookup;

int spi_family_to_system(spout_family family)
{
    switch (family) {
    case SPOUT_FAMILY_ANY: return AF_UNSPEC;
    case SPOUT_FAMILY_IPV4: return AF_INET;
    case SPOUT_FAMILY_IPV6: return AF_INET6;
    }
    return AF_UNSPEC;
}

bool spi_addresses_add(spi_addresses *addresses, const spout_endpoint *endpoint)
{
    for (int i = 0; i < addresses->count; i++)
        if (spi_endpoint_is_same_host(&addresses->items[i], endpoint))
            return true;
    if (addresses->count == SPOUT_RESOLVE_MAX)
        return false;
    addresses->items[addresses->count++] = *endpoint;
    return true;
}

/* --- the system's resolver --- */

static int cannot_resolve(const char *host, int failure, int errnum)
{
    if (failure == EAI_SYSTEM)
        return spout_error_set_errno(errnum, "cannot resolve %s", host);
    bool unknown = failure == EAI_NONAME;
#ifdef EAI_NODATA
    unknown = unknown || failure == EAI_NODATA;
#endif
#ifdef EAI_ADDRFAMILY
    unknown = unknown || failure == EAI_ADDRFAMILY;
#endif
    return spout_error_set(unknown ? SPOUT_ENOTFOUND : SPOUT_EFAILED, "cannot resolve %s: %s", host,
        gai_strerror(failure));
}

static void collect(const struct addrinfo *found, spi_addresses *out)
{
    for (; found; found = found->ai_next) {
        spout_endpoint endpoint;
        spi_endpoint_from(&endpoint, found->ai_addr);
        endpoint.port = 0;
        if (endpoint.family != 0 && !spi_addresses_add(out, &endpoint))
            return;
    }
}

int spi_resolve_blocking(const char *host, spout_family family, spi_addresses *out)
{
    struct addrinfo hints = { .ai_family = spi_family_to_system(family),
        .ai_socktype = SOCK_STREAM },
                    *found = NULL;
    int failure = getaddrinfo(host, NULL, &hints, &found);
    if (failure)
        return cannot_resolve(host, failure, errno);
    collect(found, out);
    freeaddrinfo(found);
    return 0;
}

/* --- lookups in threads --- */

static void lookup_unref(lookup *self)
{
    if (--self->refs > 0)
        return;
    spi_error_free(self->error);
    spi_free(self->host);
    spi_free(self);
}

static int look_up(void *arg)
{
    lookup *self = arg;
    return spi_resolve_blocking(self->host, self->family, &self->found);
}

/* Stays with the work until it has ended, however long that is. */
static int run_lookup(void *arg)
{
    lookup *self = arg;
    self->result = spout_run_in_executor(look_up, self);
    self->error = self->result < 0 ? spi_error_take() : NULL;
    self->done = true;
    spi_list_remove(&self->node);
    spi_wake_all(&self->waiters);
    lookup_unref(self);
    return 0;
}

static lookup *find_lookup(spi_net *net, const char *host, spout_family family)
{
    for (spi_list *node = net->lookups.next; node != &net->lookups; node = node->next) {
        lookup *self = spi_container(node, lookup, node);
        if (self->family == family && spi_text_equal_nocase(self->host, host))
            return self;
    }
    return NULL;
}

static lookup *start_lookup(spi_net *net, const char *host, spout_family family)
{
    lookup *self = spi_calloc(sizeof *self);
    self->refs = 1;
    self->host = spi_strdup(host);
    self->family = family;
    spi_list_init(&self->node);
    spi_list_init(&self->waiters);
    if (spout_spawn(run_lookup, self, &(spout_task_options){ .name = "resolve" }) < 0) {
        lookup_unref(self);
        return NULL;
    }
    spi_list_push(&net->lookups, &self->node);
    return self;
}

static int resolve_in_executor(const char *host, spout_family family, spi_addresses *out)
{
    spi_net *net = spi_net_get(spout_loop_current());
    lookup *self = find_lookup(net, host, family);
    if (!self)
        self = start_lookup(net, host, family);
    if (!self)
        return spout_error_code_current();
    self->refs++;
    int result = spi_wait(&self->waiters, "resolve");
    if (result < 0) {
        spout_error_wrap(result, "cannot resolve %s", host);
    } else if (self->result < 0) {
        result = spi_error_put(spi_error_copy(self->error));
    } else {
        *out = self->found;
    }
    lookup_unref(self);
    return result;
}

/* --- resolvers --- */

static void copy_overrides(spout_resolver *resolver, const spout_override *overrides)
{
    size_t count = 0;
    while (overrides && overrides[count].host)
        count++;
    if (count == 0)
        return;
    resolver->overrides = spi_calloc(count * sizeof *overrides);
    resolver->override_count = count;
    for (size_t i = 0; i < count; i++) {
        resolver->overrides[i] = overrides[i];
        resolver->overrides[i].host = spi_strdup(overrides[i].host);
        resolver->overrides[i].to = spi_strdup(overrides[i].to ? overrides[i].to : "");
    }
}

spout_resolver *spout_resolver_new(const spout_resolver_options *options)
{
    static const spout_resolver_options defaults;
    if (!options)
        options = &defaults;
    if (options->kind == SPOUT_RESOLVER_CARES && !options->resolve && !spi_resolve_has_cares()) {
        spout_error_set(SPOUT_EUNSUPPORTED, "this library was built without c-ares");
        return NULL;
    }
    spout_resolver *resolver = spi_calloc(sizeof *resolver);
    resolver->refs = 1;
    resolver->kind = options->kind;
    resolver->cache_ms = options->cache_ms;
    spi_resolver_cache_init(&resolver->cache);
    resolver->resolve = options->resolve;
    resolver->resolve_arg = options->resolve_arg;
    resolver->servers = options->servers ? spi_strdup(options->servers) : NULL;
    copy_overrides(resolver, options->overrides);
    return resolver;
}

spout_resolver *spout_resolver_ref(spout_resolver *resolver)
{
    resolver->refs++;
    return resolver;
}

void spout_resolver_unref(spout_resolver *resolver)
{
    if (!resolver || --resolver->refs > 0)
        return;
    for (size_t i = 0; i < resolver->override_count; i++) {
        spi_free((void *)(uintptr_t)resolver->overrides[i].host);
        spi_free((void *)(uintptr_t)resolver->overrides[i].to);
    }
    spi_free(resolver->overrides);
    spi_resolver_cache_clear(&resolver->cache);
    spi_free(resolver->servers);
    spi_free(resolver);
}

int spout_resolver_set_default(spout_resolver *resolver)
{
    spout_loop *loop = spout_loop_current();
    if (!loop)
        return spout_error_set(SPOUT_ESTATE, "a default resolver needs a loop");
    spi_net *net = spi_net_get(loop);
    spout_resolver *before = net->resolver;
    net->resolver = resolver ? spout_resolver_ref(resolver) : NULL;
    spout_resolver_unref(before);
    return 0;
}

/* --- one name --- */

static const spout_override *find_override(
    const spout_resolver *resolver, const char *host, int port, spout_family family)
{
    for (size_t i = 0; resolver && i < resolver->override_count; i++) {
        const spout_override *item = &resolver->overrides[i];
        if (spi_text_equal_nocase(item->host, host) && (item->port == 0 || item->port == port) &&
            (item->family == SPOUT_FAMILY_ANY || item->family == family))
            return item;
    }
    return NULL;
}

/* Numeric addresses with commas between. False if the text is anything else. */
static bool parse_list(const char *text, spi_addresses *out)
{
    spi_addresses found = { .count = 0 };
    while (*text) {
        char one[INET6_ADDRSTRLEN + IF_NAMESIZE];
        size_t len = strcspn(text, ",");
        if (len >= sizeof one)
            return false;
        memcpy(one, text, len);
        one[len] = '\0';
        spout_endpoint endpoint;
        if (!spi_endpoint_parse_zoned(&endpoint, one, 0))
            return false;
        spi_addresses_add(&found, &endpoint);
        text += len + (text[len] == ',');
    }
    if (found.count > 0)
        *out = found;
    return found.count > 0;
}

static int ask_own_function(
    const spout_resolver *resolver, const char *host, spout_family family, spi_addresses *out)
{
    spout_endpoint items[SPOUT_RESOLVE_MAX];
    int count = resolver->resolve(resolver->resolve_arg, host, family, items, SPOUT_RESOLVE_MAX);
    for (int i = 0; i < count; i++)
        spi_addresses_add(out, &items[i]);
    return count < 0 ? count : 0;
}

static int ask(const spout_resolver *resolver, const char *host, spout_family family,
    spi_addresses *out, int *ret_ttl_s)
{
    if (resolver && resolver->resolve)
        return ask_own_function(resolver, host, family, out);
    switch (resolver ? resolver->kind : SPOUT_RESOLVER_EXECUTOR) {
    case SPOUT_RESOLVER_EXECUTOR: return resolve_in_executor(host, family, out);
    case SPOUT_RESOLVER_BLOCKING: return spi_resolve_blocking(host, family, out);
    case SPOUT_RESOLVER_CARES:
        return spi_resolve_cares(resolver->servers, host, family, out, ret_ttl_s);
    }
    return spout_error_set(SPOUT_EINVAL, "no such kind of resolver");
}

/* No longer than the answer is good, as far as that is known. */
static int64_t lifetime_ms(const spout_resolver *resolver, int ttl_s)
{
    if (resolver->cache_ms < 0)
        return 0;
    bool tells = resolver->kind == SPOUT_RESOLVER_CARES && !resolver->resolve;
    if (!tells)
        return resolver->cache_ms;
    int64_t most = resolver->cache_ms > 0 ? resolver->cache_ms : MAX_TTL_S * 1000;
    return ttl_s * INT64_C(1000) < most ? ttl_s * INT64_C(1000) : most;
}

static int ask_or_know(
    spout_resolver *resolver, const char *host, spout_family family, spi_addresses *out)
{
    int ttl_s = 0;
    if (!resolver)
        return ask(NULL, host, family, out, &ttl_s);
    if (spi_resolver_cache_find(&resolver->cache, host, family, out))
        return 0;
    spout_resolver_ref(resolver);
    int result = ask(resolver, host, family, out, &ttl_s);
    if (result == 0 && out->count > 0)
        spi_resolver_cache_add(&resolver->cache, host, family, out, lifetime_ms(resolver, ttl_s));
    spout_resolver_unref(resolver);
    return result;
}

/* Only those of the family, each with its port. */
static int finish(
    const char *host, int port, spout_family family, const spi_addresses *found, spi_addresses *out)
{
    out->count = 0;
    for (int i = 0; i < found->count; i++) {
        if (family != SPOUT_FAMILY_ANY && found->items[i].family != (uint8_t)family)
            continue;
        out->items[out->count] = found->items[i];
        out->items[out->count++].port = (uint16_t)port;
    }
    if (out->count > 0)
        return 0;
    return spout_error_set(SPOUT_ENOTFOUND, "cannot resolve %s: it has no %saddress", host,
        family == SPOUT_FAMILY_IPV4   ? "IPv4 "
        : family == SPOUT_FAMILY_IPV6 ? "IPv6 "
                                      : "");
}

int spi_resolve(
    spout_resolver *resolver, const char *host, int port, spout_family family, spi_addresses *out)
{
    if (!spi_task_current())
        return spout_error_set(SPOUT_ESTATE, "only a coroutine can wait (resolve)");
    if (port < 0 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "there is no port %d", port);
    if (!host || !*host || strlen(host) > MAX_HOST)
        return spout_error_set(SPOUT_EINVAL, "a host name is empty or too long");
    if (!resolver)
        resolver = spi_net_get(spout_loop_current())->resolver;
    const spout_override *override = find_override(resolver, host, port, family);
    const char *name = override ? override->to : host;
    if (override && override->to_port)
        port = override->to_port;
    spi_addresses found = { .count = 0 };
    int result = parse_list(name, &found) ? 0 : ask_or_know(resolver, name, family, &found);
    return result < 0 ? result : finish(host, port, family, &found, out);
}

int spout_resolve(const char *host, int port, const spout_resolve_options *options,
    const spout_endpoint **ret_endpoints)
{
    spi_addresses found;
    int result = spi_resolve(options ? options->resolver : NULL, host, port,
        options ? options->family : SPOUT_FAMILY_ANY, &found);
    if (result < 0)
        return result;
    size_t size = (size_t)found.count * sizeof found.items[0];
    *ret_endpoints = memcpy(spout_scope_alloc(size), found.items, size);
    return found.count;
}
