/*
 * The connection to a FastCGI, SCGI, uwsgi or AJP server, for which mod_proxy_* waits in a place that httpd shows to no module: a stop shuts it
 * down, and the wait ends with an end of file.
 *
 * The module finds out which connection a request got without mod_proxy's help. Under prefork it is the worker's only one. Under
 * threads, the worker's list of connections is wrapped in a list of ours that keeps none: whoever acquires a connection calls borrow()
 * on its own thread. From then on the connection is bound to the request, until it is closed or the response is complete; a socket is
 * never closed while it is being shut down.
 *
 * A stop is no fault of the server: mod_proxy is told that the client has gone (ol_any_feign), and mod_proxy_balancer never sees the status.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_dso.h>
#include <apr_portable.h>
#include <apr_reslist.h>
#include <errno.h>
#include <mod_proxy.h>
#include <stdlib.h>
#include <sys/socket.h>

/** A connection that a request has got. */
struct ol_binding {
    ol_job *job; /* NULL: the request is over */
    const proxy_conn_rec *connection;
    apr_pool_t *pool; /* of its socket */
    int alone;        /* no other thread can have it */
};

/** Of all bindings of a child, and of the sockets behind them. */
static pthread_mutex_t bindings = PTHREAD_MUTEX_INITIALIZER;

/** The job for which this thread is about to acquire a connection; NULL: none. */
static __thread ol_job *current_acquirer;

/* ---- bindings -------------------------------------------------------------------------------------------------------------- */

/** The socket is about to be closed. */
static apr_status_t closing(void *data) {
    if (__atomic_load_n(&the_process.dying, __ATOMIC_ACQUIRE)) return APR_SUCCESS;
    struct ol_binding *binding = data;
    pthread_mutex_lock(&bindings);
    if (binding->job != NULL) binding->job->binding = NULL;
    pthread_mutex_unlock(&bindings);
    free(binding);
    return APR_SUCCESS;
}

static void bind_to(ol_job *job, const proxy_conn_rec *connection, int alone) {
    struct ol_binding *binding = job->binding == NULL ? malloc(sizeof *binding) : NULL;
    if (binding == NULL) return;
    *binding = (struct ol_binding){job, connection, connection->scpool, alone};
    apr_pool_pre_cleanup_register(binding->pool, binding, closing);
    pthread_mutex_lock(&bindings);
    job->binding = binding;
    pthread_mutex_unlock(&bindings);
}

void ol_req_unbind(ol_job *job) {
    pthread_mutex_lock(&bindings);
    struct ol_binding *binding = job->binding;
    job->binding = NULL;
    pthread_mutex_unlock(&bindings);
    if (binding == NULL) return;
    apr_pool_cleanup_kill(binding->pool, binding, closing);
    free(binding);
}

void ol_req_leave_backend(ol_job *job) {
    if (job->r->proxyreq == PROXYREQ_NONE) return;
    if (current_acquirer == job) current_acquirer = NULL;
    if (job->binding == NULL) return;
    if (job->binding->alone) {
        ol_req_unbind(job);
        return;
    }
    /* The connection may belong to another request by now: the binding stays with it and has no effect. */
    pthread_mutex_lock(&bindings);
    if (job->binding != NULL) job->binding->job = NULL;
    job->binding = NULL;
    pthread_mutex_unlock(&bindings);
}

int ol_interrupter_abort_backend(ol_job *job) {
    if (__atomic_load_n(&the_process.dying, __ATOMIC_ACQUIRE)) return 1;
    pthread_mutex_lock(&bindings);
    apr_socket_t *socket = job->binding == NULL ? NULL : __atomic_load_n(&job->binding->connection->sock, __ATOMIC_ACQUIRE);
    const int later = job->binding != NULL && socket == NULL;
    apr_os_sock_t descriptor = -1;
    if (socket != NULL && apr_os_sock_get(&descriptor, socket) == APR_SUCCESS && descriptor >= 0) {
        ol_any_feign(job);
        shutdown(descriptor, SHUT_RDWR);
    }
    pthread_mutex_unlock(&bindings);
    return !later;
}

static int is_due(ol_job *job) {
    pthread_mutex_lock(&job->lock);
    const int due = job->due;
    pthread_mutex_unlock(&job->lock);
    return due && ol_req_check(job) == OUTLIVE_STOP;
}

