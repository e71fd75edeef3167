#define _GNU_SOURCE
#include <spout/error.h>
#include <spout/log.h>
#include <spout/main.h>
#include <spout/process.h>
#include <spout/task.h>
#include <spout/tls.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "loop/overflow.h"
#include "net/networks.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_LISTENERS = 8, MAX_WORKERS = 1024, MAX_PROXIES = 32, EXIT_USAGE = 2 };
enum { DEFAULT_PORT = 8888 };

static char default_port[12]; /* the program's, for --help */

static const spout_option standard_options[] = {
    { .name = "port",
        .type = SPOUT_OPTION_INT,
        .default_value = default_port,
        .metavar = "PORT",
        .help = "port to listen on, 0 for any free one" },
    { .name = "address",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "ADDRESS",
        .help = "address to listen on: an IP, a name or unix:PATH; all by default" },
    { .name = "tls-port",
        .type = SPOUT_OPTION_INT,
        .metavar = "PORT",
        .help = "port for https:// besides, 0 for any free one; needs the next two" },
    { .name = "tls-cert",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "FILE",
        .help = "certificate and its chain, PEM; read again on SIGHUP" },
    { .name = "tls-key", .type = SPOUT_OPTION_TEXT, .metavar = "FILE", .help = "its key, PEM" },
    { .name = "proxies",
        .type = SPOUT_OPTION_TEXT,
        .metavar = "NETWORKS",
        .help = "whose connections begin with a PROXY header: 10.0.0.0/8,::1,unix" },
    { .name = "workers",
        .type = SPOUT_OPTION_INT,
        .default_value = "1",
        .metavar = "N",
        .help = "worker processes, 0 for one a CPU" },
    { .name = "debug",
        .type = SPOUT_OPTION_BOOL,
        .help = "log more, and show errors with their causes in the pages" },
    { .name = "logging",
        .type = SPOUT_OPTION_TEXT,
        .default_value = "info",
        .metavar = "LEVEL",
        .help = "debug, info, warning, error or none" },
    { .name = "max-body-size",
        .type = SPOUT_OPTION_SIZE,
        .metavar = "SIZE",
        .help = "largest request body, such as 10M" },
    { .name = "help", .type = SPOUT_OPTION_BOOL, .help = "show this text" },
    { 0 },
};

/* Open listening sockets: `sets` times `per_set`, one set for each worker, kept by the parent. */
typedef struct sockets {
    spout_listener *listeners;
    int sets, per_set;
} sockets;

/* One run of a program, from its arguments to its end. */
typedef struct program {
    const char *name;
    const spout_main_options *options;
    spout_application_options application_options;
    spout_application *application;
    sockets plain, secure;
    spout_tls *tls; /* NULL: no HTTPS */
    char *proxies_text;
    const char *proxies[MAX_PROXIES + 1]; /* parts of it */
    spout_http_server *server;
    spout_loop *loop;
    int64_t first_signal_ms;
    int status;
} program;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Tells the current error in one line. */
static int complain(const program *p, int status)
{
    spout_log_flush();
    fprintf(stderr, "%s: %s\n", p->name, spout_error_message());
    return status;
}

/* --- options --- */

static int check_port(const char *name)
{
    int64_t port = spout_option_int(name);
    if (port < 0 || port > 65535)
        return spout_error_set(SPOUT_EINVAL, "option '--%s' must be from 0 to 65535", name);
    return 0;
}

static int check_tls_options(void)
{
    static const char *const names[] = { "tls-port", "tls-cert", "tls-key" };
    int count = 0;
    for (int i = 0; i < 3; i++)
        count += spout_option_is_set(names[i]);
    if (count == 1 || count == 2)
        return spout_error_set(
            SPOUT_EINVAL, "options '--tls-port', '--tls-cert' and '--tls-key' come together");
    return check_port("tls-port");
}

static int check_proxies(program *p)
{
    const char *text = spout_option_text("proxies");
    spi_networks networks;
    int count = 0;
    if (!text)
        return 0;
    p->proxies_text = spi_strdup(text);
    for (char *left = p->proxies_text, *part; (part = strsep(&left, ","));) {
        if (count == MAX_PROXIES)
            return spout_error_set(
                SPOUT_EINVAL, "option '--proxies' takes %d networks at most", MAX_PROXIES);
        p->proxies[count++] = part;
    }
    if (spi_networks_parse(p->proxies, &networks) < 0) {
        char why[128];
        snprintf(why, sizeof why, "%s", spout_error_message());
        return spout_error_set(SPOUT_EINVAL, "option '--proxies': %s", why);
    }
    spi_networks_free(&networks);
    return 0;
}

