#include <spout/main.h>

#include <spout/error.h>

#include "base/list.h"
#include "base/log.h"
#include "loop/task.h"
#include "run/program.h"

enum { CANCEL_MS = 10 * 1000 }; /* as the end of a loop */

static const spout_option tcp_options[] = {
    { .name = "debug", .type = SPOUT_OPTION_BOOL, .help = "log more" },
    { .name = "max-body-size",
        .type = SPOUT_OPTION_SIZE,
        .metavar = "SIZE",
        .help = "longest message, such as 10M" },
    { 0 },
};

typedef struct tcp_program {
    spi_program program;
    spout_stream_handler *handler;
    spout_tcp_main_options options; /* which .configure may have changed */
    spout_tcp_server *server;
    spi_list visits;
    spi_list awaits_end; /* whoever waits for the last visit to end */
    bool is_over;
} tcp_program;

static tcp_program *tcp_of(spi_program *p)
{
    return spi_container(p, tcp_program, program);
}

/* --- connections --- */

/* A connection whose handler runs. */
typedef struct visit {
    spi_list node;
    tcp_program *program;
    spi_task *task;
    spout_stream *stream;
} visit;

static int call_handler(void *arg)
{
    const visit *v = arg;
    return v->program->handler(v->stream, v->program->options.data);
}

static int handle_stream(spout_stream *stream, void *arg)
{
    tcp_program *self = arg;
    if (self->is_over)
        return 0;
    visit v = { .program = self, .task = spi_task_current(), .stream = stream };
    spi_list_push(&self->visits, &v.node);
    int result = spi_task_call(call_handler, &v);
    spi_list_remove(&v.node);
    if (spi_list_is_empty(&self->visits))
        spi_wake_all(&self->awaits_end);
    return result;
}

static int await_end(tcp_program *self, int64_t limit_ms)
{
    int64_t outer = spout_deadline_set_ms(limit_ms);
    int result = 0;
    while (result == 0 && !spi_list_is_empty(&self->visits))
        result = spi_wait(&self->awaits_end, "connections");
    spout_deadline_restore(outer);
    return result;
}

static void cancel_visits(tcp_program *self)
{
    size_t count = 0;
    for (spi_list *node = self->visits.next; node != &self->visits; node = node->next, count++)
        spi_task_cancel(spi_container(node, visit, node)->task);
    if (count > 0)
        spi_log_info("%zu connections were cut", count);
}

static void drain(spi_program *p)
{
    tcp_program *self = tcp_of(p);
    spout_tcp_server_stop(self->server);
    if (self->options.drain_timeout_ms > 0)
        (void)await_end(self, self->options.drain_timeout_ms);
    self->is_over = true;
    cancel_visits(self);
    (void)await_end(self, CANCEL_MS);
}

/* --- the program --- */

static int configure(spi_program *p, char **words)
{
    tcp_program *self = tcp_of(p);
    spout_tcp_main_options *options = &self->options;
    if (spout_option_is_set("max-body-size")) {
        int64_t size = spout_option_int("max-body-size");
        if (size < 1)
            return spout_error_set(SPOUT_EINVAL, "option '--max-body-size' must be at least 1");
        options->stream.max_buffer_size = (size_t)size;
    }
    int result = options->configure ? options->configure(options, words) : 0;
    p->command = options->command;
    p->command_arg = options->data;
    return result;
}

static int prepare(spi_program *p)
{
    tcp_program *self = tcp_of(p);
    self->server = spout_tcp_server_new(handle_stream, self, &self->options.stream);
    spout_tcp_server_set_max_connections(self->server, self->options.max_connections);
    return 0;
}

typedef int hook(void *data);

static int call_hook(spi_program *p, spi_program_moment moment)
{
    const tcp_program *self = tcp_of(p);
    hook *const hooks[] = { self->options.on_start, self->options.on_drain, self->options.on_stop };
    return hooks[moment] ? hooks[moment](self->options.data) : 0;
}

static int accept_on(
    spi_program *p, const spout_listener *listeners, int count, const spout_listen_options *how)
{
    return spout_tcp_server_add_sockets(tcp_of(p)->server, listeners, count, how);
}

static void release(spi_program *p)
{
    tcp_program *self = tcp_of(p);
    spout_tcp_server_free(self->server);
    self->server = NULL;
}

static const spi_program_kind kind = {
    .configure = configure,
    .prepare = prepare,
    .call_hook = call_hook,
    .accept = accept_on,
    .drain = drain,
    .release = release,
};

int spout_tcp_main(
    int argc, char **argv, spout_stream_handler *handler, const spout_tcp_main_options *options)
{
    tcp_program self = { .handler = handler };
    if (options)
        self.options = *options;
    spi_list_init(&self.visits);
    spi_list_init(&self.awaits_end);
    self.program = (spi_program){ .kind = &kind,
        .kind_options = tcp_options,
        .own_options = self.options.options,
        .default_port = self.options.default_port,
        .loop_options = self.options.loop,
        .single_worker = self.options.single_worker,
        .tls_only = self.options.tls_only,
        .takes_words = self.options.takes_words };
    return spi_program_main(&self.program, argc, argv);
}
