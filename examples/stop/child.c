/* A child process: waited for beside the stop queue, asked to end, and killed where it does not listen.   cc child.c $(pkg-config --cflags --libs outlive) */
#include "stop.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(const char *script) {
    pid_t child = fork();
    if (child < 0) { /* kill(-child) would be for everybody */
        perror("fork");
        exit(1);
    }
    if (child == 0) {
        setpgid(0, 0); /* a group of its own: what it starts is ended with it */
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    setpgid(child, child);
    return child;
}

/* How it ended, as waitpid says. */
static int wait_for(host *host, pid_t child, int grace_ms) {
    int fd = (int)syscall(SYS_pidfd_open, child, 0), status = 0, patience = -1;
    for (;;) {
        struct pollfd wait[2] = {{fd, POLLIN, 0}, {outlive_engine_stop_fd(host->engine, 0), POLLIN, 0}};
        outlive_stop stop = OUTLIVE_STOP_INIT;
        if (poll(wait, 2, patience) == 0) {
            kill(-child, SIGKILL); /* it had its time */
            patience = -1;
        }
        if (wait[0].revents) {
            waitpid(child, &status, 0);
            close(fd);
            return status;
        }
        while (outlive_engine_next_stop(host->engine, 0, &stop) == OUTLIVE_OK) {
            if (stop.kind == OUTLIVE_STOP_DUE) {
                kill(-child, SIGTERM);
                patience = grace_ms;
            }
        }
    }
}

int main(void) {
    static const char *const scripts[] = {"sleep 60", "trap '' TERM; while :; do sleep 1; done"};
    host host = host_open(1);
    for (int i = 0; i < 2; i++) {
        outlive_request *request = host_begin(&host, 200, NULL, NULL);
        int status = wait_for(&host, start(scripts[i]), 300);
        host_end(request, i == 0 ? "a child that listens" : "a child that does not", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exited");
    }
    host_close(&host);
    return 0;
}
