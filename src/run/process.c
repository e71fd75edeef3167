#define _GNU_SOURCE
#include <spout/error.h>
#include <spout/log.h>
#include <spout/process.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "run/relay.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

/* Which worker this process is; set once, right after the fork. */
static int own_task_id = -1;
static int relay_fd = -1; /* this worker's end; -1 once it is in use */

int spout_task_id(void)
{
    return own_task_id;
}

int spout_cpu_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

int spout_process_share_topics(void)
{
    if (own_task_id < 0)
        return 0;
    if (!spout_loop_current() || relay_fd < 0)
        return spout_error_set(SPOUT_ESTATE, "a worker shares the topics of one loop, its current");
    int result = spi_relay_link_start(relay_fd, own_task_id);
    if (result == 0)
        relay_fd = -1;
    return result;
}

static const int parent_signals[] = { SIGTERM, SIGINT, SIGCHLD, SIGHUP };
enum { PARENT_SIGNALS = sizeof parent_signals / sizeof parent_signals[0], RESTART_MS = 1000 };

/* Which of them have come; they are blocked but while the parent polls. */
static volatile sig_atomic_t has_come[PARENT_SIGNALS];

static void note_signal(int signo)
{
    for (int i = 0; i < PARENT_SIGNALS; i++)
        if (parent_signals[i] == signo)
            has_come[i] = 1;
}

typedef struct child {
    pid_t pid;          /* 0 once ended */
    int64_t restart_ms; /* when it is to be started anew; 0: not */
} child;

typedef struct parent {
    child *children; /* by task id */
    struct pollfd *polled;
    spi_relay *relay;
    int workers, running, waiting;
    int restarts, max_restarts;
    int64_t last_restart_ms;
    bool stopping, failed;
    bool hands_on_hangup; /* the program does something on SIGHUP: so do its workers */
    struct sigaction actions[PARENT_SIGNALS]; /* as they were */
    sigset_t before;                          /* the mask that children get back */
    sigset_t polling;                         /* and the parent's while it polls */
    pid_t own_pid;
} parent;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void free_parent(parent *p)
{
    spi_relay_free(p->relay);
    spi_free(p->polled);
    spi_free(p->children);
}

static void become_child(parent *p, int task_id)
{
    own_task_id = task_id;
    static const int defaulted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < sizeof defaulted / sizeof defaulted[0]; i++)
        signal(defaulted[i], defaulted[i] == SIGHUP && p->hands_on_hangup ? SIG_IGN : SIG_DFL);
    for (int i = 0; i < PARENT_SIGNALS; i++)
        has_come[i] = 0;
    sigprocmask(SIG_SETMASK, &p->before, NULL);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != p->own_pid)
        _exit(0); /* the parent was gone before the line above */
#endif
    free_parent(p);
}

/* 1 in the child, 0 in the parent, < 0 if there can be no process. */
static int start_child(parent *p, int task_id)
{
    spout_log_flush();
    int fd;
    if (spi_relay_open(p->relay, task_id, &fd) < 0)
        return spout_error_code_current();
    pid_t pid = fork();
    if (pid == 0) {
        relay_fd = fd;
        become_child(p, task_id);
        return 1;
    }
    close(fd);
    if (pid < 0)
        return spout_error_set_errno(errno, "cannot start worker %d", task_id);
    p->children[task_id].pid = pid;
    p->running++;
    return 0;
}

static void signal_children(const parent *p, int signo)
{
    for (int i = 0; i < p->workers; i++)
        if (p->children[i].pid > 0)
            kill(p->children[i].pid, signo);
}

static void stop_children(parent *p)
{
    p->stopping = true;
    for (int i = 0; i < p->workers; i++)
        p->children[i].restart_ms = 0;
    p->waiting = 0;
    signal_children(p, SIGTERM);
}

static int find_child(const parent *p, pid_t pid)
{
    for (int i = 0; i < p->workers; i++)
        if (p->children[i].pid == pid)
            return i;
    return -1;
}

/* A worker that dies at once must not keep a CPU busy: after the third, one a second. */
static void restart_later(parent *p, int task_id)
{
    int64_t now = now_ms(), due = now;
    if (++p->restarts > 3)
        due = p->last_restart_ms + RESTART_MS > now ? p->last_restart_ms + RESTART_MS : now + 1;
    p->last_restart_ms = due;
    p->children[task_id].restart_ms = due;
    p->waiting++;
}

