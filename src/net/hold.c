/* Quick replies leave together: the kernel's ways in are walked one after the other, then its ways
   out, each time with its code still in the processor's caches. */
#include "net/output.h"

#include "base/ticks.h"

enum { CACHE_LINE = 64 };

static void after_events(spout_loop *loop)
{
    spi_net_send_held(spi_net_get(loop));
}

static bool may_be_held(const spi_net *net, const spout_transport *transport)
{
    return spi_transport_is_plain(transport->ops) && net->gather_len > 0 &&
           net->gather_len <= SPI_HELD_BYTES &&
           net->gather - net->gather_start <= SPI_HELD_SIZE - SPI_HELD_BYTES;
}

static void hold(spi_net *net, spout_transport *transport)
{
    size_t len = net->gather_len;
    if (net->held_count == 0)
        spi_loop_after_events(net->loop, after_events);
    net->held[net->held_count++] = (spi_held){ transport, net->gather, len };
    transport->held = true;
    net->gather += (len + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    net->gather_len = 0;
    net->gather_owner = NULL;
}

__attribute__((noinline)) void spi_net_leave(spi_net *net, spout_transport *transport)
{
    uint64_t now = spi_ticks();
    if (now - net->left_at_ticks < net->quick_ticks && may_be_held(net, transport)) {
        net->left_at_ticks = now;
        hold(net, transport);
        if (net->held_count < SPI_HELD_MOST)
            return;
    } else {
        spi_net_flush(net, false);
    }
    spi_net_send_held(net);
    net->left_at_ticks = spi_ticks();
}

void spi_net_send_held(spi_net *net)
{
    for (int i = 0; i < net->held_count; i++) {
        spi_held held = net->held[i];
        held.owner->held = false;
        spi_net_send(held.owner, held.data, held.len, false);
    }
    net->held_count = 0;
    if (net->gather_len == 0)
        net->gather = net->gather_start;
}
