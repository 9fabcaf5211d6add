#include "serving.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int send_all(int fd, const void *bytes, size_t len) {
    const char *at = bytes;
    do {
        /* Of nothing, too: FastCGI SAPIs ask an empty write whether the client is there. */
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return -1;
        }
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        }
    } while (len > 0);
    return 0;
}

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0666);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0) {
            perror(path);
        }
        close(fd);
    }
}

/* Asks the client's driver for something, and waits until it is done. */
static void ask(const visit *self, const char *what, const char *how) {
    char asked[600], done[640], fresh[640];
    struct stat unused;
    struct timespec moment = {0, 300000};
    snprintf(asked, sizeof asked, "%s.%s", self->log, what);
    snprintf(done, sizeof done, "%s.done", asked);
    snprintf(fresh, sizeof fresh, "%s.new", asked);
    write_file(fresh, how);
    if (rename(fresh, asked) != 0) {
        perror(asked);
        return;
    }
    while (stat(done, &unused) != 0) {
        nanosleep(&moment, NULL);
    }
    unlink(done);
}

void visit_close(void *userdata, const char *how) {
    ask(userdata, "close", how == NULL ? "" : how);
}

void visit_settle(void *userdata) {
    ask(userdata, "settle", "");
}

void visit_line(void *userdata, const char *text) {
    const visit *self = userdata;
    char line[600];
    snprintf(line, sizeof line, "%s\n", text);
    write_file(self->log, line);
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (file != NULL) {
        if (getdelim(&text, &size, '\0', file) < 0) {
            perror(path);
        }
        fclose(file);
    }
    return text;
}

void visit_play(outlive_engine *engine, const outlive_settings *settings, const char *path, visit *self, layer *below) {
    char *text = read_file(path);
    cJSON *scenario = text == NULL ? NULL : cJSON_Parse(text);
    outlive_error error;
    outcome how;
    self->log = cJSON_GetStringValue(cJSON_GetObjectItem(scenario, "log"));
    below->self = self;
    below->close = visit_close;
    below->settle = visit_settle;
    below->line = visit_line;
    if (self->log == NULL) {
        fprintf(stderr, "%s: no scenario\n", path);
    } else if (play(engine, settings, scenario, below, 0, &how, &error) != 0) {
        fprintf(stderr, "%s: %s\n", path, error.message);
    }
    cJSON_Delete(scenario);
    free(text);
}

int listen_on_loopback(const char *name) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("listen");
        return -1;
    }
    printf("%s %d\n", name, ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int next_client(const int *listeners, int count, int *fd) {
    struct pollfd waited[65];
    int listening = count > 64 ? 64 : count;
    for (int i = 0; i < listening; i++) {
        waited[i].fd = listeners[i];
        waited[i].events = POLLIN;
    }
    waited[listening].fd = STDIN_FILENO;
    waited[listening].events = POLLIN;
    for (;;) {
        if (poll(waited, (nfds_t)listening + 1, -1) < 0 && errno != EINTR) {
            return -1;
        }
        for (int i = 0; i < listening; i++) {
            if (waited[i].revents & POLLIN && (*fd = accept(listeners[i], NULL, NULL)) >= 0) {
                return i;
            }
        }
        if (waited[listening].revents) {
            return -1;
        }
    }
}
