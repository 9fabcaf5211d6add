/*
 * civetweb with outlive: a thread for each request, in the library's pool. Its public face gives no socket and tells of no abort, so a client
 * that has gone is noticed as PHP notices it: by output that cannot be delivered. A handler that waits says that it is still there.
 *   cc civetweb.c $(pkg-config --cflags --libs outlive) -lcivetweb      ./a.out DIRECTORY PHP_INI [MILLISECONDS]
 */
#include "policy.h"
#include "tables.h"

#include <civetweb.h>
#include <poll.h>

static policy host;

static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(host.directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

static int write_out(void *userdata, const void *bytes, size_t length) {
    return mg_write(userdata, bytes, length) == (int)length ? 0 : -1;
}

static int save(struct mg_connection *client, void *unused) {
    const struct mg_request_info *info = mg_get_request_info(client);
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request;
    outlive_error error;
    const char *table = "ABCD";
    (void)unused;
    options.label = info->local_uri;
    options.method = info->request_method;
    options.write = write_out;
    options.userdata = client;
    if (outlive_request_begin(host.engine, host.settings, &options, &request, &error) != OUTLIVE_OK) {
        mg_send_http_error(client, 503, "%s", error.message);
        return 503;
    }
    outlive_request_register_shutdown_function(request, ended, NULL, NULL);
    mg_printf(client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n");
    while (outlive_request_check(request) == OUTLIVE_OK && *table) {
        if (tables_write(host.directory, *table)) {
            table++;
        } else { /* locked; who writes nothing never knows whether anybody listens */
            poll(NULL, 0, 20);
            outlive_request_write(request, ".", 1);
        }
    }
    outlive_request_write(request, "saved\n", 6);
    outlive_request_end(request, NULL);
    return 200;
}

int main(int argc, char **argv) {
    const char *options[] = {"listening_ports", "127.0.0.1:0", "num_threads", "8", NULL};
    struct mg_callbacks callbacks = {0};
    struct mg_server_port port = {0};
    host = policy_open(argc, argv);
    mg_init_library(0);
    struct mg_context *server = mg_start(&callbacks, NULL, options);
    if (server == NULL || mg_get_server_ports(server, 1, &port) != 1) {
        fprintf(stderr, "cannot listen\n");
        return 1;
    }
    mg_set_request_handler(server, "/save", save, NULL);
    printf("%d\n", port.port);
    fflush(stdout);
    outlive_stop stop = OUTLIVE_STOP_INIT;
    int input = STDIN_FILENO, is_drained = 0;
    while (!is_drained) {
        struct pollfd wait[2] = {{input, POLLIN, 0}, {outlive_engine_stop_fd(host.engine, 0), POLLIN, 0}};
        char byte;
        poll(wait, 2, -1);
        if (wait[0].revents && read(input, &byte, 1) == 0) {
            input = -1;
            outlive_engine_begin_drain(host.engine, host.drain_ms);
        }
        while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) {
            is_drained |= stop.kind == OUTLIVE_STOP_DRAINED;
        }
    }
    mg_stop(server);
    mg_exit_library();
    policy_close(&host);
    return 0;
}
