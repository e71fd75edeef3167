/* Where a program listens: a set of sockets for each worker. */
#include "run/program.h"

#include <spout/error.h>
#include <spout/process.h>

#include "base/log.h"
#include "base/memory.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_LISTENERS = 8 };

static void close_set(const spi_program_sockets *s, int set)
{
    for (int i = 0; i < s->per_set; i++)
        close(s->listeners[set * s->per_set + i].fd);
}

/* Several workers: a probe without SO_REUSEPORT first, so that a port in use is an error and not
   shared with a stranger. */
static int open_shared(spi_program_sockets *s, spout_listen_options *options)
{
    s->per_set = spout_bind_sockets(options, s->listeners, MAX_LISTENERS);
    if (s->per_set < 0)
        return s->per_set;
    options->port = s->listeners[0].port;
    close_set(s, 0);
    options->reuse_port = true;
    for (int set = 0; set < s->sets; set++) {
        int count = spout_bind_sockets(options, s->listeners + set * s->per_set, s->per_set);
        if (count < 0)
            return count;
        if (count != s->per_set)
            return spout_error_set(SPOUT_EFAILED, "the addresses to listen on changed meanwhile");
    }
    return 0;
}

/* What systemd has opened for us, if it has: all workers share it then. 0: nothing. */
static int take_passed_sockets(spi_program_sockets *s)
{
    s->listeners = spi_calloc(MAX_LISTENERS * sizeof(spout_listener));
    int count = spout_listen_fds(NULL, s->listeners, MAX_LISTENERS);
    if (count <= 0) {
        spi_free(s->listeners);
        s->listeners = NULL;
        return count;
    }
    s->sets = 1;
    s->per_set = count;
    for (int i = 0; i < count; i++)
        spi_log_info("listening on %s (passed on)", s->listeners[i].name);
    return count;
}

static int open_sockets(
    spi_program_sockets *s, spout_listen_options *options, int workers, const char *how)
{
    bool shared = workers > 1 && !options->unix_path;
    s->sets = shared ? workers : 1;
    s->listeners = spi_calloc((size_t)s->sets * MAX_LISTENERS * sizeof(spout_listener));
    if (shared) {
        int result = open_shared(s, options);
        if (result < 0)
            return result;
    } else {
        s->per_set = spout_bind_sockets(options, s->listeners, MAX_LISTENERS);
        if (s->per_set < 0)
            return s->per_set;
    }
    for (int i = 0; i < s->per_set; i++)
        spi_log_info("listening on %s%s", s->listeners[i].name, how);
    return 0;
}

static spout_listen_options plain_options(void)
{
    spout_listen_options options = { .address = spout_option_text("address"),
        .port = (int)spout_option_int("port") };
    if (options.address && strncmp(options.address, "unix:", 5) == 0) {
        options.unix_path = options.address + 5;
        options.address = NULL;
    }
    return options;
}

int spi_program_listen(spi_program *p, int workers)
{
    spout_listen_options options = plain_options();
    int result = take_passed_sockets(&p->plain);
    if (result == 0)
        result = open_sockets(&p->plain, &options, workers, "");
    if (result < 0 || !spout_option_is_set("tls-port"))
        return result;
    spout_listen_options secure = { .address = options.address,
        .port = (int)spout_option_int("tls-port") };
    return open_sockets(&p->secure, &secure, workers, " (TLS)");
}

static spout_listener *own_set(const spi_program_sockets *s)
{
    int own = spout_task_id() > 0 && s->sets > 1 ? spout_task_id() : 0;
    return s->listeners + own * s->per_set;
}

static int accept_on(spi_program *p, const spi_program_sockets *s, spout_tls *tls)
{
    const spout_listener *own = own_set(s);
    for (int set = 0; set < s->sets; set++)
        if (s->listeners + set * s->per_set != own)
            close_set(s, set);
    /* Again, where a worker before us has ended badly in the middle of its drain. */
    for (int i = 0; s->sets > 1 && i < s->per_set; i++)
        listen(own[i].fd, SOMAXCONN);
    return p->kind->accept(
        p, own, s->per_set, &(spout_listen_options){ .tls = tls, .proxies = p->proxies });
}

static void stop_listening_on(const spi_program_sockets *s)
{
    for (int i = 0; s->sets > 1 && i < s->per_set; i++)
        shutdown(own_set(s)[i].fd, SHUT_RD);
}

int spi_program_accept(spi_program *p)
{
    int result = accept_on(p, &p->plain, p->tls_only ? p->tls : NULL);
    return result < 0 ? result : accept_on(p, &p->secure, p->tls);
}

void spi_program_stop_listening(const spi_program *p)
{
    stop_listening_on(&p->plain);
    stop_listening_on(&p->secure);
}

void spi_program_free_sockets(spi_program *p)
{
    spi_free(p->plain.listeners);
    spi_free(p->secure.listeners);
}
