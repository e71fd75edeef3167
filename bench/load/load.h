/*
 * A load client that costs little: one thread, one epoll, answers counted by their length.
 *
 * It does what the lines on its standard input say: "open" and "close" (its connections), "run
 * SECONDS", "count REQUESTS" and, for those that wait for a trigger, "wake". What was measured
 * comes as a line of JSON, and "done" behind each. The end of the input ends it.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct load_options {
    const char *mode; /* http, connect, websocket, poll, topic */
    const char *address;
    const char *path, *trigger; /* WebSocket's path; what wakes those that wait */
    uint16_t port;
    int connections, depth;
    size_t message; /* bytes */
    bool tls, deflate;
    char *request; /* owned, one request */
    size_t request_len;
} load_options;

typedef struct connection {
    int fd;
    SSL *ssl;           /* NULL: plain */
    bool shaken, open;  /* TLS is up; the WebSocket handshake is over */
    size_t answer;      /* bytes of one answer; 0: not known yet */
    size_t got;         /* of the current batch */
    int64_t started_ns; /* of the current batch */
} connection;

typedef struct load {
    const load_options *options;
    SSL_CTX *tls;
    int poller;
    bool open;
    connection *connections;
    char *batch; /* what is sent at a time, and how many answers it asks for */
    size_t batch_len;
    int batch_answers;
    uint64_t answers, goal; /* goal 0: until the deadline */
    int64_t deadline_ns;
    uint32_t *latencies_us;
    size_t latency_count;
} load;

int64_t load_now_ns(void);
_Noreturn void load_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connects, and starts TLS; blocks until it is up. `number` chooses the source address. */
void load_connect(load *l, connection *c, int number);
void load_close(connection *c);
void load_send(connection *c, const char *data, size_t len);
/* > 0: bytes; 0: none now; < 0: closed. */
long load_receive(connection *c, char *buffer, size_t size);
/* Until the buffer holds the end of a head; the bytes received, a NUL behind them. */
size_t load_receive_head(connection *c, char *buffer, size_t size);

/* The length of a whole answer, from its head. */
size_t load_answer_length(const char *text, size_t len);

void load_note_latency(load *l, int64_t ns);
void load_report(load *l, double seconds);

/* The WebSocket side: the handshake and one masked frame. */
void load_upgrade(load *l, connection *c, const char *path);
size_t load_frame(char *out, size_t size, char fill);
size_t load_frame_length(size_t size); /* as the server sends it back */

void load_run_requests(load *l);    /* http, websocket: until the goal or the deadline */
void load_run_connections(load *l); /* connect */
void load_wake(load *l);            /* poll, topic */
void load_prepare_wake(load *l);

#endif
