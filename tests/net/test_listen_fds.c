/* Socket activation. What is passed begins with descriptor 3, so each test runs in a child. */
#include "kit.h"

#include <sys/wait.h>

/* Runs fn in a child that has `count` sockets from 3 on, as systemd starts one. */
static void in_child(int (*fn)(void), const int *sockets, int count, const char *names)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char number[16];
        for (int i = 0; i < count; i++) {
            int high = fcntl(sockets[i], F_DUPFD, 100);
            dup2(high, 3 + i);
            close(high);
        }
        snprintf(number, sizeof number, "%d", count);
        setenv("LISTEN_FDS", number, 1);
        snprintf(number, sizeof number, "%ld", (long)getpid());
        setenv("LISTEN_PID", number, 1);
        if (names)
            setenv("LISTEN_FDNAMES", names, 1);
        _exit(fn());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define MUST(condition)                                        \
    do {                                                       \
        if (!(condition)) {                                    \
            dprintf(2, "line %d: " #condition "\n", __LINE__); \
            return 1;                                          \
        }                                                      \
    } while (0)

static int port;
static char unix_name[100];

static int check_both(void)
{
    spout_listener found[4];
    MUST(spout_listen_fds(NULL, found, 4) == 2);
    MUST(found[0].fd == 3 && found[0].port == port);
    MUST(strncmp(found[0].name, "127.0.0.1:", 10) == 0);
    MUST(fcntl(3, F_GETFD) == FD_CLOEXEC && (fcntl(3, F_GETFL) & O_NONBLOCK));
    MUST(found[1].fd == 4 && found[1].port == 0);
    MUST(strcmp(found[1].name, unix_name) == 0);
    MUST(spout_listen_fds(NULL, found, 4) == 2);
    MUST(spout_listen_fds("web", found, 4) == 1 && found[0].fd == 3);
    MUST(spout_listen_fds("admin", found, 4) == 1 && found[0].fd == 4);
    MUST(spout_listen_fds("ad", found, 4) == 0);
    MUST(spout_listen_fds(NULL, found, 1) == SPOUT_ELIMIT);
    setenv("LISTEN_FDNAMES", "web", 1);
    MUST(spout_listen_fds("", found, 4) == 1 && found[0].fd == 4);
    setenv("LISTEN_FDS", "two", 1);
    MUST(spout_listen_fds(NULL, found, 4) == SPOUT_EINVAL);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_PID", "1", 1);
    MUST(spout_listen_fds(NULL, found, 4) == 0);
    unsetenv("LISTEN_PID");
    MUST(spout_listen_fds(NULL, found, 4) == 0);
    return 0;
}

static int check_not_listening(void)
{
    spout_listener found[4];
    MUST(spout_listen_fds(NULL, found, 4) == SPOUT_EINVAL);
    MUST(strstr(spout_error_message(), "descriptor 3") != NULL);
    return 0;
}

static void test_passed(void **state)
{
    (void)state;
    spout_listener tcp, un;
    char path[64];
    snprintf(path, sizeof path, "@spout-fds-%ld", (long)getpid());
    snprintf(unix_name, sizeof unix_name, "unix:%s", path);
    assert_int_equal(
        spout_bind_sockets(&(spout_listen_options){ .address = "127.0.0.1" }, &tcp, 1), 1);
    assert_int_equal(spout_bind_sockets(&(spout_listen_options){ .unix_path = path }, &un, 1), 1);
    port = tcp.port;
    int sockets[] = { tcp.fd, un.fd };
    in_child(check_both, sockets, 2, "web:admin");
    close(tcp.fd);
    close(un.fd);
}

static void test_not_listening(void **state)
{
    (void)state;
    int fds[2];
    kit_unix_pair(fds);
    in_child(check_not_listening, fds, 2, NULL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(pipe(fds), 0);
    in_child(check_not_listening, fds, 2, NULL);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_not_listening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