static int check_options(program *p)
{
    spout_log_level level;
    if (spout_log_level_parse(spout_option_text("logging"), &level) < 0)
        return -1;
    if (spout_option_bool("debug") && !spout_option_is_set("logging"))
        level = SPOUT_LOG_DEBUG;
    spout_log_set_level(level);
    if (check_port("port") < 0 || check_tls_options() < 0 || check_proxies(p) < 0)
        return SPOUT_EINVAL;
    int64_t workers = spout_option_int("workers");
    if (workers < 0 || workers > MAX_WORKERS)
        return spout_error_set(
            SPOUT_EINVAL, "option '--workers' must be from 0 to %d", MAX_WORKERS);
    if (p->options->single_worker && workers != 1)
        return spout_error_set(SPOUT_EINVAL,
            "option '--workers' must be 1: this program keeps its state in the process");
    return 0;
}

static int parse_options(program *p, int argc, char **argv)
{
    int port = p->options->default_port ? p->options->default_port : DEFAULT_PORT;
    snprintf(default_port, sizeof default_port, "%d", port);
    if (spout_options_define(standard_options) < 0 || spout_options_define(p->options->options) < 0)
        return -1;
    int rest = spout_options_parse(argc, argv);
    if (rest < 0)
        return rest;
    if (rest < argc)
        return spout_error_set(SPOUT_EINVAL, "unexpected argument '%s': see --help", argv[rest]);
    return 0;
}

static int configure(program *p)
{
    spout_application_options *application = &p->application_options;
    *application = p->options->application;
    if (p->options->data)
        application->data = p->options->data;
    if (spout_option_bool("debug"))
        application->serve_traceback = true;
    if (spout_option_is_set("max-body-size")) {
        int64_t size = spout_option_int("max-body-size");
        application->http.max_body_size = size ? size : SPOUT_ZERO;
    }
    int result = p->options->configure ? p->options->configure(application) : 0;
    if (application->access_log == SPOUT_ACCESS_LOG_JSON)
        spout_log_set_format(SPOUT_LOG_JSON);
    return result;
}

/* --- sockets --- */

static spout_listen_options listen_options(void)
{
    spout_listen_options options = { .address = spout_option_text("address"),
        .port = (int)spout_option_int("port") };
    if (options.address && strncmp(options.address, "unix:", 5) == 0) {
        options.unix_path = options.address + 5;
        options.address = NULL;
    }
    return options;
}

static void close_set(const sockets *s, int set)
{
    for (int i = 0; i < s->per_set; i++)
        close(s->listeners[set * s->per_set + i].fd);
}

/* Several workers: a probe without SO_REUSEPORT first, so that a port in use is an error and not
   shared with a stranger. */
static int open_shared(sockets *s, spout_listen_options *options)
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
static int take_passed_sockets(sockets *s)
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

static int open_sockets(sockets *s, spout_listen_options *options, int workers, const char *how)
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

static int open_listeners(program *p, int workers)
{
    spout_listen_options options = listen_options();
    int result = take_passed_sockets(&p->plain);
    if (result == 0)
        result = open_sockets(&p->plain, &options, workers, "");
    if (result < 0 || !p->tls)
        return result;
    spout_listen_options secure = { .address = options.address,
        .port = (int)spout_option_int("tls-port") };
    return open_sockets(&p->secure, &secure, workers, " (TLS)");
}

static void wait_for_reload(int signo)
{
    (void)signo; /* too early for a worker, or the parent's: see spout_process_fork */
}

/* Before workers are forked, so that a bad file is told once, and that all share the keys of
   session tickets. */
static int load_tls(program *p)
{
    if (!spout_option_is_set("tls-port"))
        return 0;
    signal(SIGHUP, wait_for_reload);
    p->tls = spout_tls_server_new(&(spout_tls_options){
        .cert_file = spout_option_text("tls-cert"), .key_file = spout_option_text("tls-key") });
    return p->tls ? 0 : -1;
}

/* --- one worker --- */

static int drain(void *arg)
{
    program *p = arg;
    if (p->options->on_drain && p->options->on_drain(p->application) < 0)
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "on_drain");
    spout_http_server_drain(p->server);
    if (p->options->on_stop && p->options->on_stop(p->application) < 0) {
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "on_stop");
        p->status = 1;
    }
    spout_loop_stop(p->loop);
    return 0;
}

/* The terminal's Ctrl-C reaches workers twice, by the process group and through the parent: only a
   later signal is a second one. */
static void on_end_signal(void *arg, int signo)
{
    program *p = arg;
    int64_t now = spi_loop_now_exact(p->loop);
    if (p->first_signal_ms) {
        if (now - p->first_signal_ms < 1000)
            return;
        spi_log_warning("signal %d again: ending at once", signo);
        spout_log_flush();
        _exit(1);
    }
    p->first_signal_ms = now ? now : 1;
    spi_log_info("signal %d: finishing what is running", signo);
    if (spout_spawn(drain, p, &(spout_task_options){ .name = "drain" }) < 0)
        spout_loop_stop(p->loop);
}

