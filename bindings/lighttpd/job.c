/*
 * One request: begins when lighttpd knows its path and method, ends when lighttpd has finished it. The engine puts requests that have to stop into
 * a queue, and the event loop waits on the queue's descriptor.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "response.h"

#include <stdio.h>
#include <stdlib.h>

ol_job *ol_job_of(const ol_plugin *p, const request_st *r) { return r->plugin_ctx[p->id]; }

/* ---- settings ---------------------------------------------------------------------------------------------------------- */

static int set(outlive_config_builder *builder, const char *name, const char *value, outlive_error *error) {
    return outlive_config_builder_set(builder, name, OUTLIVE_NTS, value, OUTLIVE_NTS, error) == OUTLIVE_OK;
}

static int set_number(outlive_config_builder *builder, const char *name, int value, outlive_error *error) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return set(builder, name, text, error);
}

/** Translates the options into directives of the library. Without outlive.disconnect, this module does not watch the client. */
static int set_all(outlive_config_builder *builder, const ol_plugin *p, const ol_options *options, outlive_error *error) {
    const char *const cap = p->scoreboard != NULL ? "outlive.max_detached_total" : "outlive.max_detached";
    return set(builder, "outlive.disconnect", options->disconnect == NULL ? "finish" : options->disconnect, error) &&
           set(builder, "outlive.clock", "wall", error) && set_number(builder, "max_execution_time", options->time_limit, error) &&
           set_number(builder, cap, options->max_detached, error) &&
           set_number(builder, "outlive.max_detached_time", options->max_detached_time, error);
}

static const outlive_settings *make(const ol_plugin *p, const ol_options *options) {
    outlive_error error = {0};
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (!set_all(builder, p, options, &error) || outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK)
        log_error(p->srv->errh, __FILE__, __LINE__, "outlive: no settings: %s", error.message);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return settings;
}

static int is_same(const ol_options *left, const ol_options *right) {
    return left->disconnect == right->disconnect && left->time_limit == right->time_limit && left->max_detached == right->max_detached &&
           left->max_detached_time == right->max_detached_time && left->half_close_is_open == right->half_close_is_open;
}

/** Finds or makes the settings for these options; there are as many as lighttpd.conf has combinations of sections. NULL: there is no memory. */
static const ol_policy *policy_of(ol_plugin *p, const ol_options *options) {
    for (const ol_policy *known = p->policies; known != NULL; known = known->next)
        if (is_same(&known->of, options)) return known;
    ol_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) return NULL;
    *policy = (ol_policy){*options, make(p, options), p->policies};
    p->policies = policy;
    return policy;
}

/* ---- stops ------------------------------------------------------------------------------------------------------------- */

static void tell(const ol_job *job, const char *what) {
    const request_st *r = job->r;
    log_error(r->conf.errh, __FILE__, __LINE__, "outlive: %s: %s", r->target_orig.ptr, what);
}

/** Logs that a cap has stopped a request, and the caps that hold for it: the library does not say which. */
static void tell_cap(const ol_job *job) {
    const ol_options *of = &job->policy->of;
    char number[48] = "", seconds[48] = "", text[160];
    if (of->max_detached > 0) snprintf(number, sizeof number, "outlive.max-detached = %d", of->max_detached);
    if (of->max_detached_time > 0) snprintf(seconds, sizeof seconds, "outlive.max-detached-time = %d", of->max_detached_time);
    snprintf(text, sizeof text, "the client has gone; stopped by a cap: %s%s%s", number, *number != '\0' && *seconds != '\0' ? " or " : "", seconds);
    tell(job, text);
}

/** Logs what stopped a request: an option, or whoever cancelled it. */
static void tell_stop(const ol_job *job) {
    const ol_options *of = &job->policy->of;
    const int ending = outlive_request_ending(job->request);
    char text[96];
    if (ending == OUTLIVE_ENDING_TIME_LIMIT) snprintf(text, sizeof text, "stopped, as outlive.time-limit = %d says", of->time_limit);
    else if (ending != OUTLIVE_ENDING_ABORTED) /* it was cancelled, or lighttpd ends */
        snprintf(text, sizeof text, "stopped: %s", outlive_ending_name(ending).ptr);
    else if (outlive_request_ignore_user_abort(job->request, -1) == 1) {
        tell_cap(job);
        return;
    } else snprintf(text, sizeof text, "the client has gone; stopped, as outlive.disconnect = \"%s\" says", of->disconnect);
    tell(job, text);
}

