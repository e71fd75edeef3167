/* Runs a function in a child process and gathers what it writes to stderr: for what ends in abort()
   or at exit. */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct child_result {
    int status; /* as of waitpid */
    size_t len;
    char err[128 * 1024];
} child_result;

/* The result is static: one child at a time. */
static inline const child_result *run_child(void (*fn)(void))
{
    static child_result result;
    int ends[2];
    result.len = 0;
    if (pipe(ends) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        fn();
        exit(0);
    }
    close(ends[1]);
    ssize_t got;
    while ((got = read(ends[0], result.err + result.len, sizeof result.err - 1 - result.len)) > 0)
        result.len += (size_t)got;
    close(ends[0]);
    result.err[result.len] = '\0';
    if (pid < 0 || waitpid(pid, &result.status, 0) != pid)
        abort();
    return &result;
}

static inline int child_signal(const child_result *result)
{
    return WIFSIGNALED(result->status) ? WTERMSIG(result->status) : 0;
}

#endif
