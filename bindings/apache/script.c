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

/** Enough for NAME=PROCESS-NUMBER. */
#define MARK_SIZE 64

static int is_script(const request_rec *r) { return r->handler != NULL && strcmp(r->handler, "cgi-script") == 0; }

void ol_req_mark_script(ol_job *job, const outlive_settings *settings) {
    static unsigned long number;
    request_rec *r = job->r;
    if (!is_script(r)) return;
    int64_t patience = 0;
    outlive_settings_get_quantity(settings, "hard_timeout", OUTLIVE_NTS, &patience);
    job->patience = patience > INT_MAX ? INT_MAX : (int)patience;
    job->thread = (pid_t)syscall(SYS_gettid);
    job->by_daemon = ap_find_linked_module("mod_cgid.c") != NULL;
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

/** A process with its own session was started to work on after the request. */
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
    return kill(process, told) == 0 || errno == EPERM; /* it has become another user's */
}

/** A process was met whose environment is not for us to read: it runs as somebody else. */
static int met_hidden;

/** The mark in its environment; 0: there is none. */
static int mark_of(pid_t process, char mark[MARK_SIZE]) {
    char path[64], *entry = NULL;
    size_t room = 0;
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)process);
    FILE *environment = fopen(path, "re");
    if (environment == NULL) {
        if (errno == EACCES || errno == EPERM) met_hidden = 1;
        return 0;
    }
    while (!found && getdelim(&entry, &room, '\0', environment) > 0) found = strncmp(entry, NAME "=", sizeof NAME) == 0 && strlen(entry) < MARK_SIZE;
    if (found) strcpy(mark, entry);
    free(entry);
    fclose(environment);
    return found;
}

static int end_if_marked(pid_t process, const char *mark) {
    char its[MARK_SIZE];
    return mark_of(process, its) && strcmp(its, mark) == 0 && end_process(process, mark);
}

/* ---- mod_cgid's scripts ------------------------------------------------------------------------------------------------ */

/** Those that run, looked at once a round for all requests: there may be as many of these as of those. */
static struct script {
    pid_t process;
    char mark[MARK_SIZE];
} * scripts;
static size_t count, room;
static int looked, hidden;

static int note(pid_t process, const char *unused) {
    (void)unused;
    char mark[MARK_SIZE];
    if (!mark_of(process, mark)) return 0;
    if (count == room) {
        struct script *more = realloc(scripts, (room * 2 + 16) * sizeof *more);
        if (more == NULL) return 0;
        scripts = more;
        room = room * 2 + 16;
    }
    scripts[count].process = process;
    strcpy(scripts[count++].mark, mark);
    return 1;
}

static int is_there(pid_t child, const char *unused) {
    (void)child, (void)unused;
    return 1;
}

/** Not below a script that lost its parent: processes that it has detached are left alone. */
static int look_below(pid_t sibling, const char *unused) {
    char mark[MARK_SIZE];
    if (sibling == getpid() || !each_child(sibling, sibling, is_there, NULL) || mark_of(sibling, mark)) return 0;
    return each_child(sibling, sibling, note, unused);
}

static void look(void) {
    looked = 1;
    count = 0;
    met_hidden = 0;
    each_child(getppid(), getppid(), look_below, NULL);
    hidden = met_hidden;
}

void ol_interrupter_look_anew(void) { looked = 0; }

/** Each of the daemon's processes is checked again before it is signalled: its number may belong to another process
 * by now. */
static int end_of_daemon(const char *mark) {
    int found = 0;
    if (!looked) look();
    for (size_t i = 0; i < count; i++)
        if (strcmp(scripts[i].mark, mark) == 0) found |= end_if_marked(scripts[i].process, mark);
    return found;
}

/**
 * A marked process is this request's, whenever it is found; and only that: a child of the thread may also be another request's that is
 * not waited for yet, another module's, or a copy of httpd that has still to become the script.
 */
int ol_interrupter_end_script(ol_job *job, int kill) {
    told = kill ? SIGKILL : SIGTERM;
    if (job->mark == NULL) return 1;
    ol_any_feign(job);
    met_hidden = 0;
    if (each_child(getpid(), job->thread, end_if_marked, job->mark)) return 1;
    int maybe = met_hidden;
    if (job->by_daemon) {
        if (end_of_daemon(job->mark)) return 1;
        maybe |= hidden;
    }
    return maybe ? -1 : 0;
}
