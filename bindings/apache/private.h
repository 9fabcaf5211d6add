/*
 * What the files of mod_outlive share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   directives.c  what the configuration says: the directives, and what of them is not acted on
 *   containers.c  the values of sections: merging them, and the settings that they make
 *   child.c       the configuration of the server, the engine of a child
 *   job.c         one request: beginning, waking, ending, telling why
 *   file.c        files that nobody has to look after
 *   output.c      the filter in front of all others: what becomes of output
 *   backend.c     waiting for an HTTP server
 *   fcgi_abort.c  ending the wait for a FastCGI, SCGI, uwsgi or AJP server; balancers
 *   interrupter.c the thread that does it, and asks scripts to end
 *   script.c      ending CGI scripts that say nothing
 *   php.c         what mod_php is told
 *   settings.c    the handler outlive-settings
 *   status.c      the handler outlive-status, and the section in mod_status's page
 *   mod_outlive.c the module: hooks, optional functions
 *
 * A name says which thread may call it:
 *
 *   ol_main_…        the main thread of a process, while httpd starts, or a child begins or ends
 *   ol_req_…         the thread that handles the request, with httpd's own rules for a request_rec
 *   ol_interrupter_… the interrupter's thread
 *   ol_any_…         every thread
 */
#ifndef MOD_OUTLIVE_PRIVATE_H
#define MOD_OUTLIVE_PRIVATE_H

#include "mod_outlive.h"

#include <apr_pools.h>
#include <apr_thread_mutex.h>
#include <http_config.h>
#include <http_log.h>
#include <pthread.h>
#include <util_filter.h>

extern module AP_MODULE_DECLARE_DATA outlive_module __attribute__((visibility("default")));
APLOG_USE_MODULE(outlive);

/* ---- child.c -------------------------------------------------------------------------------------------------------- */

/** What a process has once: httpd reads one configuration, and each child serves with one engine. */
typedef struct ol_process {
    const char *php_ini_dir;      /* PHPINIDir */
    const char *scoreboard;       /* OutliveScoreboard */
    const outlive_config *config; /* php.ini; made in the parent */
    const outlive_settings *root; /* in force where no section says anything */
    unsigned root_flags;          /* about it */
    int wanted;                   /* a line says OutliveEngine On, or OutliveHandlers On; else nothing here does anything */
    outlive_engine *engine;       /* the child's own */
    apr_pool_t *pool;             /* the child's; used with the mutex held */
    apr_thread_mutex_t *mutex;
    apr_array_header_t *sections; /* of ol_section: what the configuration has said so far */
    int dying;                    /* the child was told to end, and its pools go, perhaps within a signal handler while a request runs; atomic */
    int serving;                  /* this is a child: containers made from now on belong to requests */
    int beside_php;               /* mod_php is loaded */
    struct ol_counters *counters; /* of all children; NULL: no memory */
    int board;                    /* a scoreboard of memory alone; 0: there is none, or it is a file */
} ol_process;

/** What all children share beside the scoreboard. */
typedef struct ol_counters {
    int out_of_reach; /* a script was: that is said once */
} ol_counters;

extern ol_process the_process;

int ol_main_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server);
void ol_main_test_config(apr_pool_t *pconf, server_rec *server);
int ol_main_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
void ol_main_child_init(apr_pool_t *pchild, server_rec *server);

/* ---- containers.c --------------------------------------------------------------------------------------------------- */

/** The values of one section, or of several merged: httpd's per-directory configuration of this module. */
typedef struct ol_container {
    outlive_dir_config *values;       /* NULL: none */
    int engine;                       /* OutliveEngine: 1, 0; -1: not said, which is Off */
    int handlers;                     /* OutliveHandlers: likewise */
    int lasting;                      /* it lives as long as the configuration, not as a request */
    const outlive_settings *settings; /* what they make, once it was asked; atomic */
    unsigned flags;                   /* about them; valid once there are settings; atomic */
    struct ol_merged *merged;         /* what was merged on top of it before; atomic */
} ol_container;

