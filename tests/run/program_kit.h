/* Calls a main() in the test's own process and hears what it says on stderr. */
#ifndef PROGRAM_KIT_H
#define PROGRAM_KIT_H

#include <spout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the program said on stderr while a case ran. */
static char said[4096];
static int stderr_before, said_fd;

static inline int catch_stderr(void **state)
{
    (void)state;
    char path[] = "/tmp/spout-test-XXXXXX";
    said_fd = mkstemp(path);
    unlink(path);
    stderr_before = dup(2);
    dup2(said_fd, 2);
    return said_fd < 0 ? -1 : 0;
}

static inline int release_stderr(void **state)
{
    (void)state;
    dup2(stderr_before, 2);
    close(stderr_before);
    close(said_fd);
    spout_log_set_level(SPOUT_LOG_INFO);
    return 0;
}

static inline const char *heard(void)
{
    spout_log_flush();
    ssize_t len = pread(said_fd, said, sizeof said - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    return said;
}

/* With up to two words behind the program's name; NULL: none. */
static inline int run_program(int main_fn(int argc, char **argv), const char *a, const char *b)
{
    char words[3][128] = { "/usr/bin/program" };
    char *argv[4] = { words[0] };
    int argc = 1;
    const char *given[] = { a, b };
    for (int i = 0; i < 2 && given[i]; i++) {
        snprintf(words[argc], sizeof words[argc], "%s", given[i]);
        argv[argc] = words[argc];
        argc++;
    }
    return main_fn(argc, argv);
}

#endif
