/* Quick replies leave together: the kernel's ways in are walked one after the other, then its ways
   out, each time with its code still in the processor's caches. */
#include "net/output.h"

#include "base/ticks.h"

enum { CACHE_LINE = 64 };

/* One event less of a pause, if there is one. */
static bool take_from_pause(spi_hold *hold)
{
    if (hold->pause == 0)
        return false;
    hold->pause--;
    return true;
}

static void after_events(spout_loop *loop)
{
    spi_net *net = spi_net_get(loop);
    spi_net_note_event(net, spi_ticks());
    spi_net_send_held(net);
}

static bool may_be_held(const spi_net *net, const spout_transport *transport)
{
    return spi_transport_is_plain(transport->ops) && net->gather_len > 0 &&
           net->gather_len <= SPI_HELD_BYTES &&
           net->gather - net->gather_start <= SPI_HELD_SIZE - SPI_HELD_BYTES;
}

static void hold_back(spi_net *net, spout_transport *transport)
{
    spi_hold *hold = &net->hold;
    size_t len = net->gather_len;
    if (hold->count == 0)
        spi_loop_after_events(net->loop, after_events);
    hold->of[hold->count].owner = transport;
    hold->of[hold->count].data = net->gather;
    hold->of[hold->count++].len = len;
    transport->held = true;
    net->gather += (len + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    net->gather_len = 0;
    net->gather_owner = NULL;
}

__attribute__((noinline)) void spi_net_leave(spi_net *net, spout_transport *transport)
{
    uint64_t now = spi_ticks();
    spi_net_note_event(net, now);
    if (!take_from_pause(&net->hold) && may_be_held(net, transport)) {
        net->hold.left_at_ticks = now;
        hold_back(net, transport);
        if (net->hold.count < SPI_HELD_MOST)
            return;
    } else {
        spi_net_flush(net, false);
    }
    spi_net_send_held(net);
    net->hold.left_at_ticks = spi_ticks();
}

void spi_net_send_held(spi_net *net)
{
    spi_hold *hold = &net->hold;
    for (int i = 0; i < hold->count; i++) {
        spout_transport *owner = hold->of[i].owner;
        owner->held = false;
        spi_net_send(owner, hold->of[i].data, hold->of[i].len, false);
    }
    hold->count = 0;
    if (net->gather_len == 0)
        net->gather = net->gather_start;
}
