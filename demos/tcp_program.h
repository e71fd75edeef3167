/* What the demos of TCP servers share: options, TLS, workers, signals. */
#ifndef TCP_PROGRAM_H
#define TCP_PROGRAM_H

#include <spout.h>

enum { EXIT_USAGE = 2 };

typedef struct tcp_program {
    const char *name;
    const spout_option *options; /* its own, besides the usual ones */
    const char *default_port;
    bool tls_only; /* TLS is on --port; else on --tls-port, besides */
    spout_stream_handler *handler;
    void *arg;
} tcp_program;

/* "HOST:PORT"; an IPv6 address stands in brackets. */
typedef struct tcp_target {
    char host[256];
    int port;
} tcp_target;

/* < 0 with the error set. `option` is whose value the text is. */
int tcp_target_parse(tcp_target *ret_target, const char *option, const char *text);

/* The index of the first word that is no option, < 0 with the error set, or 0 if only --help was
   wanted, which is printed. */
int tcp_program_parse(const tcp_program *self, int argc, char **argv);

/* Serves until a signal. Returns an exit status. */
int tcp_program_serve(const tcp_program *self);

/* Tells the current error in one line. Returns the status. */
int tcp_program_complain(const tcp_program *self, int status);

/* The option's number, or < 0 with the error set if it is no port. */
int tcp_program_port(const char *option);

#endif
