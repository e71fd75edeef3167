#define _GNU_SOURCE
#include <spout/error.h>
#include <spout/log.h>
#include <spout/process.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"

#include <errno.h>
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

typedef struct parent {
    pid_t *children; /* by task id; 0 once ended */
    int workers, running;
    int restarts, max_restarts;
    bool stopping, failed;
    bool hands_on_hangup; /* the program does something on SIGHUP: so do its workers */
    sigset_t waited;      /* what the parent waits for, blocked meanwhile */
    sigset_t before;      /* the mask that children get back */
    pid_t own_pid;
} parent;

static void become_child(parent *p, int task_id)
{
    own_task_id = task_id;
    static const int defaulted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < sizeof defaulted / sizeof defaulted[0]; i++)
        signal(defaulted[i], defaulted[i] == SIGHUP && p->hands_on_hangup ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &p->before, NULL);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != p->own_pid)
        _exit(0); /* the parent was gone before the line above */
#endif
    spi_free(p->children);
}

/* 1 in the child, 0 in the parent, < 0 if there can be no process. */
static int start_child(parent *p, int task_id)
{
    spout_log_flush();
    pid_t pid = fork();
    if (pid < 0)
        return spout_error_set_errno(errno, "cannot start worker %d", task_id);
    if (pid == 0) {
        become_child(p, task_id);
        return 1;
    }
    p->children[task_id] = pid;
    p->running++;
    return 0;
}

static void signal_children(const parent *p, int signo)
{
    for (int i = 0; i < p->workers; i++)
        if (p->children[i] > 0)
            kill(p->children[i], signo);
}

static void stop_children(parent *p)
{
    p->stopping = true;
    signal_children(p, SIGTERM);
}

static int find_child(const parent *p, pid_t pid)
{
    for (int i = 0; i < p->workers; i++)
        if (p->children[i] == pid)
            return i;
    return -1;
}

/* Waits so that a worker that dies at once does not keep a CPU busy; a signal to stop ends the
   wait. */
static void back_off(parent *p)
{
    struct timespec second = { 1, 0 };
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    if (sigtimedwait(&stop, NULL, &second) > 0)
        stop_children(p);
}

/* As start_child: 1 in a restarted child. */
static int on_child_end(parent *p, pid_t pid, int status)
{
    int task_id = find_child(p, pid);
    if (task_id < 0)
        return 0; /* not one of ours */
    p->children[task_id] = 0;
    p->running--;
    /* too early to catch it, or too late */
    /* Whoever asked it to end came before it could catch that, or after. */
    bool asked = WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
    if (asked || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return 0;
    if (WIFSIGNALED(status))
        spi_log_warning(
            "worker %d (pid %ld) was killed by signal %d", task_id, (long)pid, WTERMSIG(status));
    else
        spi_log_warning(
            "worker %d (pid %ld) ended with status %d", task_id, (long)pid, WEXITSTATUS(status));
    if (p->stopping) {
        p->failed = true;
        return 0;
    }
    if (p->restarts == p->max_restarts) {
        spi_log_error("workers were restarted %d times: giving up", p->restarts);
        p->failed = true;
        stop_children(p);
        return 0;
    }
    if (++p->restarts > 3)
        back_off(p);
    return p->stopping ? 0 : start_child(p, task_id);
}

static int reap(parent *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        int result = on_child_end(p, pid, status);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Until all children have ended: 0. In a child: 1. */
static int supervise(parent *p)
{
    while (p->running > 0) {
        int signo = sigwaitinfo(&p->waited, NULL);
        int result = 0;
        if (signo == SIGTERM || signo == SIGINT)
            stop_children(p);
        else if (signo == SIGHUP)
            signal_children(p, SIGHUP);
        else if (signo == SIGCHLD)
            result = reap(p);
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
    p.children = spi_calloc((size_t)p.workers * sizeof(pid_t));
    sigemptyset(&p.waited);
    sigaddset(&p.waited, SIGTERM);
    sigaddset(&p.waited, SIGINT);
    sigaddset(&p.waited, SIGCHLD);
    struct sigaction hangup;
    p.hands_on_hangup = sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_DFL;
    if (p.hands_on_hangup)
        sigaddset(&p.waited, SIGHUP);
    sigprocmask(SIG_BLOCK, &p.waited, &p.before);

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
    spi_free(p.children);
    sigprocmask(SIG_SETMASK, &p.before, NULL);
    if (p.failed)
        return spout_error_set(SPOUT_EFAILED, "not all workers ended well");
    *ret_task_id = -1;
    return 0;
}
