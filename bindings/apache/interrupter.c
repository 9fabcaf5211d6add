/*
 * Handlers that wait where no module can wake them, for a FastCGI server or for a script: a thread of each child ends what they wait for,
 * and tries again while that is not there yet (a connection is being made, a script has not begun), until the handler has returned.
 *
 * Locks: a job's may be held when one is added; then this one; then that of the connections.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <signal.h>
#include <time.h>

/** How many quick tries; then the pause doubles each time, because looking for a script means reading all processes of httpd. */
#define QUICK 20
static const apr_time_t quick_pause = 5000, longest_pause = 10 * APR_USEC_PER_SEC;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows, and of the jobs' places in the list */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static ol_job *first;
static pthread_t thread;
static int runs, closing;

/** Once for all children: suEXEC is set up for all of them. */
static void tell_out_of_reach(const ol_job *job) {
    if (the_process.counters == NULL || __atomic_exchange_n(&the_process.counters->out_of_reach, 1, __ATOMIC_RELAXED)) return;
    ap_log_error(
        APLOG_MARK, APLOG_WARNING, 0, job->r->server,
        "outlive: %s is to be stopped, and its script was not found; where it runs as another user (suEXEC), it cannot be told to end, and httpd "
        "waits for it until it writes, or ends. This is said once.",
        job->r->uri);
}

/** Whether nothing is left to be tried. */
static int try(ol_job *job, apr_time_t now) {
    if (now < job->next_try) return 0;
    if (job->asked) { /* hard_timeout seconds ago */
        ol_interrupter_end_script(job, 1);
        return 1;
    }
    const int connected = ol_interrupter_abort_backend(job), started = ol_interrupter_end_script(job, 0);
    if (connected && started > 0) {
        job->asked = 1;
        job->next_try = now + apr_time_from_sec(job->patience);
        return job->mark == NULL || job->patience <= 0;
    }
    if (started < 0 && job->tries == QUICK) tell_out_of_reach(job);
    job->pause = job->tries++ < QUICK ? quick_pause : job->pause * 2 < longest_pause ? job->pause * 2 : longest_pause;
    job->next_try = now + job->pause;
    return 0;
}

/** Waits until the next try is due or a job is added. The caller holds the lock, which is released meanwhile. */
static void wait_until(apr_time_t time) {
    struct timespec until = {(time_t)apr_time_sec(time), (long)apr_time_usec(time) * 1000};
    pthread_cond_timedwait(&changed, &lock, &until);
}

static void *look_after(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!closing) {
        if (first == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        const apr_time_t now = apr_time_now();
        apr_time_t next = now + longest_pause;
        ol_interrupter_look_anew();
        for (ol_job **at = &first; *at != NULL;) {
            ol_job *job = *at;
            if (try(job, now)) {
                *at = job->next;
                job->listed = 0;
            } else {
                if (job->next_try < next) next = job->next_try;
                at = &job->next;
            }
        }
        if (first != NULL && !closing) wait_until(next);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/** httpd's own threads are those that take signals. */
static int start(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, NULL, look_after, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

void ol_any_interrupt(ol_job *job) {
    pthread_mutex_lock(&lock);
    if (!job->asked) job->tries = 0, job->next_try = 0;
    if (!job->listed && !closing) {
        job->listed = 1;
        job->next = first;
        first = job;
        if (!runs) runs = start();
    }
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

void ol_req_uninterrupt(ol_job *job) {
    pthread_mutex_lock(&lock);
    for (ol_job **at = &first; job->listed && *at != NULL; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            job->listed = 0;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

void ol_main_close_interrupter(void) {
    pthread_mutex_lock(&lock);
    const int join = runs;
    closing = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    if (join) pthread_join(thread, NULL);
    pthread_mutex_lock(&lock);
    runs = closing = 0;
    first = NULL;
    pthread_mutex_unlock(&lock);
}
