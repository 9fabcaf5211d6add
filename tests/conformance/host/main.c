/* outlive as a host of scenarios: a driver for the conformance suite (see ../README.md), in C99 over outlive.h.
 *
 *   host cgi|fcgi [JOBS [wall]]     scenarios on stdin, logs on stdout; what lies below php-cgi is imitated
 *   host apache2handler PHP_INI HTTPD_CONF          an HTTP server, configured by httpd's own file
 *   host fpm PHP_INI FPM_CONF POOL...               a FastCGI server, configured by FPM's own file
 *
 * A server listens on free ports of 127.0.0.1, says "NAME PORT" for each, and ends when its stdin does.
 */
#include "replay.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    const char *sapi = count > 1 ? arguments[1] : "";
    if (strcmp(sapi, "cgi") == 0 || strcmp(sapi, "fcgi") == 0) {
        return replay(sapi, count > 2 ? atoi(arguments[2]) : 1, count > 3 && strcmp(arguments[3], "wall") == 0);
    }
    if (strcmp(sapi, "apache2handler") == 0 && count == 4) {
        return serve_http(arguments[2], arguments[3]);
    }
    if (strcmp(sapi, "fpm") == 0 && count > 4) {
        return serve_fastcgi(arguments[2], arguments[3], arguments + 4, count - 4);
    }
    fprintf(stderr, "usage: host cgi|fcgi [JOBS [wall]] | apache2handler PHP_INI HTTPD_CONF | fpm PHP_INI FPM_CONF POOL...\n");
    return 2;
}
