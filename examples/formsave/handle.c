/* One HTTP request becomes one outlive request. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* What httpd.conf calls the place of our files. Our URLs are programs, not files: nothing needs to be there. */
#define ROOT "/srv/formsave"

void reply_begin(struct exchange *exchange, int status, const char *type)
{
    exchange->status = status;
    exchange->type = type;
}

int reply_bytes(struct exchange *exchange, const char *bytes, size_t length)
{
    return outlive_request_write(exchange->request, bytes, length);
}

int reply_text(struct exchange *exchange, const char *text)
{
    return reply_bytes(exchange, text, strlen(text));
}

int reply_format(struct exchange *exchange, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return OUTLIVE_ERROR_TOO_LARGE;
    return reply_bytes(exchange, text, (size_t)length);
}

int reply_html(struct exchange *exchange, const char *text)
{
    int result = OUTLIVE_OK;
    while (*text != '\0' && result == OUTLIVE_OK) {
        size_t plain = strcspn(text, "&<>\"'");
        if (plain > 0)
            result = reply_bytes(exchange, text, plain);
        text += plain;
        if (*text != '\0' && result == OUTLIVE_OK)
            result = reply_format(exchange, "&#%d;", *text++);
    }
    return result;
}

int reply_json(struct exchange *exchange, const char *text, size_t length)
{
    char out[1024];
    size_t used = 0;
    int result = OUTLIVE_OK;
    for (size_t i = 0; i < length && result == OUTLIVE_OK; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == '"' || byte == '\\')
            used += (size_t)snprintf(out + used, sizeof out - used, "\\u%04x", byte);
        else
            out[used++] = (char)byte;
        if (used > sizeof out - 8 || i + 1 == length) {
            result = reply_bytes(exchange, out, used);
            used = 0;
        }
    }
    return result;
}

int reply_error(struct exchange *exchange, int status)
{
    reply_begin(exchange, status, "text/plain; charset=utf-8");
    return reply_format(exchange, "%d %s\n", status, http_reason(status));
}

/* ---- what outlive calls ---- */

/* The server's own head is no output of the program; it goes before the first byte of that, as in PHP. */
static int send_head(struct exchange *exchange)
{
    if (exchange->head_sent)
        return 0;
    exchange->head_sent = 1;
    return http_send_head(exchange->http->socket, exchange->status, exchange->type);
}

static int write_to_client(void *userdata, const void *buf, size_t len)
{
    struct exchange *exchange = userdata;
    return send_head(exchange) != 0 || http_send(exchange->http->socket, buf, len) != 0;
}

int is_forced(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->server->mutex);
    int forced = exchange->forced;
    pthread_mutex_unlock(&exchange->server->mutex);
    return forced;
}

/* From the engine's thread: the request was told to stop, and does not come to a safe point, or is in a hold. Ends what
 * it is doing in SQLite; what is around that looks at is_forced. One step for both: who sees the flag is past the interrupt,
 * so that it never hits the shutdown functions instead. */
static void force(void *userdata, int ending)
{
    struct exchange *exchange = userdata;
    pthread_mutex_lock(&exchange->server->mutex);
    exchange->forced = 1;
    if (exchange->db != NULL)
        sqlite3_interrupt(exchange->db);
    pthread_mutex_unlock(&exchange->server->mutex);
    fprintf(stderr, "formsave: %s %s is forced to end: %s\n", exchange->http->method, exchange->http->path,
            ending_name(ending));
}

static int count_ending(outlive_request *request, int ending, void *userdata)
{
    struct server *server = userdata;
    (void)request;
    pthread_mutex_lock(&server->mutex);
    if (ending >= 0 && ending <= OUTLIVE_ENDING_HANDED_BACK)
        server->endings[ending]++;
    pthread_mutex_unlock(&server->mutex);
    return OUTLIVE_OK;
}

/* ---- which function answers ---- */

static const struct route {
    const char *path; /* with a slash at its end: everything below it */
    const char *methods;
    int needs_db;
    int (*answer)(struct exchange *exchange);
} routes[] = {
    {"/save/", " GET POST ", 1, save_form},    {"/saved.json", " GET HEAD ", 1, page_saved},
    {"/live.json", " GET HEAD ", 0, page_live}, {"/metrics", " GET HEAD ", 0, page_metrics},
    {"/lock", " POST ", 0, page_lock},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        size_t length = strlen(routes[i].path);
        int below = routes[i].path[length - 1] == '/';
        if (below ? strncmp(path, routes[i].path, length) == 0 && path[length] != '\0' : strcmp(path, routes[i].path) == 0)
            return &routes[i];
    }
    return NULL;
}

static int answer(struct exchange *exchange, const struct route *route)
{
    const char *method = exchange->http->method;
    char word[32];
    snprintf(word, sizeof word, " %.20s ", method);
    if (route != NULL)
        return strstr(route->methods, word) != NULL ? route->answer(exchange) : reply_error(exchange, 405);
    if (strstr(" GET HEAD ", word) == NULL)
        return reply_error(exchange, 405);
    return page_show(exchange);
}

/* Only paths that cannot be spelled in two ways: what routes them and what httpd.conf says of them must agree. */
static int is_plain(const char *path)
{
    return path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] == '\0' &&
           strstr(path, "//") == NULL && strstr(path, "/.") == NULL && strlen(path) < 256;
}

