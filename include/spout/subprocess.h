/*
 * Child processes, with streams on their pipes (Tornado's process.Subprocess).
 *
 * A child starts with the descriptors 0, 1 and 2 and no others, with default signals and an empty
 * signal mask. Its end is noticed by the loop that started it (a pidfd where the kernel has them,
 * else SIGCHLD), so that no zombie stays, waited for or not.
 *
 * Example:
 *     const char *const argv[] = { "sort", "-n", NULL };
 *     spout_subprocess *sort = spout_subprocess_start(argv,
 *         &(spout_subprocess_options){ .input = SPOUT_STDIO_STREAM, .output = SPOUT_STDIO_STREAM });
 *     if (!sort)
 *         return -1;
 *     spout_stream_write(spout_subprocess_input(sort), spout_bytes_of("10\n9\n"));
 *     spout_stream_shutdown(spout_subprocess_input(sort));
 *     spout_stream_read_until_close(spout_subprocess_output(sort), 0, &sorted);
 *     int status;
 *     spout_subprocess_wait_for_exit(sort, &status);
 *     spout_subprocess_free(sort);
 */
#ifndef SPOUT_SUBPROCESS_H
#define SPOUT_SUBPROCESS_H

#include <spout/base.h>
#include <spout/loop.h>
#include <spout/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_subprocess spout_subprocess;

/* What the child has as a standard descriptor. */
typedef enum spout_stdio {
    SPOUT_STDIO_INHERIT, /* ours */
    SPOUT_STDIO_STREAM,  /* a pipe whose other end is a stream (Subprocess.STREAM) */
    SPOUT_STDIO_NULL,    /* /dev/null */
    SPOUT_STDIO_FD,      /* a descriptor of the caller's, which stays theirs */
    SPOUT_STDIO_OUTPUT   /* .error only: where .output goes */
} spout_stdio;

typedef struct spout_subprocess_options {
    spout_stdio input, output, error;
    int input_fd, output_fd, error_fd; /* for SPOUT_STDIO_FD */
    const char *const *env;            /* "NAME=value", ended by NULL; NULL: ours */
    const char *directory;             /* to start in; NULL: ours */
    bool own_group;                    /* leads a process group: a Ctrl-C does not reach it */
    spout_stream_options stream;
    void *reserved[4];
} spout_subprocess_options;

/* Starts argv[0], looked for in PATH unless it has a '/'. Owned. NULL with SPOUT_ESYSTEM and a
   message such as "cannot start nonesuch: No such file or directory", SPOUT_ESTATE without a loop.
   */
SPOUT_API spout_subprocess *spout_subprocess_start(
    const char *const *argv, const spout_subprocess_options *options);

SPOUT_API int spout_subprocess_pid(const spout_subprocess *process);

/* The streams on the pipes, NULL where there is none; they belong to the subprocess and end with
   it. */
SPOUT_API spout_stream *spout_subprocess_input(const spout_subprocess *process);
SPOUT_API spout_stream *spout_subprocess_output(const spout_subprocess *process);
SPOUT_API spout_stream *spout_subprocess_error(const spout_subprocess *process);

/*
 * Waits for the end. *ret_status (may be NULL) is the exit status, or minus the signal that killed
 * it. A deadline or cancellation ends the wait and leaves the child as it is. SPOUT_ESTATE if
 * somebody else has collected the status (SIGCHLD is ignored in this process, or waitpid(-1)).
 */
SPOUT_API int spout_subprocess_wait_for_exit(
    spout_subprocess *process, int *ret_status) SPOUT_SUSPENDS;

/* The same, and a status other than 0 is SPOUT_EFAILED, "sort was killed by signal 9"
   (raise_error=True). */
SPOUT_API int spout_subprocess_wait_for_success(spout_subprocess *process) SPOUT_SUSPENDS;

/* Whether it has ended (returncode); ret_status as above. Does not wait. */
SPOUT_API bool spout_subprocess_has_ended(const spout_subprocess *process, int *ret_status);

/* Calls fn(arg) once on the loop when it has ended; in the next turn if it has already
   (set_exit_callback). */
SPOUT_API void spout_subprocess_set_exit_callback(
    spout_subprocess *process, spout_callback *fn, void *arg);

/* SPOUT_ESTATE once it has ended. */
SPOUT_API int spout_subprocess_send_signal(spout_subprocess *process, int signo);
SPOUT_API int spout_subprocess_terminate(spout_subprocess *process); /* SIGTERM */
SPOUT_API int spout_subprocess_kill(spout_subprocess *process);      /* SIGKILL */

/*
 * Closes the streams: output that the child has not taken yet is still sent in the background. A
 * child that still runs goes on, and is collected when it ends, as long as there is the loop. End
 * it first if it should not. Coroutines that wait get SPOUT_ECLOSED. NULL is fine.
 */
SPOUT_API void spout_subprocess_free(spout_subprocess *process);

#ifdef __cplusplus
}
#endif

#endif
