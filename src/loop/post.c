/* Calls from other threads: a locked list and a pipe that wakes the loop. */
#include "loop/internal.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct spi_post {
    spi_post *next;
    spout_callback *fn;
    void *arg;
};

static spi_post *take_all(spi_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    spi_post *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

/* What the calls post themselves is for the next turn. */
static void drain(spi_ready *ready)
{
    spi_mailbox *mailbox = spi_container(ready, spi_mailbox, drain);
    spi_post *post = take_all(mailbox);
    int64_t count = 0;
    while (post) {
        spi_post done = *post;
        spi_free(post);
        done.fn(done.arg);
        post = done.next;
        count++;
    }
    spi_count(spi_container(mailbox, spout_loop, mailbox), "posts", count);
}

static void woken(spi_watch *watch, unsigned events)
{
    (void)events;
    char bytes[256];
    while (read(watch->fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
    spi_mailbox *mailbox = spi_container(watch, spi_mailbox, watch);
    spout_loop *loop = spi_container(mailbox, spout_loop, mailbox);
    spi_ready_schedule(loop, &mailbox->drain);
    spi_signals_deliver(loop);
}

static int set_up_pipe_end(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return spout_error_set_errno(errno, "the loop's pipe can't be set up");
    return 0;
}

static void close_pipe(spi_mailbox *mailbox)
{
    close(mailbox->read_fd);
    close(mailbox->write_fd);
}

int spi_mailbox_open(spout_loop *loop)
{
    spi_mailbox *mailbox = &loop->mailbox;
    int fds[2];
    if (pipe(fds) < 0)
        return spout_error_set_errno(errno, "the loop's pipe can't be opened");
    mailbox->read_fd = fds[0];
    mailbox->write_fd = fds[1];
    mailbox->last = &mailbox->first;
    spi_ready_init(&mailbox->drain, drain);
    if (set_up_pipe_end(fds[0]) < 0 || set_up_pipe_end(fds[1]) < 0 ||
        spi_watch_start(loop, &mailbox->watch, fds[0], SPOUT_READABLE, woken) < 0) {
        close_pipe(mailbox);
        return spout_error_code_current();
    }
    pthread_mutex_init(&mailbox->lock, NULL);
    return 0;
}

void spi_mailbox_stop_taking(spout_loop *loop)
{
    pthread_mutex_lock(&loop->mailbox.lock);
    loop->mailbox.closed = true;
    pthread_mutex_unlock(&loop->mailbox.lock);
}

/* What was taken is called, since it may be what frees its argument. */
void spi_mailbox_close(spout_loop *loop)
{
    spi_mailbox *mailbox = &loop->mailbox;
    spi_ready_cancel(&mailbox->drain);
    drain(&mailbox->drain);
    spi_watch_stop(loop, &mailbox->watch);
    close_pipe(mailbox);
    pthread_mutex_destroy(&mailbox->lock);
}

/* A full pipe wakes as well as one byte; one for which the kernel has no memory just now has to be
   asked again. */
void spi_mailbox_wake(spout_loop *loop)
{
    ssize_t written;
    do {
        written = write(loop->mailbox.write_fd, "", 1);
    } while (written < 0 && (errno == EINTR || errno == ENOMEM));
}

/* The first of a batch wakes the loop, under the lock: afterwards the loop might be gone. */
static int put(spout_loop *loop, spi_post *post, bool always)
{
    spi_mailbox *mailbox = &loop->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    bool taken = always || !mailbox->closed;
    if (taken) {
        bool first = !mailbox->first;
        *mailbox->last = post;
        mailbox->last = &post->next;
        if (first && loop == spi_loop_of_thread)
            spi_ready_schedule(loop, &mailbox->drain);
        else if (first)
            spi_mailbox_wake(loop);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return taken ? 0 : SPOUT_ECLOSED;
}

static int post(spout_loop *loop, spout_callback *fn, void *arg, bool always)
{
    spi_post *post = spi_malloc(sizeof *post);
    *post = (spi_post){ .fn = fn, .arg = arg };
    int result = put(loop, post, always);
    if (result < 0)
        spi_free(post);
    return result;
}

int spout_loop_post(spout_loop *loop, spout_callback *fn, void *arg)
{
    if (post(loop, fn, arg, false) < 0)
        return spout_error_set(SPOUT_ECLOSED, "the loop is being freed");
    return 0;
}

void spi_post_always(spout_loop *loop, spout_callback *fn, void *arg)
{
    (void)post(loop, fn, arg, true);
}
