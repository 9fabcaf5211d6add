/* Small servers whose lower layer behaves like that of a SAPI: one request at a time, as one worker process has it. */
#ifndef SERVER_H
#define SERVER_H

/* Both: what main returns. They end when stdin does. */
int serve_http(const char *php_ini, const char *httpd_conf);
int serve_fastcgi(const char *php_ini, const char *fpm_conf, char **pools, int pool_count);

#endif
