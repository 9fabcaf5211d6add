/*
 * One request: begins before its handler, ends after it. The engine watches its client and its time limits meanwhile.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static int live; /* requests of this child that have begun, and not ended */

ol_job ol_no_job;

/** The flag word of an ended request: the engine's own word may belong to another request by now. */
static const uint32_t nothing_waits;

static ol_job *place_of(const request_rec *r) { return ap_get_module_config(r->request_config, &outlive_module); }

ol_job *ol_req_job(const request_rec *r) {
    while (r->main != NULL) r = r->main;
    ol_job *job = place_of(r);
    return job == &ol_no_job ? NULL : job;
}

/** From the engine's thread: a stop is due. */
static void on_stop(void *data, int ending) {
    (void)ending;
    ol_job *job = data;
    if (__atomic_load_n(&the_process.dying, __ATOMIC_ACQUIRE)) return;
    pthread_mutex_lock(&job->lock);
    job->due = 1;
    if (job->wake >= 0) eventfd_write(job->wake, 1);
    if (job->inside) ol_any_interrupt(job);
    pthread_mutex_unlock(&job->lock);
}

static int socket_of(ol_job *job) {
    if (!(job->flags & FLAG_WATCHES)) return -1;
    conn_rec *connection = job->connection;
    apr_socket_t *socket = ap_get_conn_socket(connection->master != NULL ? connection->master : connection);
    apr_os_sock_t descriptor = -1;
    if (socket == NULL || apr_os_sock_get(&descriptor, socket) != APR_SUCCESS) return -1;
    if (connection->master == NULL) return descriptor;
    /* The engine tells watched sockets apart by their numbers, and all requests of an HTTP/2 connection share one. */
    return job->socket = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

static apr_status_t end_late(void *data);

static ol_job *begin(request_rec *r, const outlive_settings *settings) {
    ol_job *job = apr_pcalloc(r->pool, sizeof *job);
    job->r = r;
    const ol_job *before = r->prev == NULL ? NULL : ol_req_job(r->prev);
    job->connection = before == NULL ? r->connection : before->connection;
    job->wake = job->socket = -1;
    job->flags = ol_req_flags(r);
    job->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* nothing to make, and nothing to destroy */
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.label = r->uri;
    options.method = r->method;
    options.socket = socket_of(job);
    options.on_stop = on_stop;
    options.on_forced = on_stop;
    options.userdata = job;
    outlive_error error;
    if (outlive_request_begin(the_process.engine, settings, &options, &job->request, &error) != OUTLIVE_OK) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "outlive: this request runs without outlive: %s", error.message);
        if (job->socket >= 0) close(job->socket);
        return NULL;
    }
    if (!(job->flags & FLAG_LIMITED)) outlive_request_set_time_limit(job->request, 0);
    job->flag_word = outlive_request_flags(job->request);
    ol_any_count_live(1);
    ol_req_mark_script(job, settings);
    ap_set_module_config(r->request_config, &outlive_module, job);
    apr_pool_pre_cleanup_register(r->pool, job, end_late);
    return job;
}

static void end(ol_job *job);

ol_job *ol_req_begin(request_rec *r) {
    while (r->main != NULL) r = r->main;
    ol_job *job = ol_req_job(r);
    if (job != NULL) return job->request == NULL ? NULL : job;
    if (!ol_req_engine_is_on(r)) return NULL;
    /* An internal redirect takes the request over, with the settings of where it leads. */
    ol_job *before = r->prev == NULL ? NULL : ol_req_job(r->prev);
    if (before != NULL && before->request != NULL && !before->stopped) end(before);
    const outlive_settings *settings = ol_req_settings(r);
    const int runs = place_of(r) == &ol_no_job;
    job = settings == NULL ? NULL : begin(r, settings);
    if (job != NULL && runs) ol_req_enter(job);
    return job;
}

int ol_req_check(ol_job *job) { return OUTLIVE_CHECK(job->request, job->flag_word); }

