/* Two loops in two threads serve at once and share nothing: run under TSan, where sharing would be
   seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spout.h>

#include <pthread.h>

enum { REQUESTS = 200, CLIENTS = 4 };

static int greet(spout_request *r)
{
    if (spout_yield() < 0)
        return -1;
    return spout_write_json(r, json_pack("{s:s}", "name", spout_argument(r, "name", "nobody")));
}

static const spout_handler greeter = { .get = greet };
static const spout_route routes[] = { { "/hello/{ignored}", &greeter }, { 0 } };

typedef struct worker {
    int number, port, served;
} worker;

typedef struct client {
    worker *worker;
    int number;
} client;

static int ask(spout_stream *stream, const client *c, int i)
{
    const char *request = spout_scope_format(
        "GET /hello/%d?name=%d-%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i, c->worker->number,
        c->number);
    spout_bytes head, body;
    if (spout_stream_write(stream, spout_bytes_of(request)) < 0 ||
        spout_stream_read_until(stream, "\r\n\r\n", 4096, &head) < 0)
        return -1;
    char expected[64];
    size_t len = (size_t)snprintf(
        expected, sizeof expected, "{\"name\":\"%d-%d\"}", c->worker->number, c->number);
    if (spout_stream_read(stream, len, &body) < 0)
        return -1;
    if (memcmp(body.data, expected, len) != 0)
        return spout_error_set(
            SPOUT_EFAILED, "worker %d got another one's answer", c->worker->number);
    c->worker->served++;
    return 0;
}

static int run_client(void *arg)
{
    const client *c = arg;
    spout_stream *stream = spout_stream_connect("127.0.0.1", c->worker->port, NULL);
    if (!stream)
        return -1;
    int result = 0;
    for (int i = 0; i < REQUESTS && result == 0; i++)
        result = ask(stream, c, i);
    spout_stream_close(stream);
    return result;
}

static int run_clients(void *arg)
{
    worker *w = arg;
    client clients[CLIENTS];
    spout_group *group = spout_group_new();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (client){ w, i };
        spout_group_start(group, run_client, &clients[i], NULL);
    }
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static void *serve(void *arg)
{
    worker *w = arg;
    spout_loop *loop = spout_loop_new(NULL);
    spout_application *application = spout_application_new(routes, NULL);
    spout_http_server *server = spout_application_listen(
        application, &(spout_listen_options){ .address = "127.0.0.1" });
    w->port = spout_http_server_port(server);
    int result = spout_loop_run_sync(loop, run_clients, w, 0);
    if (result < 0)
        fprintf(stderr, "worker %d: %s\n", w->number, spout_error_message());
    spout_application_free(application);
    spout_loop_free(loop);
    return NULL;
}

static void two_loops_serve_at_once(void **state)
{
    (void)state;
    spout_log_set_level(SPOUT_LOG_WARNING);
    worker workers[2] = { { .number = 1 }, { .number = 2 } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &workers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(workers[i].served, REQUESTS * CLIENTS);
    assert_int_not_equal(workers[0].port, workers[1].port);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(two_loops_serve_at_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
