/* An HTTP server that keeps output as mod_php's does: up to 8,000 bytes, and what exceeds them goes out with them (C-022); a
 * flush sends the header if nothing has yet (C-028), and nothing where nothing waits (C-027). Facts: ../README.md. */
#include "server.h"

#include "serving.h"
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEPT = 8000 };

typedef struct response {
    visit visit;
    int head, headers_sent, aborted;
    const char *status;
    int has_no_body;
    size_t pending;
    char kept[KEPT];
} response;

/* The header where it is due, what is kept, and `len` bytes more. */
static int send_down(response *self, const void *bytes, size_t len) {
    char header[128];
    const int made = snprintf(header, sizeof header, "HTTP/1.1 %s\r\nContent-Type: text/html; charset=UTF-8\r\nConnection: close\r\n\r\n", self->status);
    const size_t head = self->headers_sent ? 0 : (size_t)made;
    char *whole = malloc(head + self->pending + len + 1);
    int result;
    if (whole == NULL) {
        abort();
    }
    /* In one piece: how many writes there are decides when a closed client is noticed. */
    memcpy(whole, header, head);
    memcpy(whole + head, self->kept, self->pending);
    if (len > 0) {
        memcpy(whole + head + self->pending, bytes, len);
    }
    result = send_all(self->visit.fd, whole, head + self->pending + len);
    free(whole);
    self->headers_sent = 1;
    self->pending = 0;
    self->aborted |= result != 0;
    return result;
}

static int take(void *userdata, const void *bytes, size_t len) {
    response *self = userdata;
    if (self->aborted) {
        return -1;
    }
    if (self->has_no_body) {
        return 0;
    }
    if (self->pending + len > KEPT) {
        return send_down(self, bytes, len);
    }
    memcpy(self->kept + self->pending, bytes, len);
    self->pending += len;
    return 0;
}

static int push(void *userdata) {
    response *self = userdata;
    if (self->aborted) {
        return -1;
    }
    /* A header that no body may follow goes out at the end only (C-040, C-041). */
    if (self->head || self->has_no_body || (self->headers_sent && self->pending == 0)) {
        return 0;
    }
    return send_down(self, NULL, 0);
}

static void code(void *userdata, int status) {
    response *self = userdata;
    self->has_no_body = status == 204 || status == 304;
    self->status = status == 204 ? "204 No Content" : status == 304 ? "304 Not Modified" : "200 OK";
}

static void finish(void *userdata) {
    (void)userdata;
}

static void end_response(response *self) {
    if (!self->aborted && (!self->headers_sent || self->pending > 0)) {
        send_down(self, NULL, 0);
    }
    shutdown(self->visit.fd, SHUT_WR);
}

/* The body, as far as it comes (C-044): how much. `there` bytes of it have been read. */
static size_t read_body(int fd, const char *header, size_t there) {
    const char *length = strstr(header, "Content-Length: ");
    const size_t declared = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    char bytes[8192];
    while (there < declared) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got <= 0) {
            break;
        }
        there += (size_t)got;
    }
    return there;
}

/* "GET /i0/play.php?/path/of/scenario HTTP/1.1", and what follows; 0 where it is none. */
static int read_request(int fd, char *text, size_t size, char **method, char **uri, size_t *received) {
    size_t len = 0;
    char *rest, *end = NULL;
    while (len < size - 1) {
        ssize_t got = recv(fd, text + len, size - 1 - len, 0);
        if (got <= 0) {
            return 0;
        }
        len += (size_t)got;
        text[len] = 0;
        end = strstr(text, "\r\n\r\n");
        if (end != NULL) {
            break;
        }
    }
    if (end == NULL) {
        return 0;
    }
    *received = read_body(fd, text, len - (size_t)(end + 4 - text));
    *method = strtok_r(text, " ", &rest);
    *uri = strtok_r(NULL, " ", &rest);
    return *uri != NULL && strchr(*uri, '?') != NULL;
}

static void serve(outlive_engine *engine, const outlive_config *config, int fd) {
    char request[4096], *method, *uri;
    layer below = {0};
    response self = {0};
    outlive_target target = OUTLIVE_TARGET_INIT;
    const outlive_settings *settings = NULL;
    outlive_error error;
    if (!read_request(fd, request, sizeof request, &method, &uri, &below.received)) {
        return;
    }
    target.server_name = "localhost";
    target.uri = uri;
    target.method = method;
    if (outlive_config_resolve(config, &target, &settings, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s: %s\n", uri, error.message);
        return;
    }
    self.visit.fd = fd;
    self.head = strcmp(method, "HEAD") == 0;
    below.write = take;
    below.flush = push;
    below.finish = finish;
    below.code = code;
    self.status = "200 OK";
    visit_play(engine, settings, strchr(uri, '?') + 1, &self.visit, &below);
    end_response(&self);
    outlive_settings_free(settings);
}

int serve_http(const char *php_ini, const char *httpd_conf) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config;
    outlive_engine *engine = NULL;
    outlive_error error;
    int listener, fd;
    outlive_config_builder_set_sapi(builder, "apache2handler", OUTLIVE_NTS, &error);
    if (outlive_config_builder_load_php_ini(builder, php_ini, OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_load_httpd_conf(builder, httpd_conf, OUTLIVE_NTS, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s: %s\n", error.file, error.message);
        return 1;
    }
    config = build(builder);
    if (config == NULL || outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        return 1;
    }
    listener = listen_on_loopback("http");
    while (listener >= 0 && next_client(&listener, 1, &fd) >= 0) {
        serve(engine, config, fd);
        close(fd);
    }
    outlive_engine_free(engine);
    outlive_config_free(config);
    return 0;
}