/* ---- the list in front ----------------------------------------------------------------------------------------------- */

/** A kept connection that its server has closed. mod_proxy would find that out once it is bound, and close it together with the binding: a stop would
 * not reach the connection that it makes then. So it is closed here, as mod_proxy does it. What is left: a server that closes between here and there. */
static void close_dead(proxy_conn_rec *connection) {
    apr_os_sock_t descriptor = -1;
    char byte;
    if (connection->sock == NULL || connection->connection != NULL || apr_os_sock_get(&descriptor, connection->sock) != APR_SUCCESS) return;
    const ssize_t seen = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen > 0 || (seen < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))) return;
    connection->sock = NULL;
    connection->tmp_bb = NULL;
    connection->ssl_hostname = NULL;
    apr_pool_clear(connection->scpool);
}

/** Never blocks: the list in front is as long as the one behind. */
static apr_status_t borrow(void **connection, void *behind, apr_pool_t *pool) {
    (void)pool;
    const apr_status_t status = apr_reslist_acquire(behind, connection);
    if (status == APR_SUCCESS && current_acquirer != NULL) {
        close_dead(*connection);
        bind_to(current_acquirer, *connection, 0);
        /* It has waited for a free one. Failing here would leave the next waiter asleep, because the list wakes one waiter for each
         * connection that comes back. */
        if (is_due(current_acquirer)) ol_any_interrupt(current_acquirer);
    }
    return status;
}

static apr_status_t give_back(void *connection, void *behind, apr_pool_t *pool) {
    (void)pool;
    if (current_acquirer != NULL && current_acquirer->binding != NULL && current_acquirer->binding->connection == connection)
        ol_req_unbind(current_acquirer);
    return apr_reslist_release(behind, connection);
}

static int is_ours(const char *scheme, size_t len) {
    static const char *const schemes[] = {"fcgi", "scgi", "uwsgi", "ajp"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i]) == len && strncasecmp(schemes[i], scheme, len) == 0) return 1;
    return 0;
}

/** Workers of such servers, and the one for servers that only a handler or a rewrite rule names. */
static int may_be_ours(const proxy_worker *worker) {
    return is_ours(worker->s->scheme, strlen(worker->s->scheme)) || (worker->s->status & PROXY_WORKER_GENERIC) || strcmp(worker->s->scheme, "*") == 0;
}

static void interpose_reslist(proxy_worker *worker, apr_array_header_t *done) {
    if (worker == NULL || worker->s == NULL || worker->cp == NULL || worker->cp->res == NULL || worker->s->hmax <= 0 || !may_be_ours(worker)) return;
    for (int i = 0; i < done->nelts; i++)
        if (APR_ARRAY_IDX(done, i, apr_reslist_t *) == worker->cp->res) return; /* workers are copied from server to server */
    apr_reslist_t *front;
    /* A connection that is given back goes to the wrapped list when the next one is acquired: after a microsecond it is too old to stay
     * here. With 0 it would stay for a waiter, without a call of borrow(). Therefore the ttl of the wrapped list does not apply to the
     * connection used last. */
    if (apr_reslist_create(&front, 0, 0, worker->s->hmax, 1, borrow, give_back, worker->cp->res, worker->cp->pool) != APR_SUCCESS) return;
    if (worker->s->acquire_set) apr_reslist_timeout_set(front, worker->s->acquire);
    worker->cp->res = front;
    APR_ARRAY_PUSH(done, apr_reslist_t *) = front;
}

/** One of mod_proxy's functions, which may be loaded or not. */
static apr_dso_handle_sym_t of_proxy(const char *name) {
    const module *proxy = ap_find_linked_module("mod_proxy.c");
    apr_dso_handle_sym_t symbol = NULL;
    if (proxy == NULL || proxy->dynamic_load_handle == NULL) return NULL;
    return apr_dso_sym(&symbol, proxy->dynamic_load_handle, name) == APR_SUCCESS ? symbol : NULL;
}

typedef apr_status_t initialize_worker(proxy_worker *, server_rec *, apr_pool_t *);

