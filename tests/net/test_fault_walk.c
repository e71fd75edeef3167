/*
 * Lets the n-th socket call of a conversation fail; then the n+1-th; until none is left; with each
 * error in turn. And the whole conversation once with calls that move a byte at a time. The calls
 * come by here because the program is linked with --wrap.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <spout/stream.h>
#include <spout/task.h>
#include <spout/tcpclient.h>
#include <spout/tcpserver.h>

#include <sys/uio.h>

static int calls, fatal_call, fatal_errno;
static bool byte_by_byte;
static int pipe_fds[2] = { -1, -1 };

static bool strikes(void)
{
    if (fatal_call == 0 || ++calls != fatal_call)
        return false;
    errno = fatal_errno;
    return true;
}

static size_t cut(size_t len)
{
    return byte_by_byte && len > 1 ? 1 : len;
}

ssize_t __real_recv(int fd, void *out, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t len, int flags)
{
    return strikes() ? -1 : __real_recv(fd, out, cut(len), flags);
}

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    return strikes() ? -1 : __real_send(fd, data, cut(len), flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (strikes())
        return -1;
    return byte_by_byte ? __real_send(fd, message->msg_iov->iov_base, 1, flags)
                        : __real_sendmsg(fd, message, flags);
}

ssize_t __real_sendfile64(int out, int in, off_t *offset, size_t len);
ssize_t __wrap_sendfile64(int out, int in, off_t *offset, size_t len);
ssize_t __wrap_sendfile64(int out, int in, off_t *offset, size_t len)
{
    return strikes() ? -1 : __real_sendfile64(out, in, offset, cut(len));
}

ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __wrap_read(int fd, void *out, size_t len);
ssize_t __wrap_read(int fd, void *out, size_t len)
{
    if (fd != pipe_fds[0])
        return __real_read(fd, out, len);
    return strikes() ? -1 : __real_read(fd, out, cut(len));
}

ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    if (strikes())
        return -1;
    return byte_by_byte ? write(fd, pieces->iov_base, 1) : __real_writev(fd, pieces, count);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return strikes() ? -1 : __real_socket(domain, type, protocol);
}

int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return strikes() ? -1 : __real_bind(fd, address, len);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    return strikes() ? -1 : __real_listen(fd, backlog);
}

/* Interrupted, the attempt goes on. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (!strikes())
        return __real_connect(fd, address, len);
    if (fatal_errno == EINTR)
        __real_connect(fd, address, len);
    errno = fatal_errno;
    return -1;
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return strikes() ? -1 : __real_accept4(fd, address, len, flags);
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return strikes() ? -1 : __real_setsockopt(fd, level, name, value, len);
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return strikes() ? -1 : __real_getsockopt(fd, level, name, value, len);
}

int __real_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return strikes() ? -1 : __real_getsockname(fd, address, len);
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    return strikes() ? -1 : __real_shutdown(fd, how);
}

/* --- the conversation --- */

enum { LARGE = 100 * 1000, SMALL = 9000, FILE_SIZE = 5000, LIMIT_MS = 3600 * 1000 };

static size_t large_size;
static char *large;
static const char *const proxies[] = { "127.0.0.0/8", NULL };

static int echo(spout_stream *stream, void *arg)
{
    (void)arg;
    spout_bytes bytes;
    while (spout_stream_read_some(stream, 0, &bytes) == 0)
        if (spout_stream_write(stream, bytes) < 0)
            return SPOUT_ECLOSED;
    return SPOUT_ECLOSED;
}

