#include <spout/main.h>

#include <spout/log.h>

#include "base/list.h"
#include "run/program.h"

static const spout_option http_options[] = {
    { .name = "debug",
        .type = SPOUT_OPTION_BOOL,
        .help = "log more, and show errors with their causes in the pages" },
    { .name = "max-body-size",
        .type = SPOUT_OPTION_SIZE,
        .metavar = "SIZE",
        .help = "largest request body, such as 10M" },
    { 0 },
};

typedef struct http_program {
    spi_program program;
    const spout_route *routes;
    const spout_main_options *options;
    spout_application_options application_options;
    spout_application *application;
    spout_http_server *server; /* the application's */
} http_program;

static http_program *http_of(spi_program *p)
{
    return spi_container(p, http_program, program);
}

static int configure(spi_program *p, char **words)
{
    (void)words;
    http_program *self = http_of(p);
    spout_application_options *application = &self->application_options;
    *application = self->options->application;
    if (self->options->data)
        application->data = self->options->data;
    if (spout_option_bool("debug"))
        application->serve_traceback = true;
    if (spout_option_is_set("max-body-size")) {
        int64_t size = spout_option_int("max-body-size");
        application->http.max_body_size = size ? size : SPOUT_ZERO;
    }
    int result = self->options->configure ? self->options->configure(application) : 0;
    if (application->access_log == SPOUT_ACCESS_LOG_JSON)
        spout_log_set_format(SPOUT_LOG_JSON);
    return result;
}

static int prepare(spi_program *p)
{
    http_program *self = http_of(p);
    self->application = spout_application_new(self->routes, &self->application_options);
    return self->application ? 0 : -1;
}

typedef int hook(spout_application *application);

static int call_hook(spi_program *p, spi_program_moment moment)
{
    const http_program *self = http_of(p);
    hook *const hooks[] = { self->options->on_start, self->options->on_drain,
        self->options->on_stop };
    return hooks[moment] ? hooks[moment](self->application) : 0;
}

static int accept_on(
    spi_program *p, const spout_listener *listeners, int count, const spout_listen_options *how)
{
    http_program *self = http_of(p);
    if (!self->server)
        self->server = spout_application_server(self->application);
    return self->server ? spout_http_server_add_sockets(self->server, listeners, count, how) : -1;
}

static void drain(spi_program *p)
{
    spout_http_server_drain(http_of(p)->server);
}

static void release(spi_program *p)
{
    http_program *self = http_of(p);
    spout_application_free(self->application);
    self->application = NULL;
}

static const spi_program_kind kind = {
    .configure = configure,
    .prepare = prepare,
    .call_hook = call_hook,
    .accept = accept_on,
    .drain = drain,
    .release = release,
};

int spout_main(int argc, char **argv, const spout_route *routes, const spout_main_options *options)
{
    static const spout_main_options defaults = { 0 };
    if (!options)
        options = &defaults;
    http_program self = {
        .program = { .kind = &kind,
            .kind_options = http_options,
            .own_options = options->options,
            .default_port = options->default_port,
            .loop_options = options->loop,
            .single_worker = options->single_worker },
        .routes = routes,
        .options = options,
    };
    return spi_program_main(&self.program, argc, argv);
}
