/*
 * libevent's evhttp with outlive: one thread, one event loop. A request's work is cut into steps that the loop calls, and its CPU time is
 * counted from resume to suspend. Stops are events of the loop; so is the end of a drain.
 *   cc evhttp.c $(pkg-config --cflags --libs outlive libevent)      ./a.out DIRECTORY PHP_INI [MILLISECONDS]
 */
#include "policy.h"
#include "tables.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>

static policy host;
static struct event_base *base;
static struct evhttp *server;
static struct evhttp_bound_socket *bound;

typedef struct job {
    struct evhttp_request *http;
    outlive_request *request;
    struct event *timer;
    const char *table; /* the next one */
} job;

/* The shutdown function: it runs whatever happened, once, and is told why. */
static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(host.directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

/* evhttp itself has closed the connection (a time-out of its own); evhttp_send_reply copes with that later. */
static void closed(struct evhttp_connection *connection, void *userdata) {
    (void)connection;
    outlive_request_client_gone(((job *)userdata)->request);
}

static void step(evutil_socket_t fd, short what, void *userdata) {
    job *self = userdata;
    (void)fd, (void)what;
    outlive_request_resume(self->request);
    while (outlive_request_check(self->request) == OUTLIVE_OK && *self->table) {
        if (!tables_write(host.directory, *self->table)) { /* locked: the loop does something else meanwhile */
            outlive_request_suspend(self->request);
            event_add(self->timer, &(struct timeval){0, 20000});
            return;
        }
        self->table++;
    }
    struct evhttp_connection *connection = evhttp_request_get_connection(self->http);
    if (connection != NULL) {
        evhttp_connection_set_closecb(connection, NULL, NULL);
    }
    outlive_request_end(self->request, NULL);
    evbuffer_add_printf(evhttp_request_get_output_buffer(self->http), "saved\n");
    evhttp_send_reply(self->http, HTTP_OK, NULL, NULL);
    event_free(self->timer);
    free(self);
}

/* A stop is due: the step after next may be far away, so its safe point comes now. */
static void stops(evutil_socket_t fd, short what, void *userdata) {
    outlive_stop stop = OUTLIVE_STOP_INIT;
    (void)fd, (void)what, (void)userdata;
    while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) {
        if (stop.kind == OUTLIVE_STOP_DRAINED) {
            event_base_loopexit(base, NULL);
        } else {
            step(-1, 0, stop.userdata);
        }
    }
}

static void save(struct evhttp_request *http, void *userdata) {
    (void)userdata;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error;
    job *self = calloc(1, sizeof *self);
    options.label = evhttp_request_get_uri(http);
    /* evhttp does not look at a socket while its request is being answered: the engine does (outlive.detect = watch). */
    options.socket = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(http)));
    options.method = evhttp_request_get_command(http) == EVHTTP_REQ_POST ? "POST" : "GET";
    options.userdata = self;
    if (self == NULL || outlive_request_begin(host.engine, host.settings, &options, &self->request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", self == NULL ? "out of memory" : error.message);
        free(self);
        evhttp_send_error(http, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    self->http = http;
    self->table = "ABCD";
    self->timer = evtimer_new(base, step, self);
    outlive_request_register_shutdown_function(self->request, ended, NULL, NULL);
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), closed, self);
    outlive_request_suspend(self->request);
    step(-1, 0, self);
}

/* Standard input ends: nothing new is taken, what is in flight gets its time, and the loop goes on until DRAINED. */
static void quit(evutil_socket_t fd, short what, void *input) {
    char byte;
    (void)what;
    if (read(fd, &byte, 1) == 0) {
        event_del(*(struct event **)input);
        evhttp_del_accept_socket(server, bound);
        outlive_engine_begin_drain(host.engine, host.drain_ms);
    }
}

int main(int argc, char **argv) {
    host = policy_open(argc, argv);
    base = event_base_new();
    server = evhttp_new(base);
    bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, quit, &input);
    struct event *stop = event_new(base, outlive_engine_stop_fd(host.engine, 0), EV_READ | EV_PERSIST, stops, NULL);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (bound == NULL || getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size) != 0) {
        perror("bind");
        return 1;
    }
    evhttp_set_gencb(server, save, NULL);
    event_add(input, NULL);
    event_add(stop, NULL);
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    event_free(input);
    event_free(stop);
    evhttp_free(server);
    event_base_free(base);
    policy_close(&host);
    return 0;
}
