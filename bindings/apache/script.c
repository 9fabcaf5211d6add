/*
 * Scripts that say nothing: mod_cgi and mod_cgid wait for their first output where no module can wake them, so a stop asks the script to
 * end, as httpd does it at the end of a request. What the script has started and waits for is asked, too, since it holds the same output open.
 *
 * A script of mod_cgi is a child of the thread that handles the request. One of mod_cgid is a child of httpd's daemon, which knows its
 * number and tells it late; it is told apart by a word in its environment.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "OUTLIVE_REQUEST"

static int is_script(const request_rec *r) { return r->handler != NULL && strcmp(r->handler, "cgi-script") == 0; }

void ol_req_mark_script(ol_job *job, const outlive_settings *settings) {
    static unsigned long number;
    request_rec *r = job->r;
    if (!is_script(r)) return;
    int64_t patience = 0;
    outlive_settings_get_quantity(settings, "hard_timeout", OUTLIVE_NTS, &patience);
    job->patience = patience > INT_MAX ? INT_MAX : (int)patience;
    job->thread = (pid_t)syscall(SYS_gettid);
    job->mark = apr_psprintf(r->pool, NAME "=%d-%lu", (int)getpid(), __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    apr_table_setn(r->subprocess_env, NAME, job->mark + sizeof NAME);
}

/** Calls for each child of a thread. */
static int each_child(pid_t process, pid_t thread, int (*call)(pid_t child, const char *data), const char *data) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)thread);
    FILE *children = fopen(path, "re");
    if (children == NULL) return 0;
    int child, found = 0;
    while (fscanf(children, "%d", &child) == 1) found |= call((pid_t)child, data);
    fclose(children);
    return found;
}

/** What it is told; for interrupter.c's thread alone. */
static int told = SIGTERM;

static int end_process(pid_t process, const char *mark);

/** What has a session of its own was sent away, to work on. */
static int end_with(pid_t child, const char *session) { return getsid(child) != (pid_t)atoi(session) || end_process(child, session); }

/** What it has started first: whoever loses its parent is no longer found below it. */
static int end_process(pid_t process, const char *mark) {
    (void)mark;
    char path[64], session[16];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    snprintf(session, sizeof session, "%d", (int)getsid(process));
    DIR *threads = opendir(path);
    if (threads != NULL) {
        for (const struct dirent *thread; (thread = readdir(threads)) != NULL;)
            if (atoi(thread->d_name) > 0) each_child(process, (pid_t)atoi(thread->d_name), end_with, session);
        closedir(threads);
    }
    return kill(process, told) == 0 || errno == EPERM; /* suEXEC's is another user's, and stays so */
}

/** Whether its environment has the mark. */
static int is_marked(pid_t process, const char *mark) {
    char path[64], *entry = NULL;
    size_t room = 0;
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)process);
    FILE *environment = fopen(path, "re");
    if (environment == NULL) return 0;
    while (!found && getdelim(&entry, &room, '\0', environment) > 0) found = strcmp(entry, mark) == 0;
    free(entry);
    fclose(environment);
    return found;
}

static int end_if_marked(pid_t process, const char *mark) { return is_marked(process, mark) && end_process(process, mark); }

/** Not below a script that lost its parent: what that has sent away is nobody's business. */
static int look_below(pid_t sibling, const char *mark) {
    return sibling != getpid() && !is_marked(sibling, mark) && each_child(sibling, sibling, end_if_marked, mark);
}

/**
 * A marked process is this request's, whenever it is found; and only that: a child of the thread may also be another request's that is
 * not waited for yet, another module's, or a copy of httpd that has still to become the script.
 */
int ol_interrupter_end_script(ol_job *job, int kill) {
    told = kill ? SIGKILL : SIGTERM;
    if (job->mark == NULL) return 1;
    ol_any_feign(job);
    return each_child(getpid(), job->thread, end_if_marked, job->mark) || each_child(getppid(), getppid(), look_below, job->mark);
}
