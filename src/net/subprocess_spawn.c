#define _GNU_SOURCE
#include "net/subprocess_spawn.h"

#include <spout/error.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

/* One child in the making. */
typedef struct spawning {
    int ours[SPI_STDIO_COUNT];   /* -1: none */
    int theirs[SPI_STDIO_COUNT]; /* what becomes 0, 1, 2; -1: stays as it is */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
} spawning;

static void close_fds(int fds[SPI_STDIO_COUNT])
{
    for (int i = 0; i < SPI_STDIO_COUNT; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Above the standard ones, so that putting one of these in its place overwrites none of the others.
   Takes fd; -1 with errno. */
static int lift(int fd)
{
    if (fd < 0 || fd >= SPI_STDIO_COUNT)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, SPI_STDIO_COUNT), errnum = errno;
    close(fd);
    errno = errnum;
    return lifted;
}

static int open_pipe(spawning *self, int which)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    bool child_reads = which == 0;
    self->theirs[which] = lift(fds[child_reads ? 0 : 1]);
    self->ours[which] = lift(fds[child_reads ? 1 : 0]);
    return self->theirs[which] < 0 || self->ours[which] < 0 ? -1 : 0;
}

/* 0, or -1 with errno. */
static int set_up(spawning *self, int which, spout_stdio kind, int fd)
{
    switch (kind) {
    case SPOUT_STDIO_INHERIT: return 0;
    case SPOUT_STDIO_STREAM: return open_pipe(self, which);
    case SPOUT_STDIO_NULL: self->theirs[which] = lift(open("/dev/null", O_RDWR | O_CLOEXEC)); break;
    case SPOUT_STDIO_FD: self->theirs[which] = fcntl(fd, F_DUPFD_CLOEXEC, SPI_STDIO_COUNT); break;
    case SPOUT_STDIO_OUTPUT:
        self->theirs[which] = self->theirs[1] >= 0
                                  ? fcntl(self->theirs[1], F_DUPFD_CLOEXEC, SPI_STDIO_COUNT)
                                  : fcntl(1, F_DUPFD_CLOEXEC, SPI_STDIO_COUNT);
        break;
    }
    return self->theirs[which] < 0 ? -1 : 0;
}

static int set_up_all(spawning *self, const spout_subprocess_options *options)
{
    const spout_stdio kinds[SPI_STDIO_COUNT] = { options->input, options->output, options->error };
    const int fds[SPI_STDIO_COUNT] = { options->input_fd, options->output_fd, options->error_fd };
    for (int i = 0; i < SPI_STDIO_COUNT; i++)
        if (set_up(self, i, kinds[i], fds[i]) < 0)
            return spout_error_set_errno(errno, "cannot connect a child's descriptor %d", i);
    return 0;
}

/* An errno. */
static int add_actions(spawning *self, const spout_subprocess_options *options)
{
    int failed = 0;
    for (int i = 0; i < SPI_STDIO_COUNT && !failed; i++)
        if (self->theirs[i] >= 0)
            failed = posix_spawn_file_actions_adddup2(&self->actions, self->theirs[i], i);
    if (!failed && options->directory)
        failed = posix_spawn_file_actions_addchdir_np(&self->actions, options->directory);
#if SPI_HAVE_ADDCLOSEFROM
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&self->actions, SPI_STDIO_COUNT);
#endif
    return failed;
}

static int set_attributes(spawning *self, const spout_subprocess_options *options)
{
    sigset_t all, none;
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigfillset(&all);
    sigemptyset(&none);
    if (options->own_group)
        flags |= POSIX_SPAWN_SETPGROUP;
    int failed = posix_spawnattr_setsigdefault(&self->attributes, &all);
    if (!failed)
        failed = posix_spawnattr_setsigmask(&self->attributes, &none);
    if (!failed)
        failed = posix_spawnattr_setflags(&self->attributes, (short)flags);
    return failed;
}

static int spawn(spawning *self, const char *const *argv, const spout_subprocess_options *options,
    pid_t *ret_pid)
{
    char *const *env = options->env ? (char *const *)(uintptr_t)options->env : environ;
    posix_spawn_file_actions_init(&self->actions);
    posix_spawnattr_init(&self->attributes);
    int failed = add_actions(self, options);
    if (!failed)
        failed = set_attributes(self, options);
    if (!failed)
        failed = posix_spawnp(ret_pid, argv[0], &self->actions, &self->attributes,
            (char *const *)(uintptr_t)argv, env);
    posix_spawnattr_destroy(&self->attributes);
    posix_spawn_file_actions_destroy(&self->actions);
    return failed ? spout_error_set_errno(failed, "cannot start %s", argv[0]) : 0;
}

int spi_subprocess_spawn(const char *const *argv, const spout_subprocess_options *options,
    pid_t *ret_pid, int ret_pipes[SPI_STDIO_COUNT])
{
    spawning self = { .ours = { -1, -1, -1 }, .theirs = { -1, -1, -1 } };
    int result = set_up_all(&self, options);
    if (result == 0)
        result = spawn(&self, argv, options, ret_pid);
    close_fds(self.theirs);
    if (result < 0)
        close_fds(self.ours);
    else
        memcpy(ret_pipes, self.ours, sizeof self.ours);
    return result;
}