void *ol_any_container_create(apr_pool_t *pool, char *path);
void *ol_any_container_merge(apr_pool_t *pool, void *base, void *add);
/** The settings in force for a request; they live as long as it. NULL: they could not be made, which is logged. */
const outlive_settings *ol_req_settings(request_rec *r);
/** What a request asks its settings each time, looked up once. */
#define FLAG_WATCHES 1u          /* outlive.detect is watch */
#define FLAG_LIMITED 2u          /* somebody wrote max_execution_time: PHP's built-in 30 seconds are for PHP */
#define FLAG_LOCKS_DISCONNECT 4u /* an admin's word; looked up beside mod_php alone */
unsigned ol_any_flags_of(const outlive_settings *settings);
/** Those of a request. To be asked after ol_req_settings has answered. */
unsigned ol_req_flags(const request_rec *r);
int ol_req_engine_is_on(const request_rec *r);
/** Whether the server's configuration lets this module's own handlers answer here. */
int ol_req_handlers_are_on(const request_rec *r);

/* ---- directives.c --------------------------------------------------------------------------------------------------- */

extern const command_rec ol_directives[];

/** A line that set a value, for what is said about it once the whole configuration is known. */
typedef struct ol_section {
    const char *directive, *name, *file;
    unsigned line;
    const ol_container *container;
} ol_section;

/** Names every line that is not acted on, and every value that is refused. */
void ol_main_name_unused(server_rec *server);
/** Names the first line that sets a value for nothing, since no line says OutliveEngine On. Beside mod_php they are PHP's. */
void ol_main_name_idle(server_rec *server);

/* ---- job.c ---------------------------------------------------------------------------------------------------------- */

/** One request in the engine. */
typedef struct ol_job {
    request_rec *r;
    conn_rec *connection;      /* the real one; the handler of a stream of HTTP/2 may see another */
    outlive_request *request;  /* NULL: ended */
    const uint32_t *flag_word; /* its flag word */
    pthread_mutex_t lock;      /* for the next three, which the engine's thread looks at, too */
    int inside;                /* the handler runs */
    int due;                   /* a stop is due, said the engine's thread */
    int wake;                  /* an eventfd, once the handler waits for something; -1 */
    pid_t thread;              /* that runs a CGI script; with its mark, as it was at the beginning */
    const char *mark;          /* what its environment says: NAME=VALUE; NULL: no script */
    int by_daemon;             /* mod_cgid may have started it */
    struct ol_job *next;       /* of those in interrupter.c's list, whose lock this and the next two have */
    int listed;
    int tries, asked; /* asked: what it waits for was told to end */
    apr_time_t next_try, pause;
    int patience;                 /* seconds until a script that does not end is killed: hard_timeout; 0 or less: never */
    struct ol_binding *binding;   /* to the connection to a FastCGI server, for which the handler may wait; NULL: none */
    unsigned flags;               /* about its settings */
    int socket;                   /* a copy of the connection's, which several requests share (HTTP/2); -1 */
    int sent;                     /* output was passed on */
    int discarding;               /* output goes nowhere, and the handler is told that all is well */
    int stopped;                  /* the handler was told to stop */
    int feigned;                  /* it is told that its client has gone, and may not say what that reads like; atomic */
    const struct ap_logconf *log; /* the request's own, meanwhile */
    conn_rec *told;               /* the connection that says so; NULL: it said so before */
    int failed;                   /* the status of an error in the middle of its output; 0: none */
    apr_bucket_brigade *passing;
} ol_job;

extern ap_filter_rec_t *ol_output_filter;

/** In the place of a job while the handler runs of a request that has none, and may yet begin. */
extern ol_job ol_no_job;

