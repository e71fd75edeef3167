/* Lookups by c-ares: asynchronous DNS on the loop. A channel lives for one lookup, so that ending
   it ends all that belongs to it, and a changed resolv.conf counts at once. */
#include "net/resolver.h"

#include <spout/error.h>

#if SPI_HAVE_CARES

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "net/endpoint.h"

#include <sys/select.h> /* which ares.h forgets */

#include <ares.h>
#include <limits.h>
#include <pthread.h>
#include <sys/time.h>

typedef struct socket_watch {
    spi_list node;
    spi_watch watch;
    struct query *query;
} socket_watch;

typedef struct query {
    ares_channel channel;
    spout_loop *loop;
    spi_list sockets;
    spi_timer timer;
    spi_list waiter;
    const char *host;
    bool done;
    int status, ttl_s;
    spi_addresses *out;
} query;

static void on_timer(spi_timer *timer);

/* c-ares wants to be called when a query times out. */
static void arm(query *self)
{
    struct timeval left, *next = ares_timeout(self->channel, NULL, &left);
    spi_timer_stop(self->loop, &self->timer);
    if (next && !self->done)
        spi_timer_start(self->loop, &self->timer,
            spi_loop_now(self->loop) + next->tv_sec * 1000 + next->tv_usec / 1000 + 1, on_timer);
}

static void process(query *self, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(self->channel, readable, writable);
    arm(self);
}

static void on_timer(spi_timer *timer)
{
    process(spi_container(timer, query, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_event(spi_watch *watch, unsigned events)
{
    ares_socket_t fd = watch->fd;
    query *self = spi_container(watch, socket_watch, watch)->query;
    bool in = events & (SPOUT_READABLE | SPOUT_HANGUP), out = events & SPOUT_WRITABLE;
    process(self, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
}

static socket_watch *find_socket(query *self, ares_socket_t fd)
{
    for (spi_list *node = self->sockets.next; node != &self->sockets; node = node->next) {
        socket_watch *item = spi_container(node, socket_watch, node);
        if (item->watch.fd == fd)
            return item;
    }
    return NULL;
}

static void drop_socket(query *self, socket_watch *item)
{
    spi_watch_stop(self->loop, &item->watch);
    spi_list_remove(&item->node);
    spi_free(item);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    query *self = arg;
    unsigned events = (readable ? (unsigned)SPOUT_READABLE : 0) |
                      (writable ? (unsigned)SPOUT_WRITABLE : 0);
    socket_watch *item = find_socket(self, fd);
    if (events == 0) {
        if (item)
            drop_socket(self, item);
    } else if (item) {
        spi_watch_update(self->loop, &item->watch, events);
    } else {
        item = spi_calloc(sizeof *item);
        item->query = self;
        item->watch.fd = -1;
        if (spi_watch_start(self->loop, &item->watch, fd, events, on_event) < 0)
            spi_free(item); /* the query then times out */
        else
            spi_list_push(&self->sockets, &item->node);
    }
}

/* The least of all records that have led to the addresses. */
static int least_ttl(const struct ares_addrinfo *found)
{
    int least = INT_MAX;
    for (const struct ares_addrinfo_node *item = found->nodes; item; item = item->ai_next)
        if (item->ai_ttl < least)
            least = item->ai_ttl;
    for (const struct ares_addrinfo_cname *item = found->cnames; item; item = item->next)
        if (item->ttl < least)
            least = item->ttl;
    return least == INT_MAX ? 0 : least;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    query *self = arg;
    self->done = true;
    self->status = status;
    self->ttl_s = found ? least_ttl(found) : 0;
    for (const struct ares_addrinfo_node *item = found ? found->nodes : NULL; item;
         item = item->ai_next) {
        spout_endpoint endpoint;
        spi_endpoint_from(&endpoint, item->ai_addr);
        if (endpoint.family != 0)
            spi_addresses_add(self->out, &endpoint);
    }
    if (found)
        ares_freeaddrinfo(found);
    spi_wake_all(&self->waiter);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

static int open_channel(query *self, const char *servers)
{
    struct ares_options options = { .sock_state_cb = on_socket, .sock_state_cb_data = self };
    pthread_once(&once, init_library);
    int status = ares_init_options(&self->channel, &options, ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return spout_error_set(SPOUT_EFAILED, "c-ares: %s", ares_strerror(status));
    if (servers && (status = ares_set_servers_ports_csv(self->channel, servers)) != ARES_SUCCESS) {
        ares_destroy(self->channel);
        return spout_error_set(
            SPOUT_EINVAL, "name servers \"%s\": %s", servers, ares_strerror(status));
    }
    return 0;
}

static int tell(const query *self)
{
    if (self->status == ARES_SUCCESS)
        return 0;
    bool unknown = self->status == ARES_ENOTFOUND || self->status == ARES_ENODATA ||
                   self->status == ARES_EBADNAME;
    return spout_error_set(unknown ? SPOUT_ENOTFOUND : SPOUT_EFAILED, "cannot resolve %s: %s",
        self->host, ares_strerror(self->status));
}

bool spi_resolve_has_cares(void)
{
    return true;
}

int spi_resolve_cares(
    const char *servers, const char *host, spout_family family, spi_addresses *out, int *ret_ttl_s)
{
    spi_addresses found = { .count = 0 };
    query self = { .loop = spout_loop_current(), .host = host, .out = &found };
    spi_list_init(&self.sockets);
    spi_list_init(&self.waiter);
    int result = open_channel(&self, servers);
    if (result < 0)
        return result;
    struct ares_addrinfo_hints hints = { .ai_family = spi_family_to_system(family),
        .ai_socktype = SOCK_STREAM };
    ares_getaddrinfo(self.channel, host, NULL, &hints, on_answer, &self);
    arm(&self);
    if (!self.done)
        result = spi_wait(&self.waiter, "resolve");
    if (result < 0)
        spout_error_wrap(result, "cannot resolve %s", host);
    bool done = self.done;
    self.done = true;
    if (result == 0 && done && (result = tell(&self)) == 0) {
        *out = found;
        *ret_ttl_s = self.ttl_s;
    }
    self.out = &found;
    ares_destroy(self.channel);
    spi_timer_stop(self.loop, &self.timer);
    for (spi_list *node; (node = spi_list_first(&self.sockets));)
        drop_socket(&self, spi_container(node, socket_watch, node));
    return result;
}

#else

bool spi_resolve_has_cares(void)
{
    return false;
}

int spi_resolve_cares(
    const char *servers, const char *host, spout_family family, spi_addresses *out, int *ret_ttl_s)
{
    (void)servers, (void)family, (void)out, (void)ret_ttl_s;
    return spout_error_set(
        SPOUT_EUNSUPPORTED, "cannot resolve %s: this library was built without c-ares", host);
}

#endif