/* kill -HUP: the certificate has been renewed. */
static void on_reload_signal(void *arg, int signo)
{
    (void)signo;
    program *p = arg;
    if (spout_tls_reload(p->tls) < 0)
        spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "the old certificate stays");
    else
        spi_log_info("the certificate was read again");
}

/* A worker that starts late, or again, has what its parent read: there may be a newer one since. */
static void reload_in_worker(program *p)
{
    if (p->tls && spout_task_id() >= 0 && spout_tls_reload(p->tls) < 0)
        spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "the old certificate stays");
}

/* kill -USR1 shows where everything waits. */
static void on_dump_signal(void *arg, int signo)
{
    (void)arg, (void)signo;
    spout_log_flush();
    spout_tasks_dump(2);
}

static int start(void *arg)
{
    program *p = arg;
    return p->options->on_start ? p->options->on_start(p->application) : 0;
}

static int accept_on(program *p, const sockets *s, spout_tls *tls)
{
    int own = spout_task_id() > 0 && s->sets > 1 ? spout_task_id() : 0;
    for (int set = 0; set < s->sets; set++)
        if (set != own)
            close_set(s, set);
    return spout_http_server_add_sockets(p->server, s->listeners + own * s->per_set, s->per_set,
        &(spout_listen_options){ .tls = tls, .proxies = p->proxies });
}

static int accept_on_own_sets(program *p)
{
    p->server = spout_application_server(p->application);
    if (!p->server)
        return -1;
    int result = accept_on(p, &p->plain, NULL);
    return result < 0 ? result : accept_on(p, &p->secure, p->tls);
}

static int serve(program *p)
{
    p->loop = spout_loop_new(p->options->loop);
    if (!p->loop)
        return complain(p, 1);
    spout_signal *term = spout_signal_start(SIGTERM, on_end_signal, p);
    spout_signal *interrupt = spout_signal_start(SIGINT, on_end_signal, p);
    spout_signal *reload = p->tls ? spout_signal_start(SIGHUP, on_reload_signal, p) : NULL;
    spout_signal *dump = spout_option_bool("debug") ? spout_signal_start(SIGUSR1, on_dump_signal, p)
                                                    : NULL;
    reload_in_worker(p);
    if (!term || !interrupt || spout_process_share_topics() < 0 ||
        spout_loop_run_sync(p->loop, start, p, 0) < 0 || accept_on_own_sets(p) < 0 ||
        spout_loop_run(p->loop) < 0)
        p->status = complain(p, 1);
    spout_signal_stop(term);
    spout_signal_stop(interrupt);
    spout_signal_stop(reload);
    spout_signal_stop(dump);
    spout_application_free(p->application);
    p->application = NULL;
    spout_loop_free(p->loop);
    spout_log_flush();
    return p->status;
}

/* --- the process --- */

/* As many descriptors as the system lets us have: each connection is one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(program *p, const spout_route *routes)
{
    p->application = spout_application_new(routes, &p->application_options);
    if (!p->application)
        return complain(p, 1);
    int workers = (int)spout_option_int("workers");
    if (workers == 0)
        workers = spout_cpu_count();
    if (load_tls(p) < 0 || open_listeners(p, workers) < 0)
        return complain(p, 1);
    if (workers > 1) {
        int task_id;
        if (spout_process_fork(workers, 0, &task_id) < 0)
            return complain(p, 1);
        if (task_id < 0)
            return 0;
    }
    return serve(p);
}

int spout_main(int argc, char **argv, const spout_route *routes, const spout_main_options *options)
{
    static const spout_main_options defaults = { 0 };
    program p = { .name = argc > 0 ? base_name(argv[0]) : "spout",
        .options = options ? options : &defaults };
    signal(SIGPIPE, SIG_IGN);
    spi_overflow_handler_install();
    raise_descriptor_limit();
    int status;
    if (parse_options(&p, argc, argv) < 0) {
        status = complain(&p, EXIT_USAGE);
    } else if (spout_option_bool("help")) {
        spout_options_print_help(stdout, p.name);
        status = 0;
    } else if (check_options(&p) < 0 || configure(&p) < 0) {
        status = complain(&p, EXIT_USAGE);
    } else {
        status = run(&p, routes);
        spout_application_free(p.application);
    }
    spout_tls_unref(p.tls);
    spi_free(p.proxies_text);
    spi_free(p.plain.listeners);
    spi_free(p.secure.listeners);
    spout_options_reset();
    return status;
}