static int speak(void *arg)
{
    spout_stream *stream = arg;
    const spout_bytes pieces[] = { spout_bytes_of("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        spout_bytes_of("head"), { large, large_size } };
    if (spout_stream_write(stream, pieces[0]) < 0 || spout_stream_flush(stream) < 0 ||
        spout_stream_writev(stream, pieces + 1, 2) < 0 ||
        spout_stream_write_file(stream, kit_file(large, FILE_SIZE), 0, SPOUT_NONE) < 0 ||
        spout_stream_write(stream, spout_bytes_of("tail")) < 0)
        return spout_error_code_current();
    return spout_stream_shutdown(stream);
}

static bool is_answer(spout_bytes got)
{
    return got.len == 8 + large_size + FILE_SIZE && memcmp(got.data, "head", 4) == 0 &&
           memcmp(got.data + 4, large, large_size) == 0 &&
           memcmp(got.data + 4 + large_size, large, FILE_SIZE) == 0 &&
           memcmp(got.data + 4 + large_size + FILE_SIZE, "tail", 4) == 0;
}

static int listen_for_answer(void *arg)
{
    spout_bytes got;
    int result = spout_stream_read_until_close(arg, 0, &got);
    if (result < 0)
        return result;
    return is_answer(got) ? 0 : spout_error_set(SPOUT_EPROTO, "%zu bytes came back", got.len);
}

static int both(spout_task_fn *first, void *first_arg, spout_task_fn *second, void *second_arg)
{
    spout_group *group = spout_group_new();
    spout_group_start(group, first, first_arg, NULL);
    spout_group_start(group, second, second_arg, NULL);
    int result = spout_group_join(group);
    spout_group_free(group);
    return result;
}

static int over_tcp(int port)
{
    spout_stream *stream = spout_tcp_connect(
        "127.0.0.1", port, &(spout_tcp_connect_options){ .source_ip = "127.0.0.1" });
    if (!stream)
        return spout_error_code_current();
    int result = both(speak, stream, listen_for_answer, stream);
    spout_stream_close(stream);
    return result;
}

static int write_to_pipe(void *arg)
{
    int result = spout_stream_write(arg, (spout_bytes){ large, large_size });
    return result < 0 ? result : spout_stream_shutdown(arg);
}

static int read_from_pipe(void *arg)
{
    spout_bytes got;
    int result = spout_stream_read_until_close(arg, 0, &got);
    if (result < 0)
        return result;
    bool same = got.len == large_size && memcmp(got.data, large, large_size) == 0;
    return same ? 0 : spout_error_set(SPOUT_EPROTO, "%zu bytes came through", got.len);
}

static int over_pipes(void)
{
    assert_int_equal(pipe(pipe_fds), 0);
    spout_stream *in = spout_stream_open_pipe(pipe_fds[0], NULL);
    spout_stream *out = spout_stream_open_pipe(pipe_fds[1], NULL);
    int result = both(write_to_pipe, out, read_from_pipe, in);
    spout_stream_close(in);
    spout_stream_close(out);
    pipe_fds[0] = pipe_fds[1] = -1;
    return result;
}

static int converse(void *arg)
{
    int *result = arg;
    spout_deadline_set_ms(LIMIT_MS);
    spout_tcp_server *server = spout_tcp_server_new(echo, NULL, NULL);
    *result = spout_tcp_server_listen(
        server, &(spout_listen_options){ .address = "127.0.0.1", .proxies = proxies });
    int port = spout_tcp_server_port(server);
    if (*result == 0 && port > 0) /* a port that could not be asked for is 0 */
        *result = over_tcp(port);
    else if (*result == 0)
        *result = SPOUT_ESYSTEM;
    spout_tcp_server_free(server);
    int piped = over_pipes();
    if (*result == 0)
        *result = piped;
    if (*result < 0 && getenv("SPOUT_TEST_TELL"))
        fprintf(stderr, "call %d, errno %d: %s\n", fatal_call, fatal_errno, spout_error_message());
    return 0;
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int run_once(void)
{
    fake_clock now;
    int result = 1, before = open_descriptors();
    spout_loop *loop = kit_fake_loop_with(&now, fake_skip_patiently);
    calls = 0;
    assert_int_equal(spout_loop_run_sync(loop, converse, &result, 0), 0);
    spout_loop_free(loop);
    assert_int_equal(open_descriptors(), before);
    return result;
}

/* Returns how many of the runs failed. */
static int walk(int errnum)
{
    int failed = 0;
    kit_log_capture();
    for (fatal_call = 1;; fatal_call++) {
        kit_log_text[0] = '\0';
        fatal_errno = errnum;
        int result = run_once();
        if (calls < fatal_call) {
            assert_int_equal(result, 0);
            break;
        }
        if (result == SPOUT_ETIMEDOUT)
            fail_msg("call %d of errno %d: stands still", fatal_call, errnum);
        failed += result < 0;
    }
    assert_true(fatal_call > 20);
    fatal_call = 0;
    spout_log_set_sink(NULL);
    return failed;
}

static void set_sizes(size_t size)
{
    large_size = size;
    large = kit_pattern(size, 6);
}

static void test_each_call_fails_once(void **state)
{
    (void)state;
    static const int errnums[] = { ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EMFILE };
    set_sizes(LARGE);
    for (size_t i = 0; i < sizeof errnums / sizeof errnums[0]; i++)
        assert_true(walk(errnums[i]) > 5);
    spi_free(large);
}

/* Neither is a failure where bytes are moved or connections taken. A call that sets something up
   has no right to either, and may fail. */
static void test_interrupted_and_not_now(void **state)
{
    (void)state;
    set_sizes(LARGE);
    int setting_up = 14;
    assert_in_range(walk(EINTR), 0, setting_up);
    assert_in_range(walk(EAGAIN), 0, setting_up);
    spi_free(large);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    set_sizes(SMALL);
    byte_by_byte = true;
    assert_int_equal(run_once(), 0);
    byte_by_byte = false;
    spi_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_each_call_fails_once),
        cmocka_unit_test(test_interrupted_and_not_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
