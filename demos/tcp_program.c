#include "tcp_program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LISTENERS = 8, MAX_WORKERS = 1024 };

static spout_option port_option[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .metavar = "PORT",
        .help = "port to listen on, 0 for any free one" },
    { 0 },
};

static const spout_option usual_options[] = {
    { .name = "address",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "ADDRESS",
        .help = "address to listen on: an IP, a name or unix:PATH; all by default" },
    { .name = "tls-cert",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "FILE",
        .help = "certificate and its chain, PEM; read again on SIGHUP" },
    { .name = "tls-key", .type = SPOUT_OPTION_TEXT, .metavar = "FILE", .help = "its key, PEM" },
    { .name = "workers",
        .type = SPOUT_OPTION_INT,
        .default_value = "1",
        .metavar = "N",
        .help = "worker processes, 0 for one a CPU" },
    { .name = "debug", .type = SPOUT_OPTION_BOOL, .help = "log more" },
    { .name = "logging",
        .type = SPOUT_OPTION_TEXT,
        .default_value = "info",
        .metavar = "LEVEL",
        .help = "debug, info, warning, error or none" },
    { .name = "help", .type = SPOUT_OPTION_BOOL, .help = "show this text" },
    { 0 },
};

static const spout_option tls_port_option[] = {
    { .name = "tls-port",
        .type = SPOUT_OPTION_INT,
        .metavar = "PORT",
        .help = "port for TLS besides, 0 for any free one" },
    { 0 },
};

int tcp_program_complain(const tcp_program *self, int status)
{
    spout_log_flush();
    fprintf(stderr, "%s: %s\n", self->name, spout_error_message());
    return status;
}

/* --- options --- */

int tcp_target_parse(tcp_target *ret_target, const char *option, const char *text)
{
    const char *colon = text ? strrchr(text, ':') : NULL, *host = text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (len == 0 || len >= sizeof ret_target->host || !end || *end || port < 1 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "option '--%s' needs HOST:PORT", option);
    memcpy(ret_target->host, host, len);
    ret_target->host[len] = '\0';
    ret_target->port = (int)port;
    return 0;
}

int tcp_program_port(const char *option)
{
    int64_t port = spout_option_int(option);
    return port >= 0 && port <= 65535
               ? (int)port
               : spout_error_set(SPOUT_EINVAL, "option '--%s' must be from 0 to 65535", option);
}

static int check_options(const tcp_program *self)
{
    spout_log_level level;
    if (spout_log_level_parse(spout_option_text("logging"), &level) < 0)
        return -1;
    if (spout_option_bool("debug") && !spout_option_is_set("logging"))
        level = SPOUT_LOG_DEBUG;
    spout_log_set_level(level);
    int64_t workers = spout_option_int("workers");
    if (workers < 0 || workers > MAX_WORKERS)
        return spout_error_set(
            SPOUT_EINVAL, "option '--workers' must be from 0 to %d", MAX_WORKERS);
    if (tcp_program_port("port") < 0 || tcp_program_port("tls-port") < 0)
        return -1;
    bool has_cert = spout_option_is_set("tls-cert"), has_key = spout_option_is_set("tls-key");
    if (self->tls_only && !(has_cert && has_key))
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls-cert' and '--tls-key' are needed: see --help");
    if (!self->tls_only && (spout_option_is_set("tls-port") != has_cert || has_cert != has_key))
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls-port', '--tls-cert' and '--tls-key' come together");
    return 0;
}

int tcp_program_parse(const tcp_program *self, int argc, char **argv)
{
    port_option[0].default_value = self->default_port;
    signal(SIGPIPE, SIG_IGN);
    if (spout_options_define(port_option) < 0 || spout_options_define(usual_options) < 0 ||
        (!self->tls_only && spout_options_define(tls_port_option) < 0) ||
        spout_options_define(self->options) < 0)
        return -1;
    int rest = spout_options_parse(argc, argv);
    if (rest >= 0 && spout_option_bool("help")) {
        spout_options_print_help(stdout, self->name);
        return 0;
    }
    return rest < 0 || check_options(self) < 0 ? -1 : rest;
}

