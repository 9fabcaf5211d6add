/* The master and its workers. See durable.h. */

#define _POSIX_C_SOURCE 200809L

#include "durable.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORKERS = 16, MOST_KEY = 100, DRAIN_MILLISECONDS = 2000, RESUME_MILLISECONDS = 50 };

static struct journal journal = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static enum manner manner;
static outlive_engine *engine;
static const outlive_settings *settings;
static int leaving; /* set before the drain: nothing is taken over any more */

/* Works on what has been accepted, and tells the journal what became of it: "done" is said behind the shutdown functions, while the row
 * still shows the request. */
static int work(outlive_request *request, PGconn *db, const char *key, const char *note)
{
    int ending = OUTLIVE_ENDING_HOST_ERROR;
    (void)save_tables(db, request, key, note, manner); /* a stop is told by the ending */
    if (outlive_request_shut_down(request, &ending, NULL) == OUTLIVE_OK && manner != MANNER_PLAIN)
        journal_settle(&journal, key, ending, manner);
    (void)outlive_request_end(request, NULL);
    return ending;
}

static outlive_request *begin(const char *label, const char *key, int socket, int resumed)
{
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    outlive_error error;
    options.label = label;
    options.method = "POST";
    options.socket = socket;
    options.key = key;
    options.key_len = OUTLIVE_NTS;
    options.resumed = resumed;
    if (outlive_request_begin(engine, settings, &options, &request, &error) != OUTLIVE_OK)
        fprintf(stderr, "durable: %s\n", error.message);
    return request;
}

/* ---- what clients submit ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)(size_t)text, MHD_RESPMEM_PERSISTENT);
    if (status == 503 || status == 409)
        (void)MHD_add_response_header(response, "Retry-After", "1");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result save(struct MHD_Connection *connection, const char *key, const char *note)
{
    int socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    outlive_request *request = begin("/save", key, socket, 0);
    if (request == NULL)
        return reply(connection, 503, "try again\n");
    PGconn *db = PQconnectdb(journal.database);
    enum accepted accepted = manner == MANNER_PLAIN ? ACCEPTED : journal_accept(&journal, db, request, key, note);
    int ending = OUTLIVE_ENDING_NONE;
    if (accepted == ACCEPTED) {
        if (manner != MANNER_PLAIN)
            (void)outlive_request_set_accepted(request);
        ending = work(request, db, key, note);
    } else {
        (void)outlive_request_end(request, NULL);
    }
    PQfinish(db);
    switch (accepted) {
    case ACCEPTED: break;
    case DONE_BEFORE: return reply(connection, 200, "saved before\n");
    case IN_FLIGHT: return reply(connection, 409, "this submission is being worked on\n");
    case UNREACHABLE: return reply(connection, 503, "the journal does not answer: send it again, with the same key\n");
    }
    if (ending == OUTLIVE_ENDING_COMPLETED || ending == OUTLIVE_ENDING_FINISHED)
        return reply(connection, 200, "saved\n");
    return reply(connection, 202, "accepted: it will be saved\n");
}

/* The form, as libmicrohttpd reads it. */
struct form {
    char note[NOTE_SIZE];
    size_t length; /* of what came, more than fits included */
};

static enum MHD_Result answer(void *userdata, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_size, void **seen)
{
    struct form *form = *seen;
    (void)userdata, (void)version;
    if (form == NULL)
        return (*seen = calloc(1, sizeof *form)) != NULL ? MHD_YES : MHD_NO;
    if (*upload_size > 0) {
        if (form->length + *upload_size < sizeof form->note)
            memcpy(form->note + form->length, upload, *upload_size);
        form->length += *upload_size;
        *upload_size = 0;
        return MHD_YES;
    }
    char key[KEY_SIZE];
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key");
    if (strcmp(method, "POST") != 0 || strcmp(url, "/save") != 0)
        return reply(connection, 404, "POST /save\n");
    if (given == NULL || given[0] == '\0' || strlen(given) > MOST_KEY)
        return reply(connection, 400, "an Idempotency-Key of 1 to 100 bytes is needed\n");
    if (form->length >= sizeof form->note)
        return reply(connection, 413, "a note has at most 200 bytes\n");
    /* What belongs together is the same person's, for the same thing: a server with accounts puts the person in too. */
    snprintf(key, sizeof key, "POST /save %s", given);
    return save(connection, key, form->note);
}

