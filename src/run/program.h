/*
 * What spout_main and spout_tcp_main share: a process that reads its options, opens its sockets,
 * forks workers, and serves in each of them until a signal ends it.
 */
#ifndef SPI_PROGRAM_H
#define SPI_PROGRAM_H

#include <spout/loop.h>
#include <spout/netutil.h>
#include <spout/options.h>
#include <spout/task.h>
#include <spout/tls.h>

enum { SPI_PROGRAM_MAX_PROXIES = 32 };

typedef struct spi_program spi_program;

/* In each worker, on a coroutine: before it accepts, when it was asked to end, when its connections
   have ended. */
typedef enum spi_program_moment {
    SPI_PROGRAM_STARTS,
    SPI_PROGRAM_DRAINS,
    SPI_PROGRAM_STOPS
} spi_program_moment;

/* What is served. < 0 with the error set is a failure. */
typedef struct spi_program_kind {
    /* The options are parsed and checked. `words` stand behind them, ended by NULL. */
    int (*configure)(spi_program *p, char **words);
    int (*prepare)(spi_program *p); /* before workers are forked */
    int (*call_hook)(spi_program *p, spi_program_moment moment);
    int (*accept)(spi_program *p, const spout_listener *listeners, int count,
        const spout_listen_options *how);
    void (*drain)(spi_program *p);   /* accepts no more; returns when the connections have ended */
    void (*release)(spi_program *p); /* before a worker's loop is freed, and once more at the end */
} spi_program_kind;

/* Open listening sockets: `sets` times `per_set`, one set for each worker, kept by the parent. */
typedef struct spi_program_sockets {
    spout_listener *listeners;
    int sets, per_set;
} spi_program_sockets;

/* One run of a program, from its arguments to its end. */
struct spi_program {
    /* Set by whoever calls spi_program_main. */
    const spi_program_kind *kind;
    const spout_option *kind_options, *own_options; /* tables, besides the standard one */
    int default_port;                               /* 0: 8888 */
    const spout_loop_options *loop_options;
    bool single_worker;
    bool tls_only;    /* TLS on --port; there is no --tls-port */
    bool takes_words; /* behind the options */

    /* May be set by `configure`: runs instead of serving. */
    spout_task_fn *command;
    void *command_arg;

    const char *name;
    spi_program_sockets plain, secure;
    spout_tls *tls; /* NULL: not spoken */
    char *proxies_text;
    const char *proxies[SPI_PROGRAM_MAX_PROXIES + 1]; /* parts of it */
    spout_loop *loop;                                 /* the worker's */
    bool accepts;
    int64_t first_signal_ms;
    int status;
};

/* The exit status. Everything is released. */
int spi_program_main(spi_program *p, int argc, char **argv);

/* --- program_options.c --- */

/* Defines and parses; returns the index of the first word that is no option. */
int spi_program_parse(spi_program *p, int argc, char **argv);
/* Checks the standard options, and sets the log's level. */
int spi_program_check(spi_program *p);

/* --- program_sockets.c --- */

int spi_program_listen(spi_program *p, int workers);
/* In a worker: accepts on its own set, closes the others. */
int spi_program_accept(spi_program *p);
/* In a worker that ends as it should: nobody will be started in its place, so the parent's copies of
   its sockets must not take connections either. Those that all workers share stay. */
void spi_program_stop_listening(const spi_program *p);
void spi_program_free_sockets(spi_program *p); /* the lists only: the system closes them */

#endif