/* --- sockets --- */

static int listen_on(spout_tcp_server *server, int port, spout_tls *tls, const char *how)
{
    spout_listener opened[MAX_LISTENERS];
    const char *address = spout_option_text("address");
    spout_listen_options options = { .port = port, .address = address, .tls = tls };
    if (address && strncmp(address, "unix:", 5) == 0)
        options = (spout_listen_options){ .unix_path = address + 5, .tls = tls };
    int count = spout_bind_sockets(&options, opened, MAX_LISTENERS);
    int result = count < 0 ? count : spout_tcp_server_add_sockets(server, opened, count, &options);
    for (int i = 0; i < count; i++) {
        if (result < 0)
            close(opened[i].fd);
        else
            spout_log(
                SPOUT_LOGGER_GENERAL, SPOUT_LOG_INFO, "listening on %s%s", opened[i].name, how);
    }
    return result;
}

static int open_sockets(const tcp_program *self, spout_tcp_server *server, spout_tls *tls)
{
    int result = listen_on(server, tcp_program_port("port"), self->tls_only ? tls : NULL, "");
    if (result == 0 && tls && !self->tls_only)
        result = listen_on(server, tcp_program_port("tls-port"), tls, " (TLS)");
    return result;
}

/* --- one worker --- */

static void on_reload(void *arg, int signo)
{
    (void)signo;
    if (spout_tls_reload(arg) < 0)
        spout_log_error("the old certificate stays: %s", spout_error_message());
    else
        spout_log_info("the certificate was read again");
}

static void on_end(void *arg, int signo)
{
    (void)signo;
    spout_loop_stop(arg);
}

static int work(spout_tcp_server *server, spout_tls *tls)
{
    spout_loop *loop = spout_loop_new(NULL);
    if (!loop)
        return -1;
    spout_signal *signals[] = { spout_signal_start(SIGTERM, on_end, loop),
        spout_signal_start(SIGINT, on_end, loop),
        tls ? spout_signal_start(SIGHUP, on_reload, tls) : NULL };
    if (tls && spout_task_id() >= 0 && spout_tls_reload(tls) < 0) /* newer than the parent's? */
        spout_log_error("the old certificate stays: %s", spout_error_message());
    int result = spout_tcp_server_start(server);
    if (result == 0)
        result = spout_loop_run(loop);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        spout_signal_stop(signals[i]);
    spout_tcp_server_stop(server);
    spout_loop_free(loop);
    return result;
}

/* --- the process --- */

static void wait_for_reload(int signo)
{
    (void)signo; /* too early for a worker, or the parent's: see spout_process_fork */
}

static spout_tls *load_tls(void)
{
    signal(SIGHUP, wait_for_reload);
    return spout_tls_server_new(&(spout_tls_options){
        .cert_file = spout_option_text("tls-cert"), .key_file = spout_option_text("tls-key") });
}

static int fork_and_work(spout_tcp_server *server, spout_tls *tls)
{
    int workers = (int)spout_option_int("workers"), task_id = 0;
    if (workers != 1 && spout_process_fork(workers, 0, &task_id) < 0)
        return -1;
    return task_id < 0 ? 0 : work(server, tls);
}

int tcp_program_serve(const tcp_program *self)
{
    bool wants_tls = self->tls_only || spout_option_is_set("tls-cert");
    spout_tls *tls = wants_tls ? load_tls() : NULL;
    spout_tcp_server *server = spout_tcp_server_new(self->handler, self->arg, NULL);
    int status = 0;
    if ((wants_tls && !tls) || open_sockets(self, server, tls) < 0 ||
        fork_and_work(server, tls) < 0)
        status = tcp_program_complain(self, 1);
    spout_tcp_server_free(server);
    spout_tls_unref(tls);
    spout_options_reset();
    spout_log_flush();
    return status;
}
