/* What a request costs in system calls and allocations: one recv and one send, and nothing else. The
   linker puts the functions below in the place of the system's, for all of the library. */
#include "kit.h"

#include <spout/websocket.h>

#include "http/server.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    int recv, send, wait, control, option, clock, memory, map;
} calls;

ssize_t __real_recv(int fd, void *out, size_t len, int flags);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __real_poll(struct pollfd *of, nfds_t count, int timeout);
int __real_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_madvise(void *at, size_t size, int advice);
ssize_t __wrap_recv(int fd, void *out, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __wrap_poll(struct pollfd *of, nfds_t count, int timeout);
int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_madvise(void *at, size_t size, int advice);

ssize_t __wrap_recv(int fd, void *out, size_t len, int flags)
{
    calls.recv++;
    return __real_recv(fd, out, len, flags);
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    calls.send++;
    return __real_send(fd, data, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    calls.send++;
    return __real_sendmsg(fd, message, flags);
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    calls.wait++;
    return __real_epoll_wait(fd, events, max, timeout);
}

int __wrap_poll(struct pollfd *of, nfds_t count, int timeout)
{
    calls.wait++;
    return __real_poll(of, count, timeout);
}

int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
    calls.control++;
    return __real_epoll_ctl(fd, operation, of, event);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    calls.option++;
    return __real_setsockopt(fd, level, name, value, len);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    calls.clock++;
    return __real_clock_gettime(clock, out);
}

void *__wrap_malloc(size_t size)
{
    calls.memory++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    calls.memory++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    calls.memory++;
    return __real_realloc(memory, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    calls.map++;
    return __real_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_madvise(void *at, size_t size, int advice)
{
    calls.map++;
    return __real_madvise(at, size, advice);
}

static int hello(spout_request *r)
{
    return spout_write(r, "Hello, world");
}

static int greet(spout_request *r)
{
    spout_write(r, "Hello, ");
    return spout_write(r, spout_path_argument_at(r, 1));
}

static int form(spout_request *r)
{
    const char *name = spout_need_argument(r, "name"), *text = spout_need_argument(r, "text");
    if (!name || !text)
        return -1;
    spout_set_header(r, "Content-Type", "text/plain");
    return spout_write_format(r, "%s: %zu", name, strlen(text));
}

static int nap(spout_request *r)
{
    spout_yield();
    return spout_write(r, "rested");
}

static int echo(spout_websocket *ws, spout_message message)
{
    return spout_websocket_write(ws, message);
}

static const spout_websocket_handler echoing = { .message = echo };

static const spout_route routes[] = {
    { "/ws", &(const spout_handler){ .websocket = &echoing } },
    { "/", &(const spout_handler){ .get = hello } },
    { "/hello/{name}", &(const spout_handler){ .get = greet } },
    { "/form", &(const spout_handler){ .post = form } },
    { "/nap", &(const spout_handler){ .get = nap } },
    { 0 },
};

static int client;

static int connect_client(void **state)
{
    (void)state;
    kit_start(routes, NULL);
    spout_log_set_level(SPOUT_LOG_OFF);
    spout_http_server *server = spout_application_server(kit_application());
    assert_non_null(server);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = fds[0];
    assert_int_equal(spi_http_server_serve_fd(server, fds[1], NULL), 0);
    return 0;
}

static int disconnect_client(void **state)
{
    (void)state;
    close(client);
    spout_log_set_level(SPOUT_LOG_INFO);
    kit_stop();
    return 0;
}

/* Sends it, and turns the loop until so many replies have come, which all end in `ending`. */
static void ask(const char *request, size_t replies, const char *ending)
{
    static char received[64 * 1024];
    size_t len = 0, seen = 0;
    assert_int_equal(write(client, request, strlen(request)), strlen(request));
    while (seen < replies) {
        assert_int_equal(spout_loop_run_once(kit_loop(), 0), 0);
        ssize_t got = read(client, received + len, sizeof received - 1 - len);
        if (got <= 0)
            continue;
        len += (size_t)got;
        received[len] = '\0';
        seen = 0;
        for (const char *at = received; (at = strstr(at, ending)); at++)
            seen++;
    }
    assert_int_equal(seen, replies);
}

static void expect_two_calls(const char *request, const char *ending)
{
    enum { WARM = 3, TIMES = 50 };
    for (int i = 0; i < WARM; i++)
        ask(request, 1, ending);
    memset(&calls, 0, sizeof calls);
    for (int i = 0; i < TIMES; i++)
        ask(request, 1, ending);
    assert_int_equal(calls.recv, TIMES);
    assert_int_equal(calls.send, TIMES);
    assert_int_equal(calls.control, 0);
    assert_int_equal(calls.option, 0);
    assert_int_equal(calls.memory, 0);
    assert_int_equal(calls.map, 0);
}

static void a_request_is_received_and_answered(void **state)
{
    (void)state;
    expect_two_calls("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "Hello, world");
    expect_two_calls("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                     "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\n"
                     "If-None-Match: \"another\"\r\nCookie: a=b; c=d\r\n\r\n",
        "Hello, world");
    expect_two_calls("GET /hello/you HTTP/1.1\r\nHost: a\r\n\r\n", "Hello, you");
    expect_two_calls("POST /form HTTP/1.1\r\nHost: a\r\n"
                     "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n"
                     "name=me&text=hi",
        "me: 2");
}

static void a_handler_that_waits_costs_no_more(void **state)
{
    (void)state;
    expect_two_calls("GET /nap HTTP/1.1\r\nHost: a\r\n\r\n", "rested");
}

static void a_batch_is_answered_at_once(void **state)
{
    (void)state;
    enum { BATCH = 16 };
    static const char one[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    char batch[BATCH * (sizeof one - 1) + 1] = "";
    for (size_t i = 0; i < BATCH; i++)
        memcpy(batch + i * (sizeof one - 1), one, sizeof one);
    ask(batch, BATCH, "Hello, world");
    memset(&calls, 0, sizeof calls);
    ask(batch, BATCH, "Hello, world");
    assert_int_equal(calls.recv, 1);
    assert_int_equal(calls.send, 1);
    assert_int_equal(calls.control + calls.option + calls.memory + calls.map, 0);
    /* run_once and its turn read the clocks, and nobody else */
    assert_in_range(calls.clock, 1, 4 * calls.wait);
}

static void a_message_costs_no_more(void **state)
{
    (void)state;
    static const char hello[] = "\x81\x85\1\2\3\4igohn", three[] = "\x81\x85\1\2\3\4igohn"
                                                                   "\x82\x81\5\6\7\1y"
                                                                   "\x81\x85\1\2\3\4igohn";
    ask("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        1, "\r\n\r\n");
    expect_two_calls(hello, "\x81\5hello");
    expect_two_calls(three, "\x81\5hello\x82\1|\x81\5hello");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_request_is_received_and_answered, connect_client, disconnect_client),
        cmocka_unit_test_setup_teardown(
            a_handler_that_waits_costs_no_more, connect_client, disconnect_client),
        cmocka_unit_test_setup_teardown(
            a_batch_is_answered_at_once, connect_client, disconnect_client),
        cmocka_unit_test_setup_teardown(a_message_costs_no_more, connect_client, disconnect_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
