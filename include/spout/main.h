/*
 * What a main() needs: options, log, sockets, workers, signals, a loop and an application, in one
 * call.
 *
 * Options of every program: --port --address --workers --debug --logging --max-body-size --help,
 * --tls-port --tls-cert --tls-key (HTTPS besides; SIGHUP to the process or to its parent reads the
 * files again), --proxies (load balancers whose connections begin with a PROXY header, on all
 * ports), and what .options adds. Sockets that systemd passes on (LISTEN_FDS) are taken instead of
 * --port and --address. SIGTERM and SIGINT: the server accepts no more, finishes what runs within
 * the drain limit, closes WebSockets with 1001, and spout_main returns 0. A second signal, at least
 * a second later, ends at once. With --debug SIGUSR1 dumps what every coroutine waits for. A
 * coroutine that overflows its stack is named before the process dies.
 */
#ifndef SPOUT_MAIN_H
#define SPOUT_MAIN_H

#include <spout/base.h>
#include <spout/options.h>
#include <spout/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spout_main_options {
    const spout_option *options; /* further options of the program, ended by { 0 } */
    int default_port;            /* 0: 8888 */
    /* After the options are parsed, before any socket, worker or loop: may check options and change
       `application`. < 0 ends the program with the error's message. Does not suspend. */
    int (*configure)(spout_application_options *application);
    /* In each worker, on a coroutine, before it accepts: what the handlers need. < 0 ends the
       worker with the error's message. */
    int (*on_start)(spout_application *application);
    /* In each worker, on a coroutine, when a signal has asked it to end: before connections are
       drained. */
    int (*on_drain)(spout_application *application);
    /* In each worker, on a coroutine, when the last connection is gone. */
    int (*on_stop)(spout_application *application);
    void *data; /* spout_data(r) */
    /* With .access_log in JSON the whole log is (spout_log_set_format). */
    spout_application_options application;
    const spout_loop_options *loop; /* of each worker's loop: clock, metrics …; NULL: defaults */
    bool single_worker;             /* --workers over 1 is refused: state is kept in the process */
    void *reserved[4];
} spout_main_options;

/* Returns the process's exit status: 0, 1 for an error (told in one line on stderr: `helloworld:
   cannot listen on …`), 2 for wrong usage. */
SPOUT_API int spout_main(
    int argc, char **argv, const spout_route *routes, const spout_main_options *options);

#ifdef __cplusplus
}
#endif

#endif