static int resolve(struct server *server, const struct http_request *http, const outlive_settings **settings)
{
    outlive_target target = OUTLIVE_TARGET_INIT;
    outlive_error error;
    char uri[HEAD_SIZE + 2], file[sizeof ROOT + 256];
    snprintf(uri, sizeof uri, "%s%s%s", http->path, http->query[0] == '\0' ? "" : "?", http->query);
    snprintf(file, sizeof file, ROOT "%s", http->path);
    target.server_name = http->host[0] == '\0' ? NULL : http->host;
    target.server_address = "127.0.0.1";
    target.port = server->port;
    target.method = http->method;
    target.uri = uri;
    target.filename = file;
    target.document_root = ROOT;
    int result = outlive_config_resolve(server->config, &target, settings, &error);
    if (result == OUTLIVE_OK)
        return 0;
    if (result == OUTLIVE_ERROR_NOT_SERVED)
        return 404;
    fprintf(stderr, "formsave: no settings for %s: %s\n", http->path, error.message);
    return 500;
}

/* Runs the request from begin to end. 0, or the status to answer with when it could not begin. */
static int run(struct exchange *exchange, const struct route *route)
{
    struct http_request *http = exchange->http;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error;
    options.label = http->path;
    options.method = http->method;
    options.socket = http->socket; /* watched only where outlive.detect = watch */
    options.reading_input = exchange->resumed == NULL;
    options.resumed = exchange->resumed != NULL;
    options.write = write_to_client;
    options.on_forced = force;
    options.userdata = exchange;
    int result = outlive_request_begin(exchange->server->engine, exchange->settings, &options, &exchange->request, &error);
    if (result != OUTLIVE_OK) {
        if (result != OUTLIVE_ERROR_DRAINING)
            fprintf(stderr, "formsave: %s: %s\n", http->path, error.message);
        return 503;
    }
    result = outlive_request_register_shutdown_function(exchange->request, count_ending, exchange->server, NULL);
    if (result != OUTLIVE_OK)
        fprintf(stderr, "formsave: %s is not counted: %s\n", http->path, outlive_result_text(result).ptr);

    int status = exchange->resumed != NULL ? 0 : http_read_body(http, exchange->request);
    if (status > 0)
        (void)reply_error(exchange, status);
    if (status == 0 && (exchange->resumed != NULL || outlive_request_run(exchange->request) == OUTLIVE_OK))
        (void)answer(exchange, route); /* OUTLIVE_STOP needs nothing more: end knows why it stopped */
    int gone = outlive_request_is_gone(exchange->request) != 0;
    result = outlive_request_end(exchange->request, &error);
    if (result != OUTLIVE_OK)
        fprintf(stderr, "formsave: %s does not end: %s\n", http->path, error.message);
    if (!gone && exchange->resumed == NULL)
        (void)send_head(exchange); /* nothing was written: HEAD, or stopped before the first output */
    return 0;
}

static int serve(struct server *server, struct http_request *http, const struct journal_row *resumed)
{
    struct exchange exchange = {.server = server, .http = http, .status = 500, .type = "text/plain", .resumed = resumed};
    if (!is_plain(http->path))
        return 404;
    int status = resolve(server, http, &exchange.settings);
    if (status != 0)
        return status;
    const struct route *route = find_route(http->path);
    if (route != NULL && route->needs_db)
        exchange.db = store_connect(&server->store);
    status = route != NULL && route->needs_db && exchange.db == NULL ? 503 : run(&exchange, route);
    sqlite3_close(exchange.db);
    outlive_settings_free(exchange.settings);
    return status;
}

/* Closing with bytes unread resets the connection, and the client may lose the answer: reads on for a moment. */
static void linger(int socket, int stop)
{
    char nowhere[4096];
    double until = seconds_now() + 1;
    struct pollfd fds[2] = {{.fd = socket, .events = POLLIN}, {.fd = stop, .events = POLLIN}};
    if (shutdown(socket, SHUT_WR) != 0)
        return;
    while (seconds_now() < until && poll(fds, 2, 100) >= 0 && fds[1].revents == 0)
        if (fds[0].revents != 0 && recv(socket, nowhere, sizeof nowhere, 0) <= 0)
            return;
}

void handle_connection(struct server *server, int socket)
{
    struct http_request *http = malloc(sizeof *http);
    const struct timeval patience = {.tv_sec = SEND_SECONDS};
    const int on = 1;
    /* Failing here only means a little less speed, or patience without end. */
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int status = http == NULL ? 503 : http_read_head(http, socket, server->stop[0]);
    if (status == 0)
        status = serve(server, http, NULL);
    if (status > 0) {
        char text[64];
        int length = snprintf(text, sizeof text, "%d %s\n", status, http_reason(status));
        if (http_send_head(socket, status, "text/plain") == 0 && http_send(socket, text, (size_t)length) == 0)
            linger(socket, server->stop[0]);
    }
    free(http);
    close(socket);
}

static void resume(void *userdata, const struct journal_row *row)
{
    struct http_request *http = calloc(1, sizeof *http);
    if (http == NULL)
        return;
    http->socket = -1;
    http->method = row->method;
    http->path = row->path;
    http->host = row->host;
    http->query = http->languages = http->cookie = "";
    int status = serve(userdata, http, row);
    if (status != 0)
        fprintf(stderr, "formsave: what was accepted as %lld is not resumed: %d\n", row->id, status);
    free(http);
}

void handle_unfinished(struct server *server)
{
    sqlite3 *db = store_connect(&server->store);
    int result = db == NULL ? SQLITE_NOMEM : store_unfinished(&server->store, db, resume, server);
    if (result != SQLITE_OK)
        fprintf(stderr, "formsave: the journal: %s\n", sqlite3_errstr(result));
    sqlite3_close(db);
}