static void forget(void *userdata, struct MHD_Connection *connection, void **seen, enum MHD_RequestTerminationCode code)
{
    (void)userdata, (void)connection, (void)code;
    free(*seen);
}

/* ---- what a process that died has left ---- */

static void *resume(void *userdata)
{
    char key[KEY_SIZE], note[NOTE_SIZE];
    (void)userdata;
    while (!__atomic_load_n(&leaving, __ATOMIC_ACQUIRE)) {
        int enrolled = journal_enrol(&journal) == 0;
        if (enrolled)
            journal_release_unsure(&journal);
        if (enrolled && journal_resume(&journal, key, note) == 1) {
            outlive_request *request = begin("/save", key, -1, 1);
            PGconn *db = PQconnectdb(journal.database);
            if (request != NULL)
                (void)work(request, db, key, note);
            else
                journal_settle(&journal, key, OUTLIVE_ENDING_HANDED_BACK, manner);
            PQfinish(db);
        } else {
            (void)poll(NULL, 0, RESUME_MILLISECONDS);
        }
    }
    return NULL;
}

/* ---- a worker ---- */

static int read_configuration(const char *php_ini)
{
    outlive_error error = {0};
    outlive_config *config = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (outlive_config_builder_load_php_ini(builder, php_ini, OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK ||
        outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "durable: %s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        return -1;
    }
    outlive_config_builder_free(builder);
    outlive_config_free(config);
    return 0;
}

static int worker(const char *php_ini, int listener)
{
    sigset_t ends;
    int signal_number;
    pthread_t resumer;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (read_configuration(php_ini) != 0 || journal_enrol(&journal) != 0 || pthread_create(&resumer, NULL, resume, NULL) != 0)
        return 1;
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL,
                                                 answer, NULL, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
                                                 MHD_OPTION_END);
    if (daemon == NULL)
        return 1;
    (void)sigwait(&ends, &signal_number);
    __atomic_store_n(&leaving, 1, __ATOMIC_RELEASE);
    MHD_quiesce_daemon(daemon);
    (void)outlive_engine_drain(engine, DRAIN_MILLISECONDS); /* what it stops is handed back: another worker has it done */
    (void)pthread_join(resumer, NULL);
    MHD_stop_daemon(daemon);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    PQfinish(journal.keeper);
    return 0;
}

/* ---- the master ---- */

static pid_t start(const char *php_ini, int listener)
{
    pid_t child;
    while ((child = fork()) < 0) { /* never a number for kill(): -1 is everybody */
        perror("durable: fork");
        (void)poll(NULL, 0, 1000);
    }
    if (child == 0)
        _exit(worker(php_ini, listener));
    return child;
}

/* Until it is told to end: a worker that died, however it did, is replaced. What it had accepted is in the journal, and another takes it up.
 * Signals wait until they are asked for, so that none comes between two looks. */
static void look_after(pid_t *children, int count, const sigset_t *signals, const char *php_ini, int listener)
{
    int number;
    pid_t dead;
    while (sigwait(signals, &number) == 0 && number == SIGCHLD)
        while ((dead = waitpid(-1, NULL, WNOHANG)) > 0)
            for (int at = 0; at < count; at++)
                if (children[at] == dead) {
                    (void)poll(NULL, 0, 20);
                    children[at] = start(php_ini, listener);
                }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0 ||
        fcntl(listener, F_SETFL, O_NONBLOCK) != 0 || /* several workers wait for it */
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return -1;
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    pid_t children[MOST_WORKERS];
    int count = argc == 5 ? atoi(argv[4]) : 0, listener;
    if (count < 1 || count > MOST_WORKERS) {
        fprintf(stderr, "usage: %s transaction|keyed|naive|plain PHP_INI DATABASE WORKERS\n", argv[0]);
        return 2;
    }
    static const char *const manners[] = {[MANNER_TRANSACTION] = "transaction", [MANNER_KEYED] = "keyed", [MANNER_NAIVE] = "naive", [MANNER_PLAIN] = "plain"};
    while (manner < MANNER_PLAIN && strcmp(argv[1], manners[manner]) != 0)
        manner++;
    journal.database = argv[3];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    listener = listen_on_loopback();
    if (listener < 0) {
        perror("durable");
        return 1;
    }
    for (int at = 0; at < count; at++)
        children[at] = start(argv[2], listener);
    look_after(children, count, &signals, argv[2], listener);
    for (int at = 0; at < count; at++)
        (void)kill(children[at], SIGTERM);
    while (wait(NULL) > 0) {
    }
    return 0;
}
