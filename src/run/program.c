#include "run/program.h"

#include <spout/error.h>
#include <spout/log.h>
#include <spout/process.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "loop/overflow.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Tells the current error in one line. */
static int complain(const spi_program *p, int status)
{
    spout_log_flush();
    fprintf(stderr, "%s: %s\n", p->name, spout_error_message());
    return status;
}

/* --- one worker --- */

static int drain(void *arg)
{
    spi_program *p = arg;
    if (p->kind->call_hook(p, SPI_PROGRAM_DRAINS) < 0)
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "on_drain");
    spi_program_stop_listening(p);
    p->kind->drain(p);
    if (p->kind->call_hook(p, SPI_PROGRAM_STOPS) < 0) {
        spi_log_current_error(SPOUT_LOGGER_APPLICATION, SPOUT_LOG_ERROR, "on_stop");
        p->status = 1;
    }
    spout_loop_stop(p->loop);
    return 0;
}

static void begin_to_end(spi_program *p)
{
    if (spout_spawn(drain, p, &(spout_task_options){ .name = "drain" }) < 0)
        spout_loop_stop(p->loop);
}

/* The terminal's Ctrl-C reaches workers twice, by the process group and through the parent: only a
   later signal is a second one. */
static void on_end_signal(void *arg, int signo)
{
    spi_program *p = arg;
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
    if (p->accepts)
        begin_to_end(p);
    else
        spout_loop_stop(p->loop); /* cancels on_start */
}

/* kill -HUP: the certificate has been renewed. */
static void on_reload_signal(void *arg, int signo)
{
    (void)signo;
    spi_program *p = arg;
    if (spout_tls_reload(p->tls) < 0)
        spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "the old certificate stays");
    else
        spi_log_info("the certificate was read again");
}

/* A worker that starts late, or again, has what its parent read: there may be a newer one since. */
static void reload_in_worker(spi_program *p)
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
    spi_program *p = arg;
    return p->kind->call_hook(p, SPI_PROGRAM_STARTS);
}

/* Until a signal. One that comes meanwhile cancels on_start; where that has worked all the same, it
   is undone as at any other end. */
static int start_and_accept(spi_program *p)
{
    int result = spout_process_share_topics();
    if (result == 0)
        result = spout_loop_run_sync(p->loop, start, p, 0);
    if (result == SPOUT_ECANCELED && p->first_signal_ms)
        return 0;
    if (result == 0)
        result = spi_program_accept(p);
    if (result < 0)
        return result;
    p->accepts = true;
    if (p->first_signal_ms)
        begin_to_end(p);
    return spout_loop_run(p->loop);
}

static int serve(spi_program *p)
{
    p->loop = spout_loop_new(p->loop_options);
    if (!p->loop)
        return complain(p, 1);
    spout_signal *term = spout_signal_start(SIGTERM, on_end_signal, p);
    spout_signal *interrupt = spout_signal_start(SIGINT, on_end_signal, p);
    spout_signal *reload = p->tls ? spout_signal_start(SIGHUP, on_reload_signal, p) : NULL;
    spout_signal *dump = spout_option_bool("debug") ? spout_signal_start(SIGUSR1, on_dump_signal, p)
                                                    : NULL;
    reload_in_worker(p);
    if (!term || !interrupt || start_and_accept(p) < 0)
        p->status = complain(p, 1);
    spout_signal_stop(term);
    spout_signal_stop(interrupt);
    spout_signal_stop(reload);
    spout_signal_stop(dump);
    p->kind->release(p);
    spout_loop_free(p->loop);
    spout_log_flush();
    return p->status;
}

/* --- the process --- */

/* Those that are closed would become sockets, and the log would go into one of them. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* As many descriptors as the system lets us have: each connection is one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void wait_for_reload(int signo)
{
    (void)signo; /* too early for a worker, or the parent's: see spout_process_fork */
}

/* Before workers are forked, so that a bad file is told once, and that all share the keys of
   session tickets. */
static int load_tls(spi_program *p)
{
    if (!p->tls_only && !spout_option_is_set("tls-port"))
        return 0;
    signal(SIGHUP, wait_for_reload);
    p->tls = spout_tls_server_new(&(spout_tls_options){
        .cert_file = spout_option_text("tls-cert"), .key_file = spout_option_text("tls-key") });
    return p->tls ? 0 : -1;
}

static int run_command(spi_program *p)
{
    p->loop = spout_loop_new(p->loop_options);
    if (!p->loop || spout_loop_run_sync(p->loop, p->command, p->command_arg, 0) < 0)
        p->status = complain(p, 1);
    spout_loop_free(p->loop);
    spout_log_flush();
    return p->status;
}

static int run(spi_program *p)
{
    int workers = (int)spout_option_int("workers"), task_id = 0;
    if (workers == 0)
        workers = spout_cpu_count();
    if (p->kind->prepare(p) < 0 || load_tls(p) < 0 || spi_program_listen(p, workers) < 0 ||
        (workers > 1 && spout_process_fork(workers, 0, &task_id) < 0))
        return complain(p, 1);
    return task_id < 0 ? 0 : serve(p);
}

static int configure_and_run(spi_program *p, int argc, char **argv)
{
    int rest = spi_program_parse(p, argc, argv);
    if (rest >= 0 && spout_option_bool("help")) {
        spout_options_print_help(stdout, p->name);
        return 0;
    }
    if (rest < 0 || spi_program_check(p) < 0 || p->kind->configure(p, argv + rest) < 0)
        return complain(p, EXIT_USAGE);
    return p->command ? run_command(p) : run(p);
}

int spi_program_main(spi_program *p, int argc, char **argv)
{
    p->name = argc > 0 ? base_name(argv[0]) : "spout";
    signal(SIGPIPE, SIG_IGN);
    spi_overflow_handler_install();
    open_standard_descriptors();
    raise_descriptor_limit();
    int status = configure_and_run(p, argc, argv);
    p->kind->release(p);
    spout_tls_unref(p->tls);
    spi_free(p->proxies_text);
    spi_program_free_sockets(p);
    spout_options_reset();
    return status;
}
