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
 * a second later, ends at once; a first one that comes while .on_start runs cancels that. With
 * --debug SIGUSR1 dumps what every coroutine waits for. A coroutine that overflows its stack is
 * named before the process dies.
 *
 * spout_tcp_main is the same for protocols other than HTTP.
 */
#ifndef SPOUT_MAIN_H
#define SPOUT_MAIN_H

#include <spout/base.h>
#include <spout/options.h>
#include <spout/tcpserver.h>
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

typedef struct spout_tcp_main_options {
    const spout_option *options; /* further options of the program, ended by { 0 } */
    int default_port;            /* 0: 8888 */
    /* TLS is on --port: there is no --tls-port, and the certificate and its key must be given. */
    bool tls_only;
    bool takes_words; /* `prog --option word word`; else a word is wrong usage */
    /* After the options are parsed, before any socket, worker or loop: may check them and change
       `own`, a copy of this struct that lives as long as the program; .options, .default_port,
       .tls_only and .loop have had their effect. `words` are those behind the options, ended by
       NULL. < 0 ends the program with the error's message. Does not suspend. */
    int (*configure)(struct spout_tcp_main_options *own, char **words);
    /* As those of spout_main_options; `data` is .data. on_stop: when no handler runs any more. */
    int (*on_start)(void *data);
    int (*on_drain)(void *data);
    int (*on_stop)(void *data);
    /* Runs on a coroutine instead of all that is served, and the program ends: a client, or some
       upkeep that an option asks for. < 0 is told in one line; the status is 1 then. */
    int (*command)(void *data);
    void *data; /* the handler's `arg` */
    /* Of each connection; --max-body-size is .max_buffer_size. */
    spout_stream_options stream;
    int64_t max_connections; /* of each worker; beyond, new ones are closed. 0: no limit */
    /* How long connections may go on after the first signal; then their coroutines are cancelled.
       0: at once. */
    int64_t drain_timeout_ms;
    const spout_loop_options *loop; /* of each worker's loop; NULL: defaults */
    bool single_worker;             /* --workers over 1 is refused */
    void *reserved[4];
} spout_tcp_main_options;

/*
 * A program that serves a protocol of its own: `handler` runs for each connection, on a coroutine
 * (<spout/tcpserver.h>). Options, workers, signals and the exit status are those of spout_main;
 * --max-body-size is the most that one read can return. (In Tornado: options, TCPServer, bind and
 * start.)
 *
 * Example:
 *     int main(int argc, char **argv)
 *     {
 *         return spout_tcp_main(argc, argv, echo, &(spout_tcp_main_options){ .default_port = 7 });
 *     }
 */
SPOUT_API int spout_tcp_main(
    int argc, char **argv, spout_stream_handler *handler, const spout_tcp_main_options *options);

#ifdef __cplusplus
}
#endif

#endif
