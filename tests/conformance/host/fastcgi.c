/* A FastCGI server that keeps output as PHP-FPM does: in records of 8,184 bytes, written when one is full (C-021), header
 * included; a flush always writes, if only nothing (C-027). Facts: ../README.md. */
#include "server.h"

#include "serving.h"
#include "settings.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, HEADER = 8, RECORD = 8184, LARGEST = 65528 };

typedef struct response {
    visit visit;
    int headers_sent, closed;
    size_t pending;
    /* The record that is being filled, room for its header in front. */
    unsigned char record[HEADER + RECORD];
} response;

typedef struct params {
    char method[16];
    char query[1024];
    size_t received;
} params;

static void put_header(unsigned char *at, int type, size_t len) {
    const unsigned char header[HEADER] = {1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len, 0, 0};
    memcpy(at, header, sizeof header);
}

/* Writes the record as it stands; nothing, too. */
static int write_record(response *self) {
    const size_t len = self->pending == 0 ? 0 : HEADER + self->pending;
    put_header(self->record, STDOUT, self->pending);
    self->pending = 0;
    if (self->closed || send_all(self->visit.fd, self->record, len) != 0) {
        self->closed = 1;
        return -1;
    }
    return 0;
}

/* More than two records' worth goes out by itself, behind what is pending, but for what is no multiple of eight. */
static int write_large(response *self, const unsigned char *bytes, size_t len) {
    const size_t kept = len % 8;
    if (self->pending > 0 && write_record(self) != 0) {
        return -1;
    }
    while (len > kept) {
        unsigned char header[HEADER];
        const size_t piece = len - kept > LARGEST ? LARGEST : len - kept;
        put_header(header, STDOUT, piece);
        if (send_all(self->visit.fd, header, HEADER) != 0 || send_all(self->visit.fd, bytes, piece) != 0) {
            self->closed = 1;
            return -1;
        }
        bytes += piece;
        len -= piece;
    }
    memcpy(self->record + HEADER, bytes, kept);
    self->pending = kept;
    return 0;
}

static int keep(response *self, const void *bytes, size_t len) {
    const unsigned char *at = bytes;
    const size_t room = RECORD - self->pending;
    if (len >= room + RECORD) {
        return write_large(self, at, len);
    }
    if (len >= room) {
        memcpy(self->record + HEADER + self->pending, at, room);
        self->pending = RECORD;
        if (write_record(self) != 0) {
            return -1;
        }
        at += room;
        len -= room;
    }
    memcpy(self->record + HEADER + self->pending, at, len);
    self->pending += len;
    return 0;
}

/* The response header goes the same way, just before the first byte of the body. */
static int keep_header(response *self) {
    static const char header[] = "X-Powered-By: PHP/8.2.36\r\nContent-type: text/html; charset=UTF-8\r\n\r\n";
    if (self->headers_sent) {
        return 0;
    }
    self->headers_sent = 1;
    return keep(self, header, sizeof header - 1);
}

static int take(void *userdata, const void *bytes, size_t len) {
    response *self = userdata;
    return keep_header(self) != 0 || keep(self, bytes, len) != 0 ? -1 : 0;
}

static int push(void *userdata) {
    return write_record(userdata);
}

/* The end of the response; the web server closes then, which is waited for (C-191). */
static void finish(void *userdata) {
    response *self = userdata;
    unsigned char end[3 * HEADER] = {0}, rest[512];
    if (self->closed) {
        return;
    }
    if (keep_header(self) == 0 && write_record(self) == 0) {
        put_header(end, STDOUT, 0);
        put_header(end + HEADER, END, HEADER);
        send_all(self->visit.fd, end, sizeof end);
    }
    shutdown(self->visit.fd, SHUT_WR);
    while (recv(self->visit.fd, rest, sizeof rest, 0) > 0) {
    }
    self->closed = 1;
}

static int read_all(int fd, void *into, size_t len) {
    return len == 0 || recv(fd, into, len, MSG_WAITALL) == (ssize_t)len;
}

