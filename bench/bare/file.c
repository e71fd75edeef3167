/*
 * Serves files: open, fstat, the head with MSG_MORE, sendfile. No cache, no types, no conditions.
 *
 *     bare_file FOLDER [PORT]
 */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder;

static int send_file(int fd, int file, off_t size)
{
    for (off_t at = 0; at < size;) {
        ssize_t sent = sendfile(fd, file, &at, (size_t)(size - at));
        if (sent < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
        else if (sent <= 0)
            return -1;
    }
    return 0;
}

/* Requests come one at a time: "GET /name HTTP/1.1 …", the last part of the path is the file. */
static int serve(int fd, char *in, size_t len, uint64_t *state)
{
    (void)state;
    in[len] = '\0';
    char *end = strstr(in, " HTTP/1.1\r\n");
    if (!end)
        return -1;
    *end = '\0';
    char *name = strrchr(in, '/');
    int file = name ? openat(folder, name + 1, O_RDONLY | O_CLOEXEC) : -1;
    struct stat info;
    if (file < 0 || fstat(file, &info) < 0)
        return -1;
    char head[256];
    int head_len = snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Type: text/plain\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %lld\r\n\r\n",
        (long long)info.st_size);
    int result = bare_send(fd, head, (size_t)head_len, MSG_MORE);
    if (result == 0)
        result = send_file(fd, file, info.st_size);
    close(file);
    return result;
}

int main(int argc, char **argv)
{
    folder = open(argc > 1 ? argv[1] : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        perror("bare_file: cannot open the folder");
        return 1;
    }
    return bare_run((uint16_t)(argc > 2 ? atoi(argv[2]) : 0), serve);
}
