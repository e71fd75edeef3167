#include "kit.h"

#include <spout/error.h>
#include <spout/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "the kit: %s: %s\n", what, spout_error_message());
    abort();
}

static int64_t monotonic_ms(void *self)
{
    return ((test_kit *)self)->now_ms;
}

static int64_t wall_us(void *self)
{
    return (784111777 + ((test_kit *)self)->now_ms / 1000) * 1000000;
}

static void keep_line(void *self, const spout_log_record *record)
{
    test_kit *kit = self;
    if (record->level >= SPOUT_LOG_INFO)
        must(spi_buffer_append_format(&kit->log, "%s\n", record->message) == 0, "log");
}

void kit_start(test_kit *kit)
{
    *kit = (test_kit){ .now_ms = 0 };
    spi_buffer_init(&kit->log, 1 << 20);
    for (int i = 0; i < KIT_PEERS; i++)
        kit->peers[i].fd = -1;
    const spout_clock clock = { .monotonic_ms = monotonic_ms, .wall_us = wall_us, .self = kit };
    kit->loop = spout_loop_new(&(spout_loop_options){ .clock = &clock });
    must(kit->loop != NULL, "loop");
    test_service_init(&kit->service);
    spout_log_set_sink(&(spout_log_sink){ .write = keep_line, .self = kit });
}

void kit_make_server(test_kit *kit)
{
    const spi_service *table = kit->service.own_errors ? &test_service_table_with_errors
                                                       : &test_service_table;
    kit->server = spi_http_server_new(table, &kit->service, &kit->options);
    must(kit->server != NULL, "server");
}

void kit_stop(test_kit *kit)
{
    spout_http_server_free(kit->server);
    spout_loop_free(kit->loop);
    for (int i = 0; i < KIT_PEERS; i++) {
        kit_close(&kit->peers[i]);
        spi_buffer_release(&kit->peers[i].received);
        spi_buffer_release(&kit->peers[i].unsent);
    }
    spout_log_set_sink(NULL);
    spi_buffer_release(&kit->log);
}

kit_peer *kit_connect(test_kit *kit, int number)
{
    kit_peer *peer = &kit->peers[number];
    int fds[2];
    if (!kit->server)
        kit_make_server(kit);
    must(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
    spi_buffer_init(&peer->received, 1 << 28);
    spi_buffer_init(&peer->unsent, 1 << 28);
    peer->fd = fds[0];
    const spout_endpoint endpoint = { .address = { 192, 0, 2, 1 }, .port = 4711, .family = 4 };
    spi_http_server_serve_fd(kit->server, fds[1], &endpoint);
    return peer;
}

static bool push_out(kit_peer *peer)
{
    size_t len = spi_buffer_len(&peer->unsent);
    if (peer->fd < 0)
        return false;
    if (len == 0) {
        if (peer->half_close)
            shutdown(peer->fd, SHUT_WR);
        peer->half_close = false;
        return false;
    }
    ssize_t sent = send(peer->fd, spi_buffer_head(&peer->unsent), len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        spi_buffer_clear(&peer->unsent); /* nobody reads it any more */
    if (sent > 0)
        spi_buffer_consume(&peer->unsent, (size_t)sent);
    return sent > 0;
}

static bool pull_in(kit_peer *peer)
{
    if (peer->fd < 0 || peer->held || peer->eof || peer->reset)
        return false;
    char *room = spi_buffer_reserve(&peer->received, 64 * 1024);
    must(room != NULL, "a peer receives too much");
    ssize_t got = read(peer->fd, room, 64 * 1024);
    if (got > 0)
        spi_buffer_commit(&peer->received, (size_t)got);
    peer->eof = got == 0;
    peer->reset = got < 0 && errno != EAGAIN;
    return got >= 0 || peer->reset;
}

void kit_pump(test_kit *kit)
{
    for (int quiet = 0; quiet < 6; quiet++) {
        must(spout_loop_run_once(kit->loop, 0) == 0, "turn");
        for (int i = 0; i < KIT_PEERS; i++)
            if ((int)push_out(&kit->peers[i]) + pull_in(&kit->peers[i]) > 0)
                quiet = -1;
    }
}

void kit_advance(test_kit *kit, int64_t ms)
{
    kit_pump(kit);
    kit->now_ms += ms;
    kit_pump(kit);
}

void kit_send(test_kit *kit, kit_peer *peer, spout_bytes bytes)
{
    (void)kit;
    must(spi_buffer_append(&peer->unsent, bytes.data, bytes.len) == 0, "send");
}

void kit_close(kit_peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    if (peer->received.max)
        spi_buffer_clear(&peer->received);
}

const char *kit_take(test_kit *kit, kit_peer *peer)
{
    kit_pump(kit);
    const char *text = spi_buffer_text(&peer->received);
    spi_buffer_clear(&peer->received);
    return text;
}

const char *kit_ask(test_kit *kit, kit_peer *peer, const char *text)
{
    kit_send(kit, peer, spout_bytes_of(text));
    return kit_take(kit, peer);
}