/**
 * A request has to stop, and its client is connected: sends 504, or ends a response that has begun so that the client can tell that it is
 * incomplete. Closes the connection to the backend without counting the backend as failed; a CGI script gets SIGTERM, as without this module.
 * Returns 0 if there is nothing to end: no handler, a complete response, or a tunnel.
 */
static int fail(request_st *r) {
    const plugin *handler = r->handler_module;
    const int is_tunnel = r->reqbody_length < -1 || r->h2_connect_ext;
    if (handler == NULL || handler->handle_request_reset == NULL || r->resp_body_finished || is_tunnel) return 0;
    if (r->state < CON_STATE_RESPONSE_START) {
        handler->handle_request_reset(r, handler->data);
        http_response_reset(r); /* the part that lighttpd has gathered would look complete */
        r->http_status = 504;
    } else {
        http_response_backend_error(r);
        handler->handle_request_reset(r, handler->data);
    }
    joblist_append(r->con);
    return 1;
}

static void stop(ol_job *job) {
    if (job->stopped || outlive_request_check(job->request) != OUTLIVE_STOP) return;
    if (!job->gone && !fail(job->r)) return;
    job->stopped = 1;
    tell_stop(job);
    if (job->gone) ol_wire_hang_up(job->r);
}

/** The engine's descriptor is readable. The same thread takes the stops and ends the requests, so each job in the queue still exists. */
static handler_t stops_are_due(void *data, int revents) {
    ol_plugin *p = data;
    outlive_stop due = OUTLIVE_STOP_INIT;
    (void)revents;
    while (outlive_engine_next_stop(p->engine, 0, &due) == OUTLIVE_OK)
        if (due.kind != OUTLIVE_STOP_DRAINED) stop(due.userdata);
    return HANDLER_GO_ON;
}

