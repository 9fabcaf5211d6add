/*
 * libuv with outlive: the loop reads and answers, its thread pool works. A worker that waits is woken when a stop is due, and looks.
 *   cc libuv.c $(pkg-config --cflags --libs outlive libuv)      ./a.out DIRECTORY PHP_INI [MILLISECONDS]
 */
#include "policy.h"
#include "tables.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <uv.h>

static policy host;
static uv_tcp_t listener;
static uv_poll_t input, stopping;

typedef struct job {
    uv_tcp_t client;
    uv_work_t work;
    uv_write_t answer;
    outlive_request *request;
    int wake; /* readable: look */
    size_t length;
    char text[2048];
} job;

static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(host.directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

static void released(uv_handle_t *client) {
    free(client->data);
}

static void answered(uv_write_t *answer, int status) {
    (void)status;
    uv_close((uv_handle_t *)answer->handle, released);
}

/* In a thread of the pool: this is where a program of its own would call a database. */
static void save(uv_work_t *work) {
    job *self = work->data;
    const char *table = "ABCD";
    outlive_request_resume(self->request);
    while (outlive_request_check(self->request) == OUTLIVE_OK && *table) {
        if (tables_write(host.directory, *table)) {
            table++;
        } else { /* locked: wait a little, or until the loop says that a stop is due */
            struct pollfd wake = {.fd = self->wake, .events = POLLIN};
            outlive_request_suspend(self->request);
            poll(&wake, 1, 20);
            outlive_request_resume(self->request);
        }
    }
    outlive_request_suspend(self->request);
}

/* On the loop again, which alone takes stops and ends requests: so the userdata of a stop is a job that lives. */
static void saved(uv_work_t *work, int status) {
    job *self = work->data;
    static char text[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsaved\n";
    uv_buf_t buffer = uv_buf_init(text, sizeof text - 1);
    (void)status;
    outlive_request_end(self->request, NULL);
    self->request = NULL;
    close(self->wake);
    uv_read_stop((uv_stream_t *)&self->client);
    uv_write(&self->answer, (uv_stream_t *)&self->client, &buffer, 1, answered); /* also to one that has gone: then it fails */
}

static void stops(uv_poll_t *handle, int status, int events) {
    outlive_stop stop = OUTLIVE_STOP_INIT;
    (void)handle, (void)status, (void)events;
    while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) {
        if (stop.kind == OUTLIVE_STOP_DRAINED) {
            uv_close((uv_handle_t *)&stopping, NULL); /* the last handle but those that still answer */
        } else {
            eventfd_write(((job *)stop.userdata)->wake, 1);
        }
    }
}

static void begin(job *self) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error;
    options.method = strncmp(self->text, "POST ", 5) == 0 ? "POST" : "GET";
    options.userdata = self;
    if (outlive_request_begin(host.engine, host.settings, &options, &self->request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        uv_close((uv_handle_t *)&self->client, released);
        return;
    }
    outlive_request_register_shutdown_function(self->request, ended, NULL, NULL);
    outlive_request_suspend(self->request);
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->work.data = self;
    uv_queue_work(uv_default_loop(), &self->work, save, saved);
}

static void allocate(uv_handle_t *client, size_t size, uv_buf_t *buffer) {
    job *self = client->data;
    (void)size;
    *buffer = uv_buf_init(self->text + self->length, (unsigned)(sizeof self->text - 1 - self->length));
}

/* It goes on reading while the request works: that is how libuv tells that the client has gone. */
static void received(uv_stream_t *client, ssize_t count, const uv_buf_t *buffer) {
    job *self = client->data;
    (void)buffer;
    if (count < 0 && self->request != NULL) {
        uv_read_stop(client);
        outlive_request_client_gone(self->request);
    } else if (count < 0) {
        uv_close((uv_handle_t *)client, released);
    } else if (self->request == NULL) {
        self->length += (size_t)count;
        self->text[self->length] = 0;
        if (strstr(self->text, "\r\n\r\n") != NULL) {
            self->length = 0; /* the rest of it is nobody's business here */
            begin(self);
        }
    }
}

static void connected(uv_stream_t *server, int status) {
    job *self = calloc(1, sizeof *self);
    if (status < 0 || self == NULL) {
        free(self);
        return;
    }
    uv_tcp_init(server->loop, &self->client);
    self->client.data = self;
    if (uv_accept(server, (uv_stream_t *)&self->client) == 0) {
        uv_read_start((uv_stream_t *)&self->client, allocate, received);
    } else {
        uv_close((uv_handle_t *)&self->client, released);
    }
}

static void quit(uv_poll_t *handle, int status, int events) {
    char byte;
    (void)status, (void)events;
    if (read(STDIN_FILENO, &byte, 1) == 0) {
        uv_close((uv_handle_t *)handle, NULL);
        uv_close((uv_handle_t *)&listener, NULL);
        outlive_engine_begin_drain(host.engine, host.drain_ms);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address;
    int size = sizeof address;
    host = policy_open(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_init(loop, &listener);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
    if (uv_listen((uv_stream_t *)&listener, 128, connected) != 0 || uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size) != 0) {
        fprintf(stderr, "cannot listen\n");
        return 1;
    }
    uv_poll_init(loop, &input, STDIN_FILENO);
    uv_poll_start(&input, UV_READABLE, quit);
    uv_poll_init(loop, &stopping, outlive_engine_stop_fd(host.engine, 0));
    uv_poll_start(&stopping, UV_READABLE, stops);
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    policy_close(&host);
    return 0;
}
