/* Reading requests, writing to sockets: the smallest HTTP/1.1 that browsers are happy with. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *http_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 303: return "See Other";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

int http_send(int socket, const void *buf, size_t len)
{
    const char *bytes = buf;
    while (len > 0) {
        /* MSG_NOSIGNAL: a client that has gone is a result, not a signal that ends the process. */
        ssize_t sent = send(socket, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1; /* gone; or SO_SNDTIMEO has run out, which is as good as gone */
        bytes += sent;
        len -= (size_t)sent;
    }
    return 0;
}

int http_send_head(int socket, int status, const char *type)
{
    char head[512];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                          "X-Content-Type-Options: nosniff\r\nConnection: close\r\n%s\r\n",
                          status, http_reason(status), type, status == 405 ? "Allow: GET, POST\r\n" : "");
    return http_send(socket, head, (size_t)length);
}

/* Waits until the socket is readable. 1: it is; 0: time is up; -1: the server stops. */
static int wait_readable(int socket, int stop, double until)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = socket, .events = POLLIN}, {.fd = stop, .events = POLLIN}};
        double left = until - seconds_now();
        if (left <= 0)
            return 0;
        int ready = poll(fds, 2, (int)(left * 1000) + 1);
        if (ready < 0 && errno != EINTR)
            return -1;
        if (ready <= 0)
            continue;
        if (fds[1].revents != 0)
            return -1;
        return 1;
    }
}

/* Cuts the next line off *text; NULL: there is none left. Lines end in CR LF, and hold neither. */
static char *next_line(char **text)
{
    char *line = *text;
    char *end = strstr(line, "\r\n");
    if (end == NULL || end == line)
        return NULL;
    *end = '\0';
    *text = end + 2;
    return line;
}

