/*
 * libmicrohttpd with outlive: a thread for each connection, and its socket is watched (outlive.detect = watch).
 *   cc microhttpd.c $(pkg-config --cflags --libs outlive libmicrohttpd)      ./a.out DIRECTORY PHP_INI
 */
#include "tables.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <outlive.h>
#include <stdlib.h>
#include <time.h>

static const char *directory;
static outlive_engine *engine;
static const outlive_settings *settings;

/* The shutdown function: it runs whatever happened, once, and is told why. */
static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

/* What an application writes: the work, with a safe point between its steps. */
static void save(outlive_request *request) {
    const uint32_t *flags = outlive_request_flags(request);
    for (const char *table = "ABCD"; *table; table++) {
        do {
            if (OUTLIVE_CHECK(request, flags) != OUTLIVE_OK) {
                return; /* the client has gone, or time is up, and the configuration says stop */
            }
        } while (!tables_write(directory, *table) && nanosleep(&(struct timespec){0, 5000000}, NULL) == 0);
    }
}

static enum MHD_Result answer(void *userdata, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_size, void **seen) {
    (void)userdata, (void)version, (void)upload;
    if (*seen == NULL || *upload_size != 0) { /* libmicrohttpd calls again until the form has been read */
        *seen = connection, *upload_size = 0;
        return MHD_YES;
    }
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request;
    outlive_error error;
    options.label = url;
    options.method = method;
    options.socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (outlive_request_begin(engine, settings, &options, &request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return MHD_NO;
    }
    outlive_request_register_shutdown_function(request, ended, NULL, NULL);
    save(request);
    outlive_request_end(request, NULL);

    struct MHD_Response *response = MHD_create_response_from_buffer(6, "saved\n", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
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
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL,
                                                 NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &loopback, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "libmicrohttpd does not start\n");
        return 1;
    }
    printf("%u\n", (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    getchar(); /* until standard input ends */
    outlive_engine_drain(engine, 10000); /* what was submitted is saved before the server goes */
    MHD_stop_daemon(daemon);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
