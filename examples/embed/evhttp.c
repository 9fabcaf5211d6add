/*
 * libevent's evhttp with outlive: one thread, one event loop. A request's work is cut into steps that the loop calls, and its
 * CPU time is counted from resume to suspend.
 *   cc evhttp.c $(pkg-config --cflags --libs outlive libevent)      ./a.out DIRECTORY PHP_INI
 */
#include "tables.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <outlive.h>
#include <stdlib.h>

static const char *directory;
static outlive_engine *engine;
static const outlive_settings *settings;
static struct event_base *base;

typedef struct job {
    struct evhttp_request *http;
    outlive_request *request;
    struct event *timer;
    const char *table; /* the next one */
} job;

/* The shutdown function: it runs whatever happened, once, and is told why. */
static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(directory, outlive_ending_name(ending).ptr);
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
        if (!tables_write(directory, *self->table)) { /* locked: the loop does something else meanwhile */
            outlive_request_suspend(self->request);
            event_add(self->timer, &(struct timeval){0, 5000});
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

static void save(struct evhttp_request *http, void *userdata) {
    (void)userdata;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error;
    job *self = calloc(1, sizeof *self);
    options.label = evhttp_request_get_uri(http);
    /* evhttp does not look at a socket while its request is being answered: the engine does (outlive.detect = watch). */
    options.socket = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(http)));
    options.method = evhttp_request_get_command(http) == EVHTTP_REQ_POST ? "POST" : "GET";
    if (self == NULL || outlive_request_begin(engine, settings, &options, &self->request, &error) != OUTLIVE_OK) {
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

static void quit(evutil_socket_t fd, short what, void *userdata) {
    char byte;
    (void)what, (void)userdata;
    if (read(fd, &byte, 1) == 0) {
        event_base_loopbreak(base);
    }
}

int main(int argc, char **argv) {
    outlive_error error = {0};
    outlive_config *config = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY PHP_INI\n", argv[0]);
        return 2;
    }
    directory = argv[1];
    if (outlive_config_builder_load_php_ini(builder, argv[2], OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK || outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        return 1;
    }
    base = event_base_new();
    struct evhttp *server = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, quit, NULL);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (bound == NULL || getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size) != 0) {
        perror("bind");
        return 1;
    }
    evhttp_set_gencb(server, save, NULL);
    event_add(input, NULL);
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base); /* until standard input ends */
    event_free(input);
    evhttp_free(server);
    event_base_free(base);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
