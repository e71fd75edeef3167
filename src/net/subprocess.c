/* Child processes on a loop: their streams, and their end. */
#define _GNU_SOURCE
#include <spout/subprocess.h>

#include <spout/error.h>

#include "base/memory.h"
#include "loop/task.h"
#include "net/net.h"
#include "net/subprocess_spawn.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct spout_subprocess {
    spi_net_owned owned; /* while it runs */
    spout_loop *loop;    /* NULL: gone */
    pid_t pid;
    char *name;
    spout_stream *streams[SPI_STDIO_COUNT];
    spi_watch pidfd;
    spout_signal *on_child; /* where there is no pidfd */
    spi_ready check;
    spi_list waiters;
    unsigned inside; /* coroutines that wait: the last one out frees an abandoned one */
    bool ended, abandoned;
    bool status_lost; /* somebody else has it */
    int status;
    spout_callback *on_exit;
    void *on_exit_arg;
};

static void stop_watching(spout_subprocess *process)
{
    if (process->pidfd.fd >= 0) {
        int fd = process->pidfd.fd;
        spi_watch_stop(process->loop, &process->pidfd);
        close(fd);
    }
    spout_signal_stop(process->on_child);
    process->on_child = NULL;
    spi_ready_cancel(&process->check);
    spi_net_disown(&process->owned);
}

static void free_if_over(spout_subprocess *process)
{
    if (!process->abandoned || process->inside > 0 || (!process->ended && process->loop))
        return;
    spi_free(process->name);
    spi_free(process);
}

static void call_on_exit(spout_subprocess *process)
{
    spout_callback *fn = process->on_exit;
    process->on_exit = NULL;
    if (fn && spout_loop_post(process->loop, fn, process->on_exit_arg) < 0)
        fn(process->on_exit_arg);
}

/* Collects the status if there is one. */
static void check(spout_subprocess *process)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(process->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return;
    process->ended = true;
    process->status_lost = got < 0;
    process->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    stop_watching(process);
    spi_wake_all(&process->waiters);
    call_on_exit(process);
    free_if_over(process);
}

static void on_pidfd(spi_watch *watch, unsigned events)
{
    (void)events;
    check(spi_container(watch, spout_subprocess, pidfd));
}

static void on_child_signal(void *arg, int signo)
{
    (void)signo;
    check(arg);
}

static void on_check(spi_ready *ready)
{
    check(spi_container(ready, spout_subprocess, check));
}

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

/* With SIGCHLD, an end that came before the watch is found by looking once. */
static int watch_end(spout_subprocess *process)
{
    int fd = open_pidfd(process->pid);
    if (fd >= 0 &&
        spi_watch_start(process->loop, &process->pidfd, fd, SPOUT_READABLE, on_pidfd) == 0)
        return 0;
    if (fd >= 0)
        close(fd);
    process->on_child = spout_signal_start(SIGCHLD, on_child_signal, process);
    if (!process->on_child)
        return -1;
    spi_ready_schedule(process->loop, &process->check);
    return 0;
}

/* Nobody will collect the child here any more. */
static void end_with_loop(spi_net_owned *owned)
{
    spout_subprocess *process = spi_container(owned, spout_subprocess, owned);
    int status;
    waitpid(process->pid, &status, WNOHANG);
    stop_watching(process);
    process->loop = NULL;
    free_if_over(process);
}

static int open_streams(spout_subprocess *process, const int pipes[SPI_STDIO_COUNT],
    const spout_stream_options *options)
{
    int result = 0;
    for (int i = 0; i < SPI_STDIO_COUNT; i++) {
        if (pipes[i] < 0)
            continue;
        process->streams[i] = result == 0 ? spout_stream_open_pipe(pipes[i], options) : NULL;
        if (!process->streams[i]) {
            close(pipes[i]);
            result = -1;
        }
    }
    return result;
}

static void close_streams(spout_subprocess *process)
{
    for (int i = 0; i < SPI_STDIO_COUNT; i++) {
        spout_stream_close(process->streams[i]);
        process->streams[i] = NULL;
    }
}

/* It runs, but we can't go along with it. */
static void give_up(spout_subprocess *process)
{
    close_streams(process);
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    spi_free(process->name);
    spi_free(process);
}

