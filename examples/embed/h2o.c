/*
 * libh2o (2.2, with its own event loop) with outlive: one thread, one loop, HTTP/1 and HTTP/2. A request's memory goes when its client does, so
 * the work has its own, and hears of that by the destructor of something in the request's pool.
 *   cc -DH2O_USE_EPOLL=1 -DH2O_USE_LIBUV=0 h2o.c $(pkg-config --cflags --libs outlive) -lh2o-evloop -lssl -lcrypto
 *   ./a.out DIRECTORY PHP_INI [MILLISECONDS]
 */
#include "policy.h"
#include "tables.h"

#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>

static policy host;
static h2o_globalconf_t config;
static h2o_context_t context;
static h2o_accept_ctx_t acceptor;
static h2o_socket_t *listener;
static h2o_timeout_t retry;
static int is_drained;

typedef struct job {
    h2o_timeout_entry_t timer;
    h2o_req_t *http;   /* NULL: it is gone, and its memory too */
    struct job **link; /* in the request's pool, back to this */
    outlive_request *request;
    const char *table; /* the next one */
} job;

static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(host.directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

/* The request's pool is freed: answered, or its stream or connection was closed. */
static void forget(void *link) {
    job *self = *(job **)link;
    if (self != NULL) {
        self->http = NULL;
        outlive_request_client_gone(self->request);
    }
}

static void step(h2o_timeout_entry_t *timer) {
    job *self = H2O_STRUCT_FROM_MEMBER(job, timer, timer);
    outlive_request_resume(self->request);
    while (outlive_request_check(self->request) == OUTLIVE_OK && *self->table) {
        if (!tables_write(host.directory, *self->table)) {
            outlive_request_suspend(self->request);
            h2o_timeout_link(context.loop, &retry, &self->timer);
            return;
        }
        self->table++;
    }
    outlive_request_end(self->request, NULL);
    if (self->http != NULL) {
        *self->link = NULL;
        self->http->res.status = 200;
        self->http->res.reason = "OK";
        h2o_send_inline(self->http, H2O_STRLIT("saved\n"));
    }
    free(self);
}

static int save(h2o_handler_t *handler, h2o_req_t *http) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error;
    char method[16];
    job *self = calloc(1, sizeof *self);
    (void)handler;
    snprintf(method, sizeof method, "%.*s", (int)http->method.len, http->method.base);
    options.method = method;
    /* h2o does not look at an HTTP/1 socket while its request is being answered: the engine does. HTTP/2 streams share one. */
    options.socket = h2o_socket_get_fd(http->conn->callbacks->get_socket(http->conn));
    options.userdata = self;
    if (self == NULL || outlive_request_begin(host.engine, host.settings, &options, &self->request, &error) != OUTLIVE_OK) {
        free(self);
        h2o_send_error_503(http, "Service Unavailable", "try again later", 0);
        return 0;
    }
    self->http = http;
    self->table = "ABCD";
    self->timer.cb = step;
    self->link = h2o_mem_alloc_shared(&http->pool, sizeof *self->link, forget);
    *self->link = self;
    outlive_request_register_shutdown_function(self->request, ended, NULL, NULL);
    outlive_request_suspend(self->request);
    step(&self->timer);
    return 0;
}

/* A stop is due: its safe point comes now. One thread takes stops and ends requests, so the job lives. */
static void stops(h2o_socket_t *socket, const char *error) {
    outlive_stop stop = OUTLIVE_STOP_INIT;
    (void)socket, (void)error;
    while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) {
        if (stop.kind == OUTLIVE_STOP_DRAINED) {
            is_drained = 1;
        } else {
            job *self = stop.userdata;
            h2o_timeout_unlink(&self->timer);
            step(&self->timer);
        }
    }
}

static void accept_one(h2o_socket_t *socket, const char *error) {
    h2o_socket_t *client = error == NULL ? h2o_evloop_socket_accept(socket) : NULL;
    if (client != NULL) {
        h2o_accept(&acceptor, client);
    }
}

static void quit(h2o_socket_t *socket, const char *error) {
    char byte;
    (void)error;
    if (read(STDIN_FILENO, &byte, 1) == 0) {
        h2o_socket_read_stop(socket);
        h2o_socket_close(listener);
        outlive_engine_begin_drain(host.engine, host.drain_ms);
    }
}

static h2o_socket_t *hear(int fd, h2o_socket_cb callback) {
    h2o_socket_t *socket = h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    h2o_socket_read_start(socket, callback);
    return socket;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    host = policy_open(argc, argv);
    h2o_config_init(&config);
    h2o_hostconf_t *site = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_handler_t *handler = h2o_create_handler(h2o_config_register_path(site, "/save", 0), sizeof *handler);
    handler->on_req = save;
    h2o_context_init(&context, h2o_evloop_create(), &config);
    acceptor.ctx = &context;
    acceptor.hosts = config.hosts;
    h2o_timeout_init(context.loop, &retry, 20);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror("bind");
        return 1;
    }
    listener = hear(fd, accept_one);
    hear(STDIN_FILENO, quit);
    h2o_socket_t *stopping = hear(outlive_engine_stop_fd(host.engine, 0), stops);
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    while (!is_drained && h2o_evloop_run(context.loop, INT32_MAX) == 0) {
    }
    h2o_evloop_run(context.loop, 0);
    h2o_socket_export_t exported; /* out of the loop, and not closed: it is the engine's */
    h2o_socket_export(stopping, &exported);
    policy_close(&host);
    return 0;
}