static size_t name_len(const unsigned char **at) {
    const unsigned char *byte = *at;
    if (byte[0] < 128) {
        *at += 1;
        return byte[0];
    }
    *at += 4;
    return (size_t)(byte[0] & 127) << 24 | (size_t)byte[1] << 16 | (size_t)byte[2] << 8 | byte[3];
}

static void read_params(const unsigned char *at, const unsigned char *end, params *out) {
    while (end - at >= 8) {
        const size_t name = name_len(&at), value = name_len(&at);
        if (name + value > (size_t)(end - at)) {
            return;
        }
        if (name == 12 && memcmp(at, "QUERY_STRING", name) == 0) {
            snprintf(out->query, sizeof out->query, "%.*s", (int)value, (const char *)at + name);
        } else if (name == 14 && memcmp(at, "REQUEST_METHOD", name) == 0) {
            snprintf(out->method, sizeof out->method, "%.*s", (int)value, (const char *)at + name);
        }
        at += name + value;
    }
}

/* A request up to the end of its STDIN, or as far as it comes (C-044); its parameters in one record, as the suite's client sends them. */
static int read_request(int fd, params *out) {
    unsigned char header[HEADER], body[65536 + 256];
    for (;;) {
        size_t len, padding;
        if (!read_all(fd, header, HEADER)) {
            return out->query[0] != 0;
        }
        len = (size_t)header[4] << 8 | header[5];
        padding = header[6];
        if (!read_all(fd, body, len + padding)) {
            return 0;
        }
        if (header[1] == PARAMS && len > 0) {
            memset(body + len, 0, 8);
            read_params(body, body + len, out);
        } else if (header[1] == STDIN && len == 0) {
            return out->query[0] != 0;
        } else if (header[1] == STDIN) {
            out->received += len;
        }
    }
}

static void serve(outlive_engine *engine, const outlive_settings *settings, int fd) {
    params asked = {0};
    layer below = {0};
    response self = {0};
    if (!read_request(fd, &asked)) {
        return;
    }
    self.visit.fd = fd;
    below.write = take;
    below.flush = push;
    below.finish = finish;
    below.received = asked.received;
    visit_play(engine, settings, asked.query, &self.visit, &below);
    finish(&self);
}

/* What holds for a pool. Output after an early finish is what FPM makes of it (C-192, C-193). */
static const outlive_settings *settings_of_pool(const char *php_ini, const char *fpm_conf, const char *pool) {
    outlive_config_builder *builder = outlive_config_builder_new();
    const outlive_settings *settings = NULL;
    outlive_config *config;
    outlive_error error;
    outlive_config_builder_set_sapi(builder, "fpm-fcgi", OUTLIVE_NTS, &error);
    outlive_config_builder_set(builder, "outlive.after_finish", OUTLIVE_NTS, "abort", OUTLIVE_NTS, &error);
    if (outlive_config_builder_load_php_ini(builder, php_ini, OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_load_fpm_pool(builder, fpm_conf, OUTLIVE_NTS, pool, OUTLIVE_NTS, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s: %s\n", error.file, error.message);
        return NULL;
    }
    config = build(builder);
    if (config != NULL && outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s: %s\n", pool, error.message);
    }
    outlive_config_free(config);
    return settings;
}

int serve_fastcgi(const char *php_ini, const char *fpm_conf, char **pools, int pool_count) {
    const outlive_settings *settings[64];
    int listeners[64], which, fd, ready = pool_count <= 64;
    outlive_engine *engine = NULL;
    outlive_error error;
    for (int i = 0; ready && i < pool_count; i++) {
        settings[i] = settings_of_pool(php_ini, fpm_conf, pools[i]);
        listeners[i] = settings[i] == NULL ? -1 : listen_on_loopback(pools[i]);
        ready = listeners[i] >= 0;
    }
    if (!ready || outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        return 1;
    }
    while ((which = next_client(listeners, pool_count, &fd)) >= 0) {
        serve(engine, settings[which], fd);
        close(fd);
    }
    outlive_engine_free(engine);
    for (int i = 0; i < pool_count; i++) {
        outlive_settings_free(settings[i]);
    }
    return 0;
}
