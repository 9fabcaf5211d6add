/*
 * nghttp2 with outlive: many requests on one connection. A stream that is reset is one client that has gone; a connection that is closed
 * is the client of all its streams, which name the same socket. The path is the directory that a stream writes its tables in.
 *   cc nghttp2.c $(pkg-config --cflags --libs outlive libnghttp2)      ./a.out DIRECTORY PHP_INI [MILLISECONDS]
 */
#include "policy.h"
#include "tables.h"

#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>

enum { MOST = 64 };

typedef struct connection {
    int fd;
    nghttp2_session *session;
} connection;

typedef struct job {
    struct job *next;
    connection *client; /* NULL: the stream is closed */
    int32_t stream;
    outlive_request *request;
    const char *table, *rest; /* the next one; what is left of the answer */
    char directory[4096];
} job;

static policy host;
static job *jobs;
static int is_drained;

static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request;
    tables_note(((job *)userdata)->directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

/* ---- what nghttp2 calls ---- */

static ssize_t send_bytes(nghttp2_session *session, const uint8_t *data, size_t length, int flags, void *userdata) {
    ssize_t sent = send(((connection *)userdata)->fd, data, length, MSG_NOSIGNAL);
    (void)session, (void)flags;
    return sent < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : sent;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* trailers: the job is there */
    }
    job *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    *self = (job){.next = jobs, .client = userdata, .stream = frame->hd.stream_id, .table = "ABCD", .rest = "saved\n"};
    jobs = self;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, self);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length, const uint8_t *value,
                     size_t length, uint8_t flags, void *userdata) {
    job *self = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags, (void)userdata;
    if (self != NULL && name_length == 5 && memcmp(name, ":path", 5) == 0 && memchr(value, '.', length) == NULL) {
        snprintf(self->directory, sizeof self->directory, "%s%.*s", host.directory, (int)length, (const char *)value);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
    job *self = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (self == NULL || self->request != NULL || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        return 0;
    }
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.method = "POST";
    options.label = self->directory;
    options.socket = ((connection *)userdata)->fd; /* that of all its neighbours */
    options.userdata = self;
    if (outlive_request_begin(host.engine, host.settings, &options, &self->request, NULL) != OUTLIVE_OK) {
        return nghttp2_submit_rst_stream(session, 0, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    }
    outlive_request_register_shutdown_function(self->request, ended, self, NULL);
    outlive_request_suspend(self->request);
    return 0;
}

/* Also by the client's RST_STREAM: this one has gone, its neighbours have not. */
static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *userdata) {
    job *self = nghttp2_session_get_stream_user_data(session, stream);
    (void)error, (void)userdata;
    if (self != NULL) {
        self->client = NULL;
        if (self->request != NULL) {
            outlive_request_client_gone(self->request);
        }
    }
    return 0;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
                           nghttp2_data_source *source, void *userdata) {
    size_t count = strlen(source->ptr);
    (void)session, (void)stream, (void)userdata;
    count = count < length ? count : length;
    memcpy(buffer, source->ptr, count);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

/* ---- the work ---- */

/* One step of a job; 0: it is over. */
static int step(job *self) {
    outlive_request_resume(self->request);
    while (outlive_request_check(self->request) == OUTLIVE_OK && *self->table) {
        if (!tables_write(self->directory, *self->table)) {
            outlive_request_suspend(self->request);
            return 1;
        }
        self->table++;
    }
    outlive_request_end(self->request, NULL);
    if (self->client != NULL) {
        nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"200", 7, 3, NGHTTP2_NV_FLAG_NONE};
        nghttp2_data_provider data = {{.ptr = (void *)self->rest}, read_answer};
        nghttp2_session_set_stream_user_data(self->client->session, self->stream, NULL);
        nghttp2_submit_response(self->client->session, self->stream, &status, 1, &data);
    }
    return 0;
}

static int steps(void) {
    int working = 0;
    for (job **at = &jobs; *at != NULL;) {
        job *self = *at;
        if (self->request == NULL ? self->client != NULL : step(self)) {
            working += self->request != NULL;
            at = &self->next;
        } else {
            *at = self->next;
            free(self);
        }
    }
    return working;
}

static void stops(void) {
    outlive_stop stop = OUTLIVE_STOP_INIT;
    while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) {
        is_drained |= stop.kind == OUTLIVE_STOP_DRAINED;
    } /* whatever is due: each job has a safe point in the steps that follow */
}

static void leave(connection *client) {
    for (job *self = jobs; self != NULL; self = self->next) {
        if (self->client == client) {
            self->client = NULL;
            if (self->request != NULL) {
                outlive_request_client_gone(self->request);
            }
        }
    }
    nghttp2_session_del(client->session);
    close(client->fd);
    client->fd = -1;
}

static void receive(connection *client) {
    uint8_t bytes[16384];
    ssize_t count = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count == 0 || (count > 0 && nghttp2_session_mem_recv(client->session, bytes, (size_t)count) < 0)) {
        leave(client);
    } else if (count < 0 && errno != EAGAIN) {
        leave(client);
    }
}

static void accept_one(int listener, connection *clients, nghttp2_session_callbacks *callbacks) {
    nghttp2_settings_entry most = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
    int fd = accept(listener, NULL, NULL);
    for (int i = 0; fd >= 0 && i < MOST; i++) {
        if (clients[i].fd < 0) {
            clients[i].fd = fd;
            nghttp2_session_server_new(&clients[i].session, callbacks, &clients[i]);
            nghttp2_submit_settings(clients[i].session, NGHTTP2_FLAG_NONE, &most, 1);
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    static connection clients[MOST];
    nghttp2_session_callbacks *callbacks;
    host = policy_open(argc, argv);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, send_bytes);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("bind");
        return 1;
    }
    for (int i = 0; i < MOST; i++) {
        clients[i].fd = -1;
    }
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    int input = STDIN_FILENO, working = 0;
    while (!is_drained) {
        struct pollfd wait[3 + MOST] = {{input, POLLIN, 0}, {outlive_engine_stop_fd(host.engine, 0), POLLIN, 0}, {listener, POLLIN, 0}};
        for (int i = 0; i < MOST; i++) {
            wait[3 + i] = (struct pollfd){clients[i].fd, POLLIN, 0};
        }
        poll(wait, 3 + MOST, working ? 20 : -1);
        char byte;
        if (wait[0].revents && read(input, &byte, 1) == 0) {
            input = -1;
            close(listener);
            listener = -1;
            outlive_engine_begin_drain(host.engine, host.drain_ms);
        }
        stops();
        if (listener >= 0 && wait[2].revents) {
            accept_one(listener, clients, callbacks);
        }
        for (int i = 0; i < MOST; i++) {
            if (wait[3 + i].revents && clients[i].fd >= 0) {
                receive(&clients[i]);
            }
        }
        working = steps();
        for (int i = 0; i < MOST; i++) {
            if (clients[i].fd >= 0 && nghttp2_session_send(clients[i].session) != 0) {
                leave(&clients[i]);
            }
        }
    }
    for (int i = 0; i < MOST; i++) {
        if (clients[i].fd >= 0) {
            leave(&clients[i]);
        }
    }
    steps();
    nghttp2_session_callbacks_del(callbacks);
    policy_close(&host);
    return 0;
}