static int is_token(const char *text)
{
    return text[0] != '\0' &&
           text[strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static int parse_request_line(struct http_request *http, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target == NULL ? NULL : strchr(target + 1, ' ');
    if (version == NULL)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (!is_token(line) || target[0] != '/')
        return 400;
    for (const char *at = target; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return 400;
    if (strncmp(version, "HTTP/", 5) != 0)
        return 400;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return 505;
    http->method = line;
    http->path = target;
    char *query = strchr(target, '?');
    if (query != NULL)
        *query++ = '\0';
    http->query = query == NULL ? "" : query;
    return 0;
}

/* The value of a cookie, NUL-terminated; empty: it is not there. `name` ends in =. */
static const char *find_cookie(char *cookies, const char *name)
{
    for (char *one = cookies; *one != '\0'; one += strspn(one, "; ")) {
        size_t length = strcspn(one, ";");
        if (strncmp(one, name, strlen(name)) == 0) {
            one[length] = '\0';
            return one + strlen(name);
        }
        one += length;
    }
    return "";
}

static int parse_header(struct http_request *http, char *line, int *lengths)
{
    char *value = strchr(line, ':');
    if (value == NULL)
        return 400;
    *value++ = '\0';
    if (!is_token(line)) /* also a folded line, which begins with a space */
        return 400;
    value += strspn(value, " \t");
    if (strcasecmp(line, "Cookie") == 0)
        http->cookie = find_cookie(value, "lang=");
    if (strcasecmp(line, "Accept-Language") == 0) {
        http->languages = value;
        return 0;
    }
    value[strcspn(value, " \t")] = '\0'; /* what else counts here has no spaces inside */
    if (strcasecmp(line, "Host") == 0)
        http->host = value;
    if (strcasecmp(line, "Transfer-Encoding") == 0)
        return 501;
    if (strcasecmp(line, "Content-Length") == 0) {
        size_t digits = strspn(value, "0123456789");
        if ((*lengths)++ > 0 || digits == 0 || value[digits] != '\0')
            return 400;
        if (digits > 9)
            return 413;
        http->content_length = (size_t)strtoul(value, NULL, 10);
    }
    return 0;
}

/* `end` is where the empty line begins. */
static int parse_head(struct http_request *http, char *end)
{
    size_t length = (size_t)(end - http->head) + 4;
    int status, lengths = 0;
    if (memchr(http->head, '\0', length) != NULL)
        return 400;

    /* What came behind the head is the beginning of the body. */
    http->body_used = http->head_used - length;
    if (http->body_used > BODY_SIZE)
        return 413;
    memcpy(http->body, http->head + length, http->body_used);
    end[2] = '\0';

    char *rest = http->head;
    char *line = next_line(&rest);
    if (line == NULL || (status = parse_request_line(http, line)) != 0)
        return line == NULL ? 400 : status;
    while ((line = next_line(&rest)) != NULL)
        if ((status = parse_header(http, line, &lengths)) != 0)
            return status;
    if (http->content_length > BODY_SIZE)
        return 413;
    if (http->body_used > http->content_length)
        http->body_used = http->content_length;
    return 0;
}

int http_read_head(struct http_request *http, int socket, int stop)
{
    double until = seconds_now() + READ_SECONDS;
    memset(http, 0, sizeof *http);
    http->socket = socket;
    http->method = http->path = http->query = http->host = http->languages = http->cookie = "";
    for (;;) {
        if (http->head_used == HEAD_SIZE)
            return 431;
        switch (wait_readable(socket, stop, until)) {
        case 0: return http->head_used == 0 ? -1 : 408;
        case -1: return http->head_used == 0 ? -1 : 503;
        }
        ssize_t got = recv(socket, http->head + http->head_used, HEAD_SIZE - http->head_used, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        /* A head that comes byte by byte is not searched from its beginning each time. */
        size_t from = http->head_used < 3 ? 0 : http->head_used - 3;
        http->head_used += (size_t)got;
        http->head[http->head_used] = '\0';
        for (char *at = http->head + from; at + 4 <= http->head + http->head_used; at++)
            if (memcmp(at, "\r\n\r\n", 4) == 0)
                return parse_head(http, at);
    }
}

int http_read_body(struct http_request *http, outlive_request *request)
{
    double until = seconds_now() + READ_SECONDS;
    while (http->body_used < http->content_length) {
        struct pollfd fd = {.fd = http->socket, .events = POLLIN};
        /* A safe point ten times a second: max_input_time counts here, and the server may be told to stop. */
        if (outlive_request_check(request) != OUTLIVE_OK)
            return -1;
        if (seconds_now() >= until)
            return 408;
        int ready = poll(&fd, 1, 100);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t got =
            ready < 0 ? -1 : recv(http->socket, http->body + http->body_used, http->content_length - http->body_used, 0);
        if (got <= 0) {
            /* Half a form is no form: this request ends here, also where an abort would be ignored. */
            (void)outlive_request_client_gone(request);
            (void)outlive_request_exit(request, OUTLIVE_ENDING_ABORTED);
            return -1;
        }
        http->body_used += (size_t)got;
    }
    http->body[http->body_used] = '\0';
    return 0;
}

static int hex(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit);
    return at == NULL ? -1 : (int)((at - digits) % 16);
}

/* Length of the UTF-8 character at text; 0: it is none. Control characters are none either. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const struct { unsigned char from, to; size_t length; unsigned char least, most; } forms[] = {
        {0x20, 0x7e, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
        {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
        {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (text[0] < forms[i].from || text[0] > forms[i].to)
            continue;
        if (forms[i].length > left || (forms[i].length > 1 && (text[1] < forms[i].least || text[1] > forms[i].most)))
            return 0;
        for (size_t more = 2; more < forms[i].length; more++)
            if ((text[more] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

/* Replaces what is not UTF-8, so that pages and JSON made of it are valid. */
static void clean(char *text, size_t length)
{
    size_t from = 0, to = 0;
    while (from < length) {
        size_t size = utf8_length((const unsigned char *)text + from, length - from);
        if (size == 0) {
            text[to++] = '?';
            from++;
            continue;
        }
        memmove(text + to, text + from, size);
        to += size;
        from += size;
    }
    text[to] = '\0';
}

static int find_field(const char *at, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    while (*at != '\0') {
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            size_t used = 0;
            for (at += length + 1; *at != '\0' && *at != '&' && used + 1 < size; at++) {
                int high = *at == '%' ? hex(at[1]) : -1;
                int low = high < 0 ? -1 : hex(at[2]);
                if (low >= 0)
                    at += 2;
                value[used++] = low >= 0 ? (char)(high * 16 + low) : *at == '+' ? ' ' : *at;
            }
            clean(value, used);
            return 1;
        }
        at += strcspn(at, "&");
        at += *at == '&';
    }
    return 0;
}

int http_field(const struct http_request *http, const char *name, char *value, size_t size)
{
    return find_field(http->body, name, value, size) || find_field(http->query, name, value, size);
}