int ol_job_client_gone(ol_job *job) {
    if (job->stopped) return 0;
    const int first = !job->gone;
    job->gone = 1;
    if (first) outlive_request_client_gone(job->request);
    if (outlive_request_check(job->request) != OUTLIVE_STOP) return 1;
    job->stopped = 1;
    tell_stop(job);
    return 0;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------- */

static const char *method_of(const request_st *r) {
    switch (r->http_method) {
    case HTTP_METHOD_GET: return "GET";
    case HTTP_METHOD_HEAD: return "HEAD";
    case HTTP_METHOD_POST: return "POST";
    case HTTP_METHOD_PUT: return "PUT";
    case HTTP_METHOD_DELETE: return "DELETE";
    case HTTP_METHOD_OPTIONS: return "OPTIONS";
    case HTTP_METHOD_TRACE: return "TRACE";
    case HTTP_METHOD_PATCH: return "PATCH";
    default: return NULL;
    }
}

/** NULL: there is no memory. */
static ol_job *take_spare(ol_plugin *p) {
    ol_job *job = p->spare;
    if (job == NULL) return malloc(sizeof *job);
    p->spare = job->after;
    return job;
}

static void put_back(ol_plugin *p, ol_job *job) {
    job->after = p->spare;
    p->spare = job;
}

void ol_job_begin(ol_plugin *p, request_st *r) {
    if (ol_job_of(p, r) != NULL) return; /* lighttpd calls the hook again for the same request */
    const ol_policy *policy = policy_of(p, &p->options);
    ol_job *job = policy == NULL || policy->settings == NULL ? NULL : take_spare(p);
    if (job == NULL) return;
    *job = (ol_job){.r = r, .policy = policy};
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_error error; /* it is large: it is set only if the call fails */
    options.label = r->uri.path.ptr;
    options.method = method_of(r);
    options.userdata = job;
    if (outlive_request_begin(p->engine, policy->settings, &options, &job->request, &error) != OUTLIVE_OK) {
        log_error(r->conf.errh, __FILE__, __LINE__, "outlive: this request runs without outlive: %s", error.message);
        put_back(p, job);
        return;
    }
    job->after = p->jobs;
    if (p->jobs != NULL) p->jobs->before = job;
    p->jobs = job;
    r->plugin_ctx[p->id] = job;
}

static void take_out(ol_plugin *p, ol_job *job) {
    if (job->before != NULL) job->before->after = job->after;
    else p->jobs = job->after;
    if (job->after != NULL) job->after->before = job->before;
}

/** Ends the engine's request and releases the job. */
static void end(ol_plugin *p, ol_job *job) {
    outlive_error error; /* set only if the call fails */
    if (outlive_request_end(job->request, &error) != OUTLIVE_OK) log_error(p->srv->errh, __FILE__, __LINE__, "outlive: %s", error.message);
    take_out(p, job);
    put_back(p, job);
}

void ol_job_end(ol_plugin *p, ol_job *job) {
    request_st *r = job->r;
    r->plugin_ctx[p->id] = NULL;
    const int broken = r->state == CON_STATE_ERROR;
    if (!job->stopped) {
        /* lighttpd ends the request itself: its stream of HTTP/2 was reset, or its connection broke, before the request was submitted completely. */
        if (broken && r->http_status < 500 && !job->gone) outlive_request_client_gone(job->request);
        if (broken && r->http_status < 500) outlive_request_exit(job->request, OUTLIVE_ENDING_ABORTED);
        else if (r->http_status >= 500) outlive_request_exit(job->request, OUTLIVE_ENDING_HOST_ERROR);
    }
    if (job->gone && !job->stopped) {
        char text[96];
        snprintf(text, sizeof text, "the client has gone; worked on to the end, as outlive.disconnect = \"%s\" says", job->policy->of.disconnect);
        tell(job, broken ? "the client has gone; lighttpd ended the request" : text);
    }
    end(p, job);
}

/* ---- the engine -------------------------------------------------------------------------------------------------------- */

int ol_engine_open(ol_plugin *p) {
    outlive_error error = {0};
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    options.scoreboard = p->scoreboard;
    options.stop_queues = 1;
    int result = outlive_engine_new(&options, &p->engine, &error);
    if (result != OUTLIVE_OK && p->scoreboard != NULL) {
        log_error(p->srv->errh, __FILE__, __LINE__, "outlive.scoreboard = \"%s\": there is none: %s", p->scoreboard, error.message);
        options.scoreboard = p->scoreboard = NULL;
        result = outlive_engine_new(&options, &p->engine, &error);
    }
    if (result != OUTLIVE_OK) {
        log_error(p->srv->errh, __FILE__, __LINE__, "outlive: no engine: %s", error.message);
        return 0;
    }
    p->stops = fdevent_register(p->srv->ev, outlive_engine_stop_fd(p->engine, 0), stops_are_due, p);
    fdevent_fdnode_event_set(p->srv->ev, p->stops, FDEVENT_IN);
    return 1;
}

void ol_engine_close(ol_plugin *p) {
    while (p->jobs != NULL) {
        outlive_request_exit(p->jobs->request, OUTLIVE_ENDING_SHUTDOWN);
        end(p, p->jobs);
    }
    if (p->stops != NULL) {
        fdevent_fdnode_event_del(p->srv->ev, p->stops);
        fdevent_unregister(p->srv->ev, p->stops);
    }
    outlive_engine_free(p->engine);
    p->engine = NULL;
    for (ol_policy *policy = p->policies, *next; policy != NULL; policy = next) {
        next = policy->next;
        outlive_settings_free(policy->settings);
        free(policy);
    }
    p->policies = NULL;
    for (ol_job *job = p->spare, *next; job != NULL; job = next) {
        next = job->after;
        free(job);
    }
    p->spare = NULL;
}