void ol_any_feign(ol_job *job) {
    static const struct ap_logconf quiet = {NULL, APLOG_CRIT};
    if (__atomic_exchange_n(&job->feigned, 1, __ATOMIC_ACQ_REL)) return;
    request_rec *r = job->r;
    job->log = r->log;
    r->log = &quiet;
    job->told = r->connection->aborted ? NULL : r->connection;
    if (job->told != NULL) job->told->aborted = 1;
}

/** The handler has returned. */
static void unfeign(ol_job *job) {
    if (!__atomic_exchange_n(&job->feigned, 0, __ATOMIC_ACQ_REL)) return;
    job->r->log = job->log;
    if (job->told != NULL) job->told->aborted = 0;
}

apr_status_t ol_req_stop(ol_job *job) {
    job->stopped = 1;
    ol_any_feign(job);
    return APR_ECONNABORTED;
}

apr_status_t ol_req_lost(ol_job *job) {
    outlive_request_client_gone(job->request);
    if (ol_req_check(job) == OUTLIVE_STOP) return ol_req_stop(job);
    job->discarding = 1;
    /* Handlers look at this by themselves, and would end. It is put back when they have returned. */
    job->connection->aborted = 0;
    return APR_SUCCESS;
}

/* ---- waiting --------------------------------------------------------------------------------------------------------- */

/** Eventfds that no job needs now: making one for each request that waits would cost as much as the waiting. */
#define MOST_SPARE 256
static int spare[MOST_SPARE], spares;

static int take_wake(int due) {
    apr_thread_mutex_lock(the_process.mutex);
    int wake = spares > 0 ? spare[--spares] : -1;
    apr_thread_mutex_unlock(the_process.mutex);
    if (wake < 0) return eventfd(due ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (due) eventfd_write(wake, 1);
    return wake;
}

static void give_wake(int wake, int used) {
    eventfd_t count;
    if (used) eventfd_read(wake, &count);
    apr_thread_mutex_lock(the_process.mutex);
    const int full = spares == MOST_SPARE;
    if (!full) spare[spares++] = wake;
    apr_thread_mutex_unlock(the_process.mutex);
    if (full) close(wake);
}

int ol_req_wait(ol_job *job, int descriptor, apr_interval_time_t time) {
    pthread_mutex_lock(&job->lock);
    if (job->wake < 0) job->wake = take_wake(job->due);
    pthread_mutex_unlock(&job->lock);
    struct pollfd what[2] = {{job->wake, POLLIN, 0}, {descriptor, POLLIN, 0}};
    /* A stream of HTTP/2 is reset by another thread, which has no way to tell. */
    const apr_interval_time_t slice = apr_time_from_msec(50);
    int sliced = job->connection->master != NULL && (job->flags & FLAG_WATCHES) && (time < 0 || time > slice);
    if (sliced) time = slice;
    struct timespec left = {(time_t)apr_time_sec(time), (long)apr_time_usec(time) * 1000};
    int ready = ppoll(what, 2, time < 0 ? NULL : &left, NULL);
    if (what[0].revents != 0) {
        eventfd_t count;
        eventfd_read(job->wake, &count);
    }
    if (ready > 0 && what[1].revents != 0) return 1;
    return ready == 0 && !sliced ? -1 : 0;
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

/** The caps that hold for a request, each with its line: one of them has stopped it. */
static const char *caps_of(apr_pool_t *pool, const outlive_settings *settings) {
    static const char *const names[] = {"outlive.max_detached_total", "outlive.max_detached", "outlive.max_detached_time"};
    const char *all = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        outlive_str value = {"", 0};
        outlive_settings_get(settings, names[i], OUTLIVE_NTS, &value);
        if (atol(value.ptr) <= 0) continue;
        const char *from = ol_any_origin_of(pool, settings, names[i]);
        all = apr_psprintf(pool, "%s%s%s = %s (from %s)", all, *all ? " or " : "", names[i], value.ptr, from);
    }
    return all;
}

/** `capped`: it was to work on without its client, and was stopped all the same. */
static void tell(ol_job *job, const outlive_settings *settings, int ending, int gone, int capped) {
    request_rec *r = job->r;
    const char *name = outlive_ending_name(ending).ptr;
    apr_table_setn(r->notes, "outlive-ending", name);
    if (ending == OUTLIVE_ENDING_TIME_LIMIT || ending == OUTLIVE_ENDING_FORCED) {
        outlive_str limit = {"", 0}, clock = {"", 0};
        outlive_settings_get(settings, "max_execution_time", OUTLIVE_NTS, &limit);
        outlive_settings_get(settings, "outlive.clock", OUTLIVE_NTS, &clock);
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "outlive: %s: max_execution_time = %s (%s clock), from %s", name, limit.ptr, clock.ptr,
                      ol_any_origin_of(r->pool, settings, "max_execution_time"));
    } else if (capped) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "outlive: the client has gone; stopped by a cap: %s", caps_of(r->pool, settings));
    } else if (gone && ending != OUTLIVE_ENDING_HOST_ERROR && APLOG_R_IS_LEVEL(r, APLOG_INFO)) {
        outlive_str disconnect = {"php", 3};
        outlive_settings_get(settings, "outlive.disconnect", OUTLIVE_NTS, &disconnect);
        const char *who = strcmp(disconnect.ptr, "php") == 0 ? "ignore_user_abort" : "outlive.disconnect";
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "outlive: the client has gone; %s, as %s says (from %s)",
                      job->stopped ? "stopped" : "worked on to the end", who, ol_any_origin_of(r->pool, settings, who));
    } else if (ending == OUTLIVE_ENDING_SHUTDOWN) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, "outlive: stopped: the child ends");
    } else if (ending == OUTLIVE_ENDING_HOST_ERROR) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "outlive: host error: the handler ended with status %d", job->failed);
    }
}