/** mod_proxy_balancer makes the lists of its members late in all children but the first: make them now in the same way. */
static void interpose_members(const proxy_balancer *balancer, server_rec *server, apr_pool_t *pchild, apr_array_header_t *done) {
    initialize_worker *initialize = (initialize_worker *)of_proxy("ap_proxy_initialize_worker");
    for (int i = 0; balancer->workers != NULL && i < balancer->workers->nelts; i++) {
        proxy_worker *worker = APR_ARRAY_IDX(balancer->workers, i, proxy_worker *);
        if (worker == NULL || worker->s == NULL || !may_be_ours(worker)) continue;
        if (worker->cp == NULL && initialize != NULL) initialize(worker, server, pchild);
        interpose_reslist(worker, done);
    }
}

/** In each child, before it serves; mod_proxy has made its lists. */
static void interpose_all(apr_pool_t *pchild, server_rec *server) {
    const module *proxy = ap_find_linked_module("mod_proxy.c");
    if (proxy == NULL || the_process.engine == NULL) return;
    apr_array_header_t *done = apr_array_make(pchild, 8, sizeof(apr_reslist_t *));
    for (; server != NULL; server = server->next) {
        const proxy_server_conf *conf = ap_get_module_config(server->module_config, proxy);
        if (conf == NULL) continue;
        for (int i = 0; i < conf->workers->nelts; i++)
            interpose_reslist((proxy_worker *)(void *)(conf->workers->elts + (size_t)i * (size_t)conf->workers->elt_size), done);
        for (int i = 0; i < conf->balancers->nelts; i++) {
            const proxy_balancer *balancer = (const void *)(conf->balancers->elts + (size_t)i * (size_t)conf->balancers->elt_size);
            interpose_members(balancer, server, pchild, done);
        }
        interpose_reslist(conf->reverse, done);
    }
}

/* ---- hooks ------------------------------------------------------------------------------------------------------------- */

/** mod_proxy is about to hand the request to the module that knows the scheme. */
static int about_to_connect(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url, const char *host, apr_port_t port) {
    (void)conf, (void)host, (void)port;
    current_acquirer = NULL;
    if (url == NULL || strchr(url, ':') == NULL || !is_ours(url, (size_t)(strchr(url, ':') - url)) || worker->cp == NULL) return DECLINED;
    ol_job *job = ol_req_job(r);
    if (job == NULL || job->request == NULL || !job->inside || r->main != NULL) return DECLINED;
    if (is_due(job)) {
        ol_req_stop(job);
        return HTTP_GATEWAY_TIME_OUT;
    }
    current_acquirer = job;
    if (worker->cp->res == NULL && worker->cp->conn != NULL) {
        close_dead(worker->cp->conn);
        bind_to(job, worker->cp->conn, 1);
    }
    return DECLINED;
}

/** Before mod_proxy_balancer looks at the status. */
static int after_request(proxy_worker *worker, proxy_balancer *balancer, request_rec *r, proxy_server_conf *conf) {
    (void)worker, (void)balancer, (void)conf;
    const ol_job *job = ol_req_job(r);
    if (job == NULL || (!job->stopped && !__atomic_load_n(&job->feigned, __ATOMIC_ACQUIRE))) return DECLINED;
    r->status = HTTP_OK; /* what becomes of the request is not for the handler to say any more */
    apr_table_unset(r->notes, "proxy_timedout");
    return DECLINED;
}

typedef void hook_scheme_handler(proxy_HOOK_scheme_handler_t *, const char *const *, const char *const *, int);
typedef void hook_post_request(proxy_HOOK_post_request_t *, const char *const *, const char *const *, int);

void ol_main_hook_proxy(void) {
    const apr_dso_handle_sym_t scheme = of_proxy("proxy_hook_scheme_handler"), post = of_proxy("proxy_hook_post_request");
    if (scheme == NULL || post == NULL) return;
    const char *before = apr_hook_debug_current;
    apr_hook_debug_current = "mod_outlive.c";
    ((hook_scheme_handler *)scheme)(about_to_connect, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ((hook_post_request *)post)(after_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    apr_hook_debug_current = before;
}

void ol_main_register_fcgi_abort(void) {
    static const char *const after[] = {"mod_proxy.c", "mod_proxy_balancer.c", "mod_outlive.c", NULL};
    ap_hook_child_init(interpose_all, after, NULL, APR_HOOK_LAST);
}