spout_subprocess *spout_subprocess_start(
    const char *const *argv, const spout_subprocess_options *options)
{
    static const spout_subprocess_options defaults;
    int pipes[SPI_STDIO_COUNT];
    pid_t pid;
    if (!options)
        options = &defaults;
    if (!spout_loop_current()) {
        spout_error_set(SPOUT_ESTATE, "a subprocess needs a loop");
        return NULL;
    }
    if (!argv || !argv[0]) {
        spout_error_set(SPOUT_EINVAL, "a subprocess needs a program");
        return NULL;
    }
    if (spi_subprocess_spawn(argv, options, &pid, pipes) < 0)
        return NULL;
    spout_subprocess *process = spi_calloc(sizeof *process);
    process->loop = spout_loop_current();
    process->pid = pid;
    process->name = spi_strdup(argv[0]);
    process->pidfd.fd = -1;
    spi_list_init(&process->waiters);
    spi_ready_init(&process->check, on_check);
    if (open_streams(process, pipes, &options->stream) < 0 || watch_end(process) < 0) {
        give_up(process);
        return NULL;
    }
    spi_net_own(spi_net_get(process->loop), &process->owned, end_with_loop);
    return process;
}

int spout_subprocess_pid(const spout_subprocess *process)
{
    return process->pid;
}

spout_stream *spout_subprocess_input(const spout_subprocess *process)
{
    return process->streams[0];
}

spout_stream *spout_subprocess_output(const spout_subprocess *process)
{
    return process->streams[1];
}

spout_stream *spout_subprocess_error(const spout_subprocess *process)
{
    return process->streams[2];
}

bool spout_subprocess_has_ended(const spout_subprocess *process, int *ret_status)
{
    if (process->ended && ret_status)
        *ret_status = process->status;
    return process->ended;
}

static int wait_for_end(spout_subprocess *process)
{
    process->inside++;
    int result = spi_wait(&process->waiters, "subprocess");
    process->inside--;
    if (!process->abandoned)
        return result;
    free_if_over(process);
    return result < 0 ? result : spout_error_set(SPOUT_ECLOSED, "the subprocess was freed");
}

int spout_subprocess_wait_for_exit(spout_subprocess *process, int *ret_status)
{
    while (!process->ended) {
        int result = process->loop
                         ? wait_for_end(process)
                         : spout_error_set(SPOUT_ECLOSED, "the subprocess's loop has ended");
        if (result < 0)
            return result;
    }
    if (process->status_lost)
        return spout_error_set(
            SPOUT_ESTATE, "somebody else has collected the status of %s", process->name);
    if (ret_status)
        *ret_status = process->status;
    return 0;
}

int spout_subprocess_wait_for_success(spout_subprocess *process)
{
    int status, result = spout_subprocess_wait_for_exit(process, &status);
    if (result < 0 || status == 0)
        return result;
    return status < 0
               ? spout_error_set(
                     SPOUT_EFAILED, "%s was killed by signal %d", process->name, -status)
               : spout_error_set(SPOUT_EFAILED, "%s ended with status %d", process->name, status);
}

void spout_subprocess_set_exit_callback(spout_subprocess *process, spout_callback *fn, void *arg)
{
    process->on_exit = fn;
    process->on_exit_arg = arg;
    if (process->ended)
        call_on_exit(process);
}

int spout_subprocess_send_signal(spout_subprocess *process, int signo)
{
    if (process->ended || !process->loop)
        return spout_error_set(SPOUT_ESTATE, "%s has ended", process->name);
    if (kill(process->pid, signo) < 0)
        return spout_error_set_errno(errno, "cannot send signal %d to %s", signo, process->name);
    return 0;
}

int spout_subprocess_terminate(spout_subprocess *process)
{
    return spout_subprocess_send_signal(process, SIGTERM);
}

int spout_subprocess_kill(spout_subprocess *process)
{
    return spout_subprocess_send_signal(process, SIGKILL);
}

void spout_subprocess_free(spout_subprocess *process)
{
    if (!process)
        return;
    close_streams(process);
    process->abandoned = true;
    process->on_exit = NULL;
    spi_wake_all(&process->waiters);
    free_if_over(process);
}