/** The job of a request, of the request that it is part of, or of the one that was redirected to it; NULL: none. */
ol_job *ol_req_job(const request_rec *r);
/** The request's job, begun if it has none. NULL: none here. */
ol_job *ol_req_begin(request_rec *r);
/** Whether any request of this child has begun, and not ended. */
int ol_any_jobs(void);
/** The caller does something for a request of this child (1), or has done it (-1). */
void ol_any_count_live(int more);
/** Counts an end. */
/** The handler runs, from now on. */
void ol_req_enter(ol_job *job);
/** The handler has returned. What to return in its place. */
int ol_req_finish(ol_job *job, int status);
/** The response's, by what the handler has returned. */
int ol_req_status(const request_rec *r, int status);
/** Runs the handler of the request. */
int ol_req_handle(request_rec *r);
/** A safe point. */
int ol_req_check(ol_job *job);
/** The client has gone: 0: go on, quietly; otherwise what to tell the handler, which is to end. */
apr_status_t ol_req_lost(ol_job *job);
/** The handler is to end. Always an error. */
apr_status_t ol_req_stop(ol_job *job);
/**
 * To a handler, a stop is a client that went: that is nobody's fault, and no member of a balancer suffers for it. Until it has returned, its error
 * lines, which read like a failure, are not written: one line of ours is. From any thread, before what the handler waits for is ended.
 */
void ol_any_feign(ol_job *job);
/** httpd has seen the client go. */
static inline int ol_any_is_aborted(const ol_job *job) { return job->connection->aborted && !__atomic_load_n(&job->feigned, __ATOMIC_ACQUIRE); }
/**
 * Waits until the descriptor (-1: none) can be read, a stop is due, or the time has passed. 1: it can be read. 0: look around.
 * Negative: the time has passed.
 */
int ol_req_wait(ol_job *job, int descriptor, apr_interval_time_t time);

/* ---- file.c --------------------------------------------------------------------------------------------------------- */

void ol_main_look_at_handlers(server_rec *server);
/** Whether httpd's own default handler will send a file, or find none, and has to wait for nothing before. */
int ol_req_is_plain_file(const request_rec *r);
/** Runs the handler of such a request. */
int ol_req_handle_file(request_rec *r);
/** What it has put out is a whole, short file that no filter delays. */
int ol_req_goes_at_once(const ap_filter_t *filter, const apr_bucket_brigade *brigade);

/* ---- output.c, backend.c, fcgi_abort.c, script.c, interrupter.c, php.c, settings.c, status.c ---- */

apr_status_t ol_req_output(ap_filter_t *filter, apr_bucket_brigade *brigade);

void ol_main_register_backend(void);

void ol_main_register_fcgi_abort(void);
/** mod_proxy may be loaded or not, so its hook is not linked: asked for once all modules are loaded, before hooks are sorted again. */
void ol_main_hook_proxy(void);
/** Ends the wait for a server. 0: it is being connected to, try again. */
int ol_interrupter_abort_backend(ol_job *job);
/** The response is complete: the connection may be another request's from now on. */
void ol_req_unbind(ol_job *job);
/** The handler has returned. */
void ol_req_leave_backend(ol_job *job);

/** Whether mod_php runs it. */
int ol_req_is_php(const request_rec *r);
/** Tells mod_php what outlive.disconnect says, in its own words. */
void ol_req_tell_php(request_rec *r);

/** Marks a CGI script that the handler will start, so that it can be found. */
void ol_req_mark_script(ol_job *job, const outlive_settings *settings);
/** A round begins: what was seen of scripts is looked at anew. */
void ol_interrupter_look_anew(void);
/** Asks the script to end, or kills it. 0: there is none yet, try again. Negative: likewise, and it may be one that runs as somebody else. */
int ol_interrupter_end_script(ol_job *job, int kill);

/** A stop is due while the handler runs: what it waits for is ended, now or once it is there. From any thread. */
void ol_any_interrupt(ol_job *job);
/** The handler has returned; nobody adds the job any more. */
void ol_req_uninterrupt(ol_job *job);
/** The child ends. */
void ol_main_close_interrupter(void);

int ol_req_answer_settings(request_rec *r);
/** `file:line` of what put a directive in force; "the built-in default" where nothing did. */
const char *ol_any_origin_of(apr_pool_t *pool, const outlive_settings *settings, const char *name);
/** Whether somebody wrote it: a file, the environment, the server's configuration. */
int ol_any_is_said(const outlive_settings *settings, const char *name);
/** As a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD. */
const char *ol_any_json(apr_pool_t *pool, const char *text, size_t len);

/** As text of HTML; control bytes and what is no UTF-8 as \xNN. */
const char *ol_any_html(apr_pool_t *pool, const char *text);

int ol_req_answer_status(request_rec *r);
int ol_req_status_section(request_rec *r, int flags);

#endif
