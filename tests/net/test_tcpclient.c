/*
 * Happy Eyeballs. Addresses come from overrides. Those that never answer are listening sockets
 * whose queue is full: the system drops what comes then. Time is the test's own.
 */
#include "kit.h"

#include <spout/stream.h>
#include <spout/task.h>
#include <spout/tcpclient.h>

static fake_clock clock_now;
static spout_loop *loop;
static spout_resolver *resolver;

static int set_up(void **state)
{
    (void)state;
    loop = kit_fake_loop_with(&clock_now, fake_skip_patiently);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spout_loop_free(loop);
    spout_resolver_unref(resolver);
    resolver = NULL;
    return 0;
}

static void host_is(const char *addresses)
{
    spout_resolver_unref(resolver);
    const spout_override overrides[] = { { .host = "host.test", .to = addresses }, { 0 } };
    resolver = spout_resolver_new(&(spout_resolver_options){ .overrides = overrides });
}

static void assert_message(const char *part)
{
    if (!strstr(spout_error_message(), part))
        fail_msg("\"%s\" does not say \"%s\"", spout_error_message(), part);
}

/* A socket that is bound to the address, on the port; 0 for any. It listens if backlog >= 0. */
static int bound(const char *ip, int *port, int backlog)
{
    bool six = strchr(ip, ':');
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port) };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
    int on = 1, fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr *address = six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t len = six ? sizeof in6 : sizeof in;
    inet_pton(six ? AF_INET6 : AF_INET, ip, six ? (void *)&in6.sin6_addr : (void *)&in.sin_addr);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (six)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, len) < 0) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    getsockname(fd, address, &len);
    *port = ntohs(six ? in6.sin6_port : in.sin_port);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* A port that is free on every address of these tests, below those that the system gives away. */