void ol_any_count_live(int more) { __atomic_add_fetch(&live, more, __ATOMIC_RELEASE); }

int ol_any_jobs(void) { return __atomic_load_n(&live, __ATOMIC_ACQUIRE) > 0; }

static void end(ol_job *job) {
    request_rec *r = job->r;
    ol_req_leave_backend(job);
    pthread_mutex_lock(&job->lock);
    job->inside = 0;
    const int wake = job->wake, due = job->due;
    job->wake = -1;
    pthread_mutex_unlock(&job->lock);
    if (due) ol_req_uninterrupt(job);
    if (wake >= 0) give_wake(wake, due);
    unfeign(job);
    if (job->failed >= 500 && !job->stopped) outlive_request_exit(job->request, OUTLIVE_ENDING_HOST_ERROR);
    int gone = outlive_request_is_gone(job->request) > 0;
    int ending = job->stopped || job->failed >= 500 ? outlive_request_ending(job->request) : OUTLIVE_ENDING_NONE;
    if (ending == OUTLIVE_ENDING_NONE) ending = OUTLIVE_ENDING_COMPLETED;
    const int capped = gone && ending == OUTLIVE_ENDING_ABORTED && outlive_request_ignore_user_abort(job->request, -1) == 1;
    outlive_error error;
    if (outlive_request_end(job->request, &error) != OUTLIVE_OK) ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "outlive: %s", error.message);
    job->request = NULL;
    job->flag_word = &nothing_waits;
    if (job->socket >= 0) close(job->socket);
    if (gone || ending != OUTLIVE_ENDING_COMPLETED) {
        const outlive_settings *settings = ol_req_settings(r);
        if (settings != NULL) tell(job, settings, ending, gone, capped);
    }
    if (job->discarding || (gone && job->stopped)) {
        job->connection->aborted = 1; /* as httpd would have it */
        job->connection->keepalive = AP_CONN_CLOSE;
    }
    ol_any_count_live(-1);
}

