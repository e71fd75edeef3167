#include "net/net.h"

#include <spout/resolver.h>

#include "base/memory.h"
#include "base/ticks.h"
#include "net/output.h"

static const spi_transport_limits default_limits = {
    .high_mark = 64 * 1024,
    .low_mark = 16 * 1024,
    .max_pending = 16 * 1024 * 1024,
    .write_timeout_ms = 30 * 1000,
};

static void flush_at_turn_end(spi_turn_hook *hook)
{
    spi_turn_hook_remove(hook);
    spi_net_flush(spi_container(hook, spi_net, flush_hook), false);
}

static void destroy_net(void *value)
{
    spi_net *net = value;
    spi_list *node;
    while ((node = spi_list_pop(&net->owned))) {
        spi_net_owned *owned = spi_container(node, spi_net_owned, node);
        owned->destroy(owned);
    }
    spout_resolver_unref(net->resolver);
    spi_turn_hook_remove(&net->flush_hook);
    spi_unpoison(net->receive, SPI_RECEIVE_SIZE + 1);
    spi_free(net->receive);
    spi_free(net->gather_start);
    spi_free(net->tls);
    spi_free(net);
}

static void apply_limits(spi_net *net, const spi_transport_limits *limits)
{
    net->limits = (spi_transport_limits){
        .high_mark = limits->high_mark ? limits->high_mark : default_limits.high_mark,
        .low_mark = limits->low_mark ? limits->low_mark : default_limits.low_mark,
        .max_pending = limits->max_pending ? limits->max_pending : default_limits.max_pending,
        .write_timeout_ms = limits->write_timeout_ms ? limits->write_timeout_ms
                                                     : default_limits.write_timeout_ms,
        .min_write_rate = limits->min_write_rate > 0 ? limits->min_write_rate : 0,
    };
    if (net->limits.low_mark > net->limits.high_mark)
        net->limits.low_mark = net->limits.high_mark;
    net->write_timeouts = net->limits.write_timeout_ms > 0
                              ? spi_timeout_class_get(net->loop, net->limits.write_timeout_ms,
                                    spi_output_on_write_timeout)
                              : NULL;
}

spi_net *spi_net_get(spout_loop *loop)
{
    spi_net *net = spi_loop_slot_get(loop, SPI_SLOT_NET);
    if (net)
        return net;
    net = spi_calloc(sizeof *net);
    net->loop = loop;
    net->receive = spi_malloc(SPI_RECEIVE_SIZE + 1);
    spi_poison(net->receive, SPI_RECEIVE_SIZE + 1);
    net->gather = net->gather_start = spi_malloc(SPI_HELD_SIZE + SPI_GATHER_SIZE);
    net->hold.quick_ticks = spi_ticks_of_20us();
    spi_list_init(&net->owned);
    spi_list_init(&net->lookups);
    spi_list_init(&net->flush_hook.node);
    net->linger_timeouts = spi_timeout_class_get(loop, SPI_LINGER_MS, spi_output_on_linger_timeout);
    apply_limits(net, &(spi_transport_limits){ 0 });
    spi_loop_slot_set(loop, SPI_SLOT_NET, net, destroy_net);
    return net;
}

void spi_net_flush_later(spi_net *net)
{
    if (spi_list_is_empty(&net->flush_hook.node))
        spi_turn_hook_add(net->loop, &net->flush_hook, flush_at_turn_end);
}

void spi_transport_set_limits(spout_loop *loop, const spi_transport_limits *limits)
{
    apply_limits(spi_net_get(loop), limits);
}

void spi_net_own(spi_net *net, spi_net_owned *owned, void (*destroy)(spi_net_owned *))
{
    owned->destroy = destroy;
    spi_list_push(&net->owned, &owned->node);
}

void spi_net_disown(spi_net_owned *owned)
{
    spi_list_remove(&owned->node);
}