static int free_port(void)
{
    static const char *const ips[] = { "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4",
        "127.0.0.9", "::1" };
    static int next;
    for (int tries = 0; tries < 1000; tries++) {
        int port = 10000 + ((int)getpid() * 37 + next++ * 11) % 20000, fds[6], taken = 0;
        for (int i = 0; i < 6; i++) {
            fds[i] = bound(ips[i], &port, -1);
            taken += fds[i] < 0 && errno == EADDRINUSE;
        }
        for (int i = 0; i < 6; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        if (taken == 0)
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

/* Its queue is full, so that nothing answers any more. */
typedef struct deaf {
    int fd, clients[3];
} deaf;

static deaf be_deaf(const char *ip, int port)
{
    deaf self = { .fd = bound(ip, &port, 0) };
    assert_true(self.fd >= 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        inet_pton(AF_INET, ip, &in.sin_addr);
        self.clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(self.clients[i], (struct sockaddr *)&in, sizeof in);
    }
    return self;
}

static void hear_again(const deaf *self)
{
    for (int i = 0; i < 3; i++)
        close(self->clients[i]);
    close(self->fd);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

typedef struct call {
    int port;
    spout_tcp_connect_options options;
    int64_t deadline_ms;
    spout_stream *stream;
    int64_t took_ms;
    char ip[46], message[600];
    int code, errnum;
} call;

static int connect_it(void *arg)
{
    call *self = arg;
    int64_t start = spout_time_ms();
    self->options.resolver = resolver;
    if (self->deadline_ms)
        spout_deadline_set_ms(self->deadline_ms);
    self->stream = spout_tcp_connect("host.test", self->port, &self->options);
    self->took_ms = spout_time_ms() - start;
    self->ip[0] = '\0';
    if (self->stream) {
        snprintf(self->ip, sizeof self->ip, "%s", spout_stream_remote_ip(self->stream));
        assert_int_equal(spout_stream_remote_port(self->stream), self->port);
        spout_stream_set_reset_on_close(self->stream, true);
        spout_stream_close(self->stream);
    } else {
        self->code = spout_error_code_current();
        self->errnum = spout_error_get_errno(spout_error_current());
        snprintf(self->message, sizeof self->message, "%s", spout_error_message());
    }
    return 0;
}

static void run(call *self)
{
    assert_int_equal(spout_loop_run_sync(loop, connect_it, self, 0), 0);
}

static void says(const call *self, const char *part)
{
    if (!strstr(self->message, part))
        fail_msg("\"%s\" does not say \"%s\"", self->message, part);
}

static void test_first_address(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("127.0.0.1", &self.port, 10);
    host_is("127.0.0.1,127.0.0.2");
    run(&self);
    assert_string_equal(self.ip, "127.0.0.1");
    assert_int_equal(self.took_ms, 0);
    close(fd);
}

static void test_refused_goes_on_at_once(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("127.0.0.3", &self.port, 10);
    host_is("127.0.0.1,127.0.0.2,127.0.0.3");
    int before = open_descriptors();
    run(&self);
    assert_int_equal(open_descriptors(), before);
    assert_string_equal(self.ip, "127.0.0.3");
    assert_int_equal(self.took_ms, 0);
    close(fd);
}

static void test_all_refuse(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("127.0.0.1", &self.port, -1);
    host_is("127.0.0.1,127.0.0.2");
    run(&self);
    assert_null(self.stream);
    assert_int_equal(self.code, SPOUT_ESYSTEM);
    assert_int_equal(self.errnum, ECONNREFUSED);
    says(&self, "cannot connect to host.test:");
    says(&self, "127.0.0.1:");
    says(&self, "127.0.0.2:");
    says(&self, "refused");
    close(fd);
}

static void test_no_answer_for_a_while(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("127.0.0.2", &self.port, 10);
    deaf silent = be_deaf("127.0.0.1", self.port);
    host_is("127.0.0.1,127.0.0.2");
    int before = open_descriptors();
    run(&self);
    assert_int_equal(open_descriptors(), before); /* the loser is closed */
    assert_string_equal(self.ip, "127.0.0.2");
    assert_int_equal(self.took_ms, 250);
    self = (call){ .port = self.port, .options = { .attempt_delay_ms = 100 } };
    run(&self);
    assert_int_equal(self.took_ms, 100);
    hear_again(&silent);
    close(fd);
}

/* silent, refused, silent, good: 250 ms until the second, at once to the third, 250 ms more. */
static void test_failures_and_silence(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("127.0.0.4", &self.port, 10);
    deaf first = be_deaf("127.0.0.1", self.port), third = be_deaf("127.0.0.3", self.port);
    host_is("127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4");
    run(&self);
    assert_string_equal(self.ip, "127.0.0.4");
    assert_int_equal(self.took_ms, 500);
    hear_again(&first);
    hear_again(&third);
    close(fd);
}

static void test_deadline(void **state)
{
    (void)state;
    call self = { .deadline_ms = 1000 };
    int port = free_port(), placeholder = bound("127.0.0.3", &port, -1);
    self.port = port;
    deaf first = be_deaf("127.0.0.1", port), second = be_deaf("127.0.0.2", port);
    host_is("127.0.0.1,127.0.0.3,127.0.0.2");
    int before = open_descriptors();
    run(&self);
    assert_int_equal(open_descriptors(), before);
    assert_null(self.stream);
    assert_int_equal(self.code, SPOUT_ETIMEDOUT);
    assert_int_equal(self.took_ms, 1000);
    says(&self, "timed out");
    says(&self, "127.0.0.3:");
    says(&self, "refused");
    says(&self, "127.0.0.2:");
    hear_again(&first);
    hear_again(&second);
    close(placeholder);
}

/* The families take turns: v4, v6, v4 …, so the only v6 address comes second. */
static void test_families_take_turns(void **state)
{
    (void)state;
    call self = { .port = free_port() };
    int fd = bound("::1", &self.port, 10);
    if (fd < 0)
        skip();
    deaf first = be_deaf("127.0.0.1", self.port), second = be_deaf("127.0.0.2", self.port);
    host_is("127.0.0.1,127.0.0.2,::1");
    run(&self);
    assert_string_equal(self.ip, "::1");
    assert_int_equal(self.took_ms, 250);
    self = (call){ .port = self.port, .options = { .family = SPOUT_FAMILY_IPV6 } };
    run(&self);
    assert_string_equal(self.ip, "::1");
    assert_int_equal(self.took_ms, 0);
    hear_again(&first);
    hear_again(&second);
    close(fd);
}

static void test_source_address(void **state)
{
    (void)state;
    call self = { .port = free_port(), .options = { .source_ip = "127.0.0.9" } };
    int port = free_port(), fd = bound("127.0.0.1", &self.port, 10),
        other = bound("127.0.0.9", &port, -1);
    struct sockaddr_in from = { 0 };
    socklen_t len = sizeof from;
    close(other);
    self.options.source_port = port;
    host_is("::1,127.0.0.1");
    run(&self);
    assert_string_equal(self.ip, "127.0.0.1");
    int accepted = accept(fd, (struct sockaddr *)&from, &len);
    assert_true(accepted >= 0);
    assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000009);
    assert_int_equal(ntohs(from.sin_port), port);
    close(accepted);
    self.options = (spout_tcp_connect_options){ .source_ip = "192.0.2.1" };
    run(&self);
    assert_null(self.stream);
    assert_int_equal(self.errnum, EADDRNOTAVAIL);
    self.options = (spout_tcp_connect_options){ .source_ip = "localhost" };
    run(&self);
    assert_int_equal(self.code, SPOUT_EINVAL);
    says(&self, "localhost");
    self.options = (spout_tcp_connect_options){ .source_ip = "127.0.0.1",
        .family = SPOUT_FAMILY_IPV6 };
    run(&self);
    assert_int_equal(self.code, SPOUT_EINVAL);
    host_is("::1");
    self.options = (spout_tcp_connect_options){ .source_ip = "127.0.0.1" };
    run(&self);
    assert_int_equal(self.code, SPOUT_ENOTFOUND);
    close(fd);
}

static int cancel_me(void *arg)
{
    call *self = arg;
    spout_group *group = spout_group_new();
    spout_group_start(group, connect_it, self, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spout_yield(), 0);
    spout_group_cancel(group);
    spout_group_free(group);
    return 0;
}

static void test_cancelled(void **state)
{
    (void)state;
    call self = { .code = 1 };
    int port = free_port(), placeholder = bound("127.0.0.3", &port, -1);
    deaf silent = be_deaf("127.0.0.1", port);
    self.port = port;
    host_is("127.0.0.1,127.0.0.2");
    int before = open_descriptors();
    assert_int_equal(spout_loop_run_sync(loop, cancel_me, &self, 0), 0);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(self.code, SPOUT_ECANCELED);
    hear_again(&silent);
    close(placeholder);
}

static int bad_arguments(void *arg)
{
    (void)arg;
    assert_null(spout_tcp_connect("127.0.0.1", 0, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_tcp_connect("127.0.0.1", 70000, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_tcp_connect("", 80, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_EINVAL);
    assert_null(spout_tcp_connect("/nonexistent/socket", 0, NULL));
    assert_message("unix:/nonexistent/socket");
    return 0;
}

static void test_bad_arguments(void **state)
{
    (void)state;
    assert_null(spout_tcp_connect("127.0.0.1", 80, NULL));
    assert_int_equal(spout_error_code_current(), SPOUT_ESTATE);
    assert_int_equal(spout_loop_run_sync(loop, bad_arguments, NULL, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_first_address),
        TEST(test_refused_goes_on_at_once),
        TEST(test_all_refuse),
        TEST(test_no_answer_for_a_while),
        TEST(test_failures_and_silence),
        TEST(test_deadline),
        TEST(test_families_take_turns),
        TEST(test_source_address),
        TEST(test_cancelled),
        TEST(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