/**
 * A request whose handler did not return to us. Where that is since the child was told to end, this may be a signal handler: nothing is run,
 * and what the request has begun stays in the scoreboard, as never ended.
 */
static apr_status_t end_late(void *data) {
    ol_job *job = data;
    if (__atomic_load_n(&the_process.dying, __ATOMIC_ACQUIRE)) return APR_SUCCESS;
    if (job->request != NULL) end(job);
    return APR_SUCCESS;
}

/** The client is there, but its response ends here: without the mark of a complete one, if it has begun. */
static int cut_short(ol_job *job) {
    request_rec *r = job->r;
    r->connection->keepalive = AP_CONN_CLOSE;
    if (!job->sent) return r->proxyreq != PROXYREQ_NONE ? HTTP_GATEWAY_TIME_OUT : HTTP_INTERNAL_SERVER_ERROR;
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, alloc));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(alloc));
    ap_pass_brigade(r->output_filters, brigade);
    return DONE;
}

/**
 * A stream of HTTP/2 is reset by another thread, at any moment; handlers that look at r->connection->aborted by themselves, between two outputs,
 * would end. Where that is to be ignored, they look at a copy.
 */
static int handle(ol_job *job) {
    request_rec *r = job->r;
    conn_rec *connection = r->connection;
    if (connection->master == NULL || outlive_request_ignore_user_abort(job->request, -1) != 1) return ap_run_handler(r);
    conn_rec *copy = apr_pmemdup(r->pool, connection, sizeof *copy);
    copy->aborted = 0;
    r->connection = copy;
    const int status = ap_run_handler(r);
    r->connection = connection;
    connection->keepalive = copy->keepalive;
    return status;
}

int ol_req_status(const request_rec *r, int status) { return status == DECLINED ? HTTP_INTERNAL_SERVER_ERROR : status > 0 ? status : r->status; }

int ol_req_finish(ol_job *job, int status) {
    if (job->request == NULL || status == SUSPENDED) return status;
    /* A handler may have failed because its time was up, without writing anything. */
    const int ended_for = __atomic_load_n(&job->feigned, __ATOMIC_ACQUIRE) || (status != OK && status != DONE);
    if (!job->stopped && ended_for && ol_req_check(job) == OUTLIVE_STOP) ol_req_stop(job);
    if (job->failed == 0) job->failed = ol_req_status(job->r, status);
    end(job);
    if (!job->stopped) return status;
    return job->connection->aborted ? DONE : cut_short(job);
}

void ol_req_enter(ol_job *job) {
    pthread_mutex_lock(&job->lock);
    job->inside = 1;
    const int due = job->due;
    pthread_mutex_unlock(&job->lock);
    /* When the engine's thread reported it, it was too early for that. */
    if (due && ol_req_check(job) == OUTLIVE_STOP) ol_any_interrupt(job);
}

int ol_req_handle(request_rec *r) {
    if (r->main != NULL || place_of(r) == &ol_no_job || !ol_req_engine_is_on(r)) return DECLINED;
    ol_job *job = ol_req_job(r);
    if (job != NULL && job->inside) return DECLINED; /* called from below */
    if (job == NULL && ol_req_is_plain_file(r)) return ol_req_handle_file(r);
    if (r->handler != NULL && (strcmp(r->handler, "outlive-status") == 0 || strcmp(r->handler, "outlive-metrics") == 0) && ol_req_handlers_are_on(r))
        return DECLINED; /* who looks at what is in flight is not in flight */
    if (ol_req_is_php(r)) {
        ol_req_tell_php(r);
        return DECLINED;
    }
    job = ol_req_begin(r);
    if (job == NULL) return DECLINED;
    ap_add_output_filter_handle(ol_output_filter, job, r, r->connection);
    ol_req_enter(job);
    return ol_req_finish(job, handle(job));
}
