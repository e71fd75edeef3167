/*
 * From host names to addresses (Tornado's netutil.Resolver).
 *
 * Four ways to look a name up, the first by default:
 *   executor   getaddrinfo in the loop's thread pool (DefaultExecutorResolver)
 *   blocking   getaddrinfo at once: the loop stands still meanwhile (BlockingResolver)
 *   c-ares     asynchronous DNS, where the library was built with it (CaresResolver)
 *   a function of your own
 * Before any of them: numeric addresses are what they are, and overrides are looked at
 * (OverrideResolver). Coroutines that want the same name at the same time share one lookup.
 *
 * c-ares tells for how long an answer is good (its TTL), and a resolver keeps it for no longer, at
 * most an hour and 256 names. getaddrinfo does not tell: its answers are not kept unless .cache_ms
 * says so; the system's own cache knows better.
 *
 * Example:
 *     const spout_endpoint *found;
 *     char ip[46];
 *     int count = spout_resolve("example.org", 80, NULL, &found);
 *     for (int i = 0; i < count; i++)
 *         puts(spout_endpoint_text(&found[i], ip));
 */
#ifndef SPOUT_RESOLVER_H
#define SPOUT_RESOLVER_H

#include <spout/base.h>
#include <spout/sys/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which addresses are wanted. */
typedef enum spout_family {
    SPOUT_FAMILY_ANY = 0,
    SPOUT_FAMILY_IPV4 = 4,
    SPOUT_FAMILY_IPV6 = 6
} spout_family;

enum { SPOUT_RESOLVE_MAX = 32 /* addresses of one name; more are left out */ };

typedef enum spout_resolver_kind {
    SPOUT_RESOLVER_EXECUTOR,
    SPOUT_RESOLVER_BLOCKING,
    SPOUT_RESOLVER_CARES
} spout_resolver_kind;

/* What stands for a name. The first that matches counts. */
typedef struct spout_override {
    const char *host;
    int port;            /* 0: any */
    spout_family family; /* that was asked for; SPOUT_FAMILY_ANY: whichever */
    const char *to;      /* numeric addresses with commas between, or one other name */
    int to_port;         /* 0: as asked */
} spout_override;

/*
 * Looks `host` up: up to `max` addresses of the family into `out`, best first; their ports don't
 * matter. Returns how many, or an error (SPOUT_ENOTFOUND for a name that does not exist). May
 * suspend.
 */
typedef int spout_resolve_fn(
    void *arg, const char *host, spout_family family, spout_endpoint *out, int max) SPOUT_SUSPENDS;

typedef struct spout_resolver_options {
    spout_resolver_kind kind;
    const spout_override *overrides; /* ended by { 0 }; copied */
    spout_resolve_fn *resolve;       /* instead of `kind` */
    void *resolve_arg;
    const char *servers; /* c-ares: "127.0.0.1:53,[::1]:53"; NULL: the system's; copied */
    /* For how long answers are kept. 0: c-ares, as long as their TTL says; others not at all. Else
       others for so long, and c-ares at most so long. SPOUT_NONE: not at all. Failures never are. */
    int64_t cache_ms;
    void *reserved[4];
} spout_resolver_options;

typedef struct spout_resolver spout_resolver;

/* Shared: one reference. NULL with SPOUT_EUNSUPPORTED for c-ares in a build without it. */
SPOUT_API spout_resolver *spout_resolver_new(const spout_resolver_options *options);
SPOUT_API spout_resolver *spout_resolver_ref(spout_resolver *resolver);
SPOUT_API void spout_resolver_unref(spout_resolver *resolver); /* NULL is fine */

/* What the current loop uses where no resolver is named (Resolver.configure); NULL: the executor.
   Keeps a reference. SPOUT_ESTATE without a loop. */
SPOUT_API int spout_resolver_set_default(spout_resolver *resolver);

typedef struct spout_resolve_options {
    spout_resolver *resolver; /* NULL: the loop's default */
    spout_family family;
    void *reserved[4];
} spout_resolve_options;

/*
 * The addresses of a host, in the order in which they should be tried (RFC 6724), without doubles,
 * each with `port`. Returns how many (at least one) and a scoped array. Fails with SPOUT_ENOTFOUND
 * for a name or family that does not exist, SPOUT_EFAILED if the lookup did not work for the
 * moment, SPOUT_ETIMEDOUT and SPOUT_ECANCELED at once, even if the system's resolver goes on in its
 * thread. Numeric addresses, also with a zone (fe80::1%eth0), are not looked up.
 */
SPOUT_API int spout_resolve(const char *host, int port, const spout_resolve_options *options,
    const spout_endpoint **ret_endpoints) SPOUT_SUSPENDS;

#ifdef __cplusplus
}
#endif

#endif
