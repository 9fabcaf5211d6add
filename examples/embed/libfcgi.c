/*
 * libfcgi with outlive, behind nginx or any FastCGI server: threads that accept, work and answer. The web server closes its connection to us
 * when the client goes, and FCGX_Request has that connection: the engine watches it. The main thread hears of the end of a drain.
 *   cc libfcgi.c $(pkg-config --cflags --libs outlive) -lfcgi      ./a.out DIRECTORY PHP_INI [MILLISECONDS]      (DIRECTORY/fcgi.sock)
 */
#include "policy.h"
#include "tables.h"

#include <fcgiapp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

enum { THREADS = 4 };

static policy host;
static int listener;

static int ended(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    tables_note(host.directory, outlive_ending_name(ending).ptr);
    return OUTLIVE_OK;
}

static int write_out(void *userdata, const void *bytes, size_t length) {
    return FCGX_PutStr(bytes, (int)length, ((FCGX_Request *)userdata)->out) < 0 ? -1 : 0;
}

static int flush_out(void *userdata) {
    return FCGX_FFlush(((FCGX_Request *)userdata)->out) < 0 ? -1 : 0;
}

static void save(FCGX_Request *fcgi) {
    static const char head[] = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nsaved\n";
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request;
    outlive_error error;
    const char *table = "ABCD";
    options.label = FCGX_GetParam("DOCUMENT_URI", fcgi->envp);
    options.method = FCGX_GetParam("REQUEST_METHOD", fcgi->envp);
    options.socket = fcgi->ipcFd; /* the web server's connection; not watched by libfcgi */
    options.write = write_out;
    options.flush = flush_out;
    options.userdata = fcgi;
    if (outlive_request_begin(host.engine, host.settings, &options, &request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        FCGX_PutS("Status: 503 Service Unavailable\r\n\r\n", fcgi->out);
        return;
    }
    outlive_request_register_shutdown_function(request, ended, NULL, NULL);
    while (outlive_request_check(request) == OUTLIVE_OK && *table) {
        if (tables_write(host.directory, *table)) {
            table++;
        } else { /* locked */
            poll(NULL, 0, 20);
        }
    }
    outlive_request_write(request, head, sizeof head - 1);
    outlive_request_end(request, NULL);
}

static void *serve(void *unused) {
    FCGX_Request fcgi;
    FCGX_InitRequest(&fcgi, listener, FCGI_FAIL_ACCEPT_ON_INTR);
    while (FCGX_Accept_r(&fcgi) == 0) {
        save(&fcgi);
        FCGX_Finish_r(&fcgi);
    }
    return unused;
}

int main(int argc, char **argv) {
    char path[4096];
    pthread_t threads[THREADS];
    host = policy_open(argc, argv);
    snprintf(path, sizeof path, "%s/fcgi.sock", host.directory);
    FCGX_Init();
    listener = FCGX_OpenSocket(path, 128);
    if (listener < 0) {
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, serve, NULL);
    }
    printf("%s\n", path);
    fflush(stdout);
    outlive_stop stop = OUTLIVE_STOP_INIT;
    int input = STDIN_FILENO, is_drained = 0;
    while (!is_drained) {
        struct pollfd wait[2] = {{input, POLLIN, 0}, {outlive_engine_stop_fd(host.engine, 0), POLLIN, 0}};
        char byte;
        poll(wait, 2, -1);
        if (wait[0].revents && read(input, &byte, 1) == 0) { /* nothing new is taken from here on */
            input = -1;
            FCGX_ShutdownPending();
            shutdown(listener, SHUT_RDWR);
            outlive_engine_begin_drain(host.engine, host.drain_ms);
        }
        while (outlive_engine_next_stop(host.engine, 0, &stop) == OUTLIVE_OK) { /* what is due the threads see by themselves */
            is_drained |= stop.kind == OUTLIVE_STOP_DRAINED;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    policy_close(&host);
    return 0;
}
