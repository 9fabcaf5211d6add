/* Options, configuration, signals, the worker threads. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_WORKERS = 1024, DRAIN_MILLISECONDS = 5000 };

struct options {
    const char *php_ini, *httpd_conf, *data, *site;
    int port, workers;
};

static const char usage[] =
    "Usage: formsave [-i php.ini] [-c httpd.conf] [-d data-directory] [-s site-directory] [-p port] [-w workers]\n"
    "Saves a form to tables A, B, C and D, on http://127.0.0.1:PORT/. Ends with Ctrl-C.\n";

static int whole(const char *text, int least, int most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return end == text || *end != '\0' || number < least || number > most ? -1 : (int)number;
}

static int read_options(int argc, char **argv, struct options *options)
{
    int letter;
    while ((letter = getopt(argc, argv, "i:c:d:s:p:w:h")) != -1) {
        switch (letter) {
        case 'i': options->php_ini = optarg; break;
        case 'c': options->httpd_conf = optarg; break;
        case 'd': options->data = optarg; break;
        case 's': options->site = optarg; break;
        case 'p': options->port = whole(optarg, 0, 65535); break;
        case 'w': options->workers = whole(optarg, 1, MOST_WORKERS); break;
        default: return -1;
        }
    }
    return optind == argc && options->port >= 0 && options->workers > 0 ? 0 : -1;
}

static int show_diagnostic(void *userdata, const outlive_diagnostic *diagnostic)
{
    (void)userdata;
    if (diagnostic->severity > 0)
        fprintf(stderr, "formsave: %s:%u: %s\n", diagnostic->file.ptr, (unsigned)diagnostic->line, diagnostic->text.ptr);
    return 0;
}

/* php.ini, httpd.conf and the server's own directives become one configuration, shared by all threads. */
static outlive_config *load_config(const struct options *options)
{
    outlive_config *config = NULL;
    outlive_error error = {0};
    outlive_config_builder *builder = outlive_config_builder_new();
    if (builder == NULL) {
        fputs("formsave: no memory\n", stderr);
        return NULL;
    }
    int result = save_register(builder, &error);
    if (result == OUTLIVE_OK)
        result = outlive_config_builder_load_php_ini(builder, options->php_ini, OUTLIVE_NTS, &error);
    if (result == OUTLIVE_OK)
        result = outlive_config_builder_load_httpd_conf(builder, options->httpd_conf, OUTLIVE_NTS, &error);
    if (result == OUTLIVE_OK)
        result = outlive_config_builder_build(builder, &config, &error);
    outlive_config_builder_free(builder);
    if (result != OUTLIVE_OK) {
        if (error.file[0] != '\0')
            fprintf(stderr, "formsave: %s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        else
            fprintf(stderr, "formsave: %s\n", error.message);
        return NULL;
    }
    (void)outlive_config_diagnostics(config, show_diagnostic, NULL);
    return config;
}

/* A listening socket on 127.0.0.1; if the port is taken, on any free one. */
static int open_listener(int port, uint16_t *got)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    const int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        return -1;
    int result = setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (result == 0)
        result = bind(listener, (struct sockaddr *)&address, sizeof address);
    if (result != 0 && errno == EADDRINUSE) {
        fprintf(stderr, "formsave: port %d is taken; taking a free one\n", port);
        address.sin_port = 0;
        result = bind(listener, (struct sockaddr *)&address, sizeof address);
    }
    /* Non-blocking: of the workers that wait for it together, one gets the connection and the rest wait on. */
    if (result != 0 || listen(listener, 512) != 0 || fcntl(listener, F_SETFL, O_NONBLOCK) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        close(listener);
        return -1;
    }
    *got = ntohs(address.sin_port);
    return listener;
}

/* A worker: takes one connection after the other, until the server stops. */
static void *work(void *userdata)
{
    struct server *server = userdata;
    struct pollfd fds[2] = {{.fd = server->listener, .events = POLLIN}, {.fd = server->stop[0], .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents != 0)
            return NULL;
        int socket = accept(server->listener, NULL, NULL);
        if (socket >= 0) {
            handle_connection(server, socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            perror("formsave: accept");
            (void)poll(NULL, 0, 100); /* out of something: others must end first */
        }
    }
}

/* What the process before this one had accepted and did not finish. */
static void *finish_unfinished(void *server)
{
    handle_unfinished(server);
    return NULL;
}

static void serve_until_signal(struct server *server, int workers, const sigset_t *signals)
{
    static pthread_t threads[MOST_WORKERS + 1];
    pthread_attr_t attributes;
    int started = 0, signal_number = 0;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setstacksize(&attributes, 512 * 1024);
    while (started < workers && pthread_create(&threads[started], &attributes, work, server) == 0)
        started++;
    if (started > 0 && pthread_create(&threads[started], &attributes, finish_unfinished, server) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    if (started > 0) {
        printf("formsave: http://127.0.0.1:%u/\n", (unsigned)server->port);
        fflush(stdout);
        sigwait(signals, &signal_number);
    }
    /* No new connections; what runs, clients there or gone, gets time to finish; then it is told to stop. */
    close(server->stop[1]);
    int result = outlive_engine_drain(server->engine, DRAIN_MILLISECONDS);
    if (result != OUTLIVE_OK)
        fprintf(stderr, "formsave: not everything ended by itself: %s\n", outlive_result_text(result).ptr);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

/* Sets up everything in order, and takes it down in the opposite order. */
static int serve(const struct options *options, const sigset_t *signals)
{
    struct server server = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    outlive_error error = {0};
    char text[512] = "";
    int status = 1;
    server.config = load_config(options);
    if (server.config == NULL)
        return 1;
    if (outlive_engine_new(NULL, &server.engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "formsave: %s\n", error.message);
        goto no_engine;
    }
    if (site_load(&server.site, options->site, text, sizeof text) != 0 ||
        store_open(&server.store, options->data, text, sizeof text) != 0) {
        fprintf(stderr, "formsave: %s\n", text);
        goto no_store;
    }
    if (locker_open(&server.locker, &server.store) != 0 || pipe(server.stop) != 0) {
        perror("formsave");
        goto no_locker;
    }
    server.listener = open_listener(options->port, &server.port);
    if (server.listener < 0) {
        perror("formsave: cannot listen");
        close(server.stop[1]);
    } else {
        serve_until_signal(&server, options->workers, signals);
        close(server.listener);
        status = 0;
    }
    close(server.stop[0]);
    locker_close(&server.locker);
no_locker:
    store_close(&server.store);
no_store:
    site_free(&server.site);
    outlive_engine_free(server.engine);
no_engine:
    outlive_config_free(server.config);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {
        .php_ini = "php.ini.example",
        .httpd_conf = "examples/httpd.conf",
        .data = ".",
        .site = "examples/site",
        .port = 8000,
        .workers = 64,
    };
    struct rlimit files;
    sigset_t signals;
    if (read_options(argc, argv, &options) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    /* Blocked here, before any thread exists, and so in all of them: the main thread takes them with sigwait, and no
     * handler is needed. A broken pipe is a result of send, here and in whatever libraries do. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        perror("formsave: signals");
        return 1;
    }
    /* Each save has a socket and the files of two databases open. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return serve(&options, &signals);
}
