/*
 * Socket calls that fail when they are told to: the n-th one with an errno, or all of them by moving
 * one byte at a time. Calls come by here because the program is linked with --wrap.
 */
#ifndef TESTS_NET_FAULTS_H
#define TESTS_NET_FAULTS_H

#include "kit.h"

#include <sys/uio.h>

static int calls, fatal_call, fatal_errno;
static bool byte_by_byte;
static const char *struck; /* the function that has failed */
static bool struck_a_move; /* it moves bytes, or takes a connection */
static int pipe_fds[2] = { -1, -1 };

static bool strikes(const char *name)
{
    if (fatal_call == 0 || ++calls != fatal_call)
        return false;
    struck = name + strlen("__wrap_");
    struck_a_move = false;
    errno = fatal_errno;
    return true;
}

static bool strikes_a_move(const char *name)
{
    bool result = strikes(name);
    if (result)
        struck_a_move = true;
    return result;
}

static size_t cut(size_t len)
{
    return byte_by_byte && len > 1 ? 1 : len;
}

ssize_t __real_recv(int fd, void *out, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t len, int flags)
{
    return strikes_a_move(__func__) ? -1 : __real_recv(fd, out, cut(len), flags);
}

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    return strikes_a_move(__func__) ? -1 : __real_send(fd, data, cut(len), flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (strikes_a_move(__func__))
        return -1;
    return byte_by_byte ? __real_send(fd, message->msg_iov->iov_base, 1, flags)
                        : __real_sendmsg(fd, message, flags);
}

ssize_t __real_sendfile64(int out, int in, off_t *offset, size_t len);
ssize_t __wrap_sendfile64(int out, int in, off_t *offset, size_t len);
ssize_t __wrap_sendfile64(int out, int in, off_t *offset, size_t len)
{
    return strikes_a_move(__func__) ? -1 : __real_sendfile64(out, in, offset, cut(len));
}

ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __wrap_read(int fd, void *out, size_t len);
ssize_t __wrap_read(int fd, void *out, size_t len)
{
    if (fd != pipe_fds[0])
        return __real_read(fd, out, len);
    return strikes_a_move(__func__) ? -1 : __real_read(fd, out, cut(len));
}

ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    if (strikes_a_move(__func__))
        return -1;
    return byte_by_byte ? write(fd, pieces->iov_base, 1) : __real_writev(fd, pieces, count);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return strikes(__func__) ? -1 : __real_socket(domain, type, protocol);
}

int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return strikes(__func__) ? -1 : __real_bind(fd, address, len);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    return strikes(__func__) ? -1 : __real_listen(fd, backlog);
}

/* Interrupted, the attempt goes on. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (!strikes(__func__))
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
    return strikes_a_move(__func__) ? -1 : __real_accept4(fd, address, len, flags);
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return strikes(__func__) ? -1 : __real_setsockopt(fd, level, name, value, len);
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return strikes(__func__) ? -1 : __real_getsockopt(fd, level, name, value, len);
}

int __real_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return strikes(__func__) ? -1 : __real_getsockname(fd, address, len);
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    return strikes(__func__) ? -1 : __real_shutdown(fd, how);
}

#endif