static void on_child_end(parent *p, pid_t pid, int status)
{
    int task_id = find_child(p, pid);
    if (task_id < 0)
        return; /* not one of ours */
    p->children[task_id].pid = 0;
    p->running--;
    /* Whoever asked it to end came before it could catch that, or after. */
    bool asked = WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
    if (asked || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    if (WIFSIGNALED(status))
        spi_log_warning(
            "worker %d (pid %ld) was killed by signal %d", task_id, (long)pid, WTERMSIG(status));
    else
        spi_log_warning(
            "worker %d (pid %ld) ended with status %d", task_id, (long)pid, WEXITSTATUS(status));
    if (p->stopping) {
        p->failed = true;
    } else if (p->restarts == p->max_restarts) {
        spi_log_error("workers were restarted %d times: giving up", p->restarts);
        p->failed = true;
        stop_children(p);
    } else {
        restart_later(p, task_id);
    }
}

static void reap(parent *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_child_end(p, pid, status);
}

static void handle_signals(parent *p)
{
    for (int i = 0; i < PARENT_SIGNALS; i++) {
        if (!has_come[i])
            continue;
        has_come[i] = 0;
        if (parent_signals[i] == SIGCHLD)
            reap(p);
        else if (parent_signals[i] == SIGHUP)
            signal_children(p, SIGHUP);
        else
            stop_children(p);
    }
}

/* As start_child: 1 in a restarted child. */
static int start_due(parent *p)
{
    int64_t now = now_ms();
    for (int i = 0; i < p->workers; i++) {
        if (p->children[i].restart_ms == 0 || p->children[i].restart_ms > now)
            continue;
        p->children[i].restart_ms = 0;
        p->waiting--;
        int result = start_child(p, i);
        if (result != 0)
            return result;
    }
    return 0;
}

static int64_t ms_to_next_restart(const parent *p)
{
    int64_t now = now_ms(), least = 1000 * 1000;
    for (int i = 0; i < p->workers; i++) {
        int64_t due = p->children[i].restart_ms;
        if (due != 0 && due - now < least)
            least = due > now ? due - now : 0;
    }
    return least;
}

/* Until a worker says something, a signal comes or a restart is due. */
static void wait_for_something(parent *p)
{
    int64_t limit_ms = ms_to_next_restart(p);
    const struct timespec limit = { (time_t)(limit_ms / 1000), (long)(limit_ms % 1000) * 1000000 };
    spi_relay_poll_set(p->relay, p->polled);
    if (ppoll(p->polled, (nfds_t)p->workers, &limit, &p->polling) > 0)
        spi_relay_turn(p->relay, p->polled);
}

/* Until all children have ended: 0. In a child: 1. */
static int supervise(parent *p)
{
    while (p->running + p->waiting > 0) {
        wait_for_something(p);
        handle_signals(p);
        int result = start_due(p);
        if (result > 0)
            return result;
        if (result < 0) {
            spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "workers");
            p->failed = true;
            stop_children(p);
        }
        spout_log_flush();
    }
    return 0;
}

static int start_all(parent *p)
{
    for (int i = 0; i < p->workers; i++) {
        int result = start_child(p, i);
        if (result != 0)
            return result;
    }
    return 0;
}

static void take_signals(parent *p)
{
    struct sigaction hangup;
    p->hands_on_hangup = sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_DFL;
    sigset_t blocked;
    sigemptyset(&blocked);
    for (int i = 0; i < PARENT_SIGNALS; i++)
        if (parent_signals[i] != SIGHUP || p->hands_on_hangup)
            sigaddset(&blocked, parent_signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, &p->before);
    p->polling = p->before;
    struct sigaction noting = { .sa_handler = note_signal };
    sigemptyset(&noting.sa_mask);
    for (int i = 0; i < PARENT_SIGNALS; i++) {
        has_come[i] = 0;
        if (!sigismember(&blocked, parent_signals[i]))
            continue;
        sigdelset(&p->polling, parent_signals[i]);
        sigaction(parent_signals[i], &noting, &p->actions[i]);
    }
}

static void give_signals_back(const parent *p)
{
    for (int i = 0; i < PARENT_SIGNALS; i++)
        if (parent_signals[i] != SIGHUP || p->hands_on_hangup)
            sigaction(parent_signals[i], &p->actions[i], NULL);
    sigprocmask(SIG_SETMASK, &p->before, NULL);
}

int spout_process_fork(int workers, int max_restarts, int *ret_task_id)
{
    if (spi_loop_exists_anywhere())
        return spout_error_set(SPOUT_ESTATE,
            "workers must be forked before the process makes a loop, an executor or a pool");
    parent p = {
        .workers = workers > 0 ? workers : spout_cpu_count(),
        .max_restarts = max_restarts > 0 ? max_restarts : 100,
        .own_pid = getpid(),
    };
    p.children = spi_calloc((size_t)p.workers * sizeof(child));
    p.polled = spi_calloc((size_t)p.workers * sizeof(struct pollfd));
    p.relay = spi_relay_new(p.workers);
    take_signals(&p);

    int result = start_all(&p);
    if (result < 0) {
        spi_log_current_error(SPOUT_LOGGER_GENERAL, SPOUT_LOG_ERROR, "workers");
        p.failed = true;
        stop_children(&p);
    }
    if (result <= 0)
        result = supervise(&p);
    if (result > 0) {
        *ret_task_id = own_task_id;
        return 0;
    }
    free_parent(&p);
    give_signals_back(&p);
    if (p.failed)
        return spout_error_set(SPOUT_EFAILED, "not all workers ended well");
    *ret_task_id = -1;
    return 0;
}
