/* The "other connection": it holds a lock on table C for a while, as a long report or a backup would. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <errno.h>
#include <time.h>

/* Ends the transaction, and with it the lock. The mutex is held. */
static void let_go(struct locker *locker)
{
    sqlite3_close(locker->db); /* an open transaction is rolled back; it has written nothing */
    locker->db = NULL;
    locker->until = 0;
}

static void *locker_run(void *userdata)
{
    struct locker *locker = userdata;
    pthread_mutex_lock(&locker->mutex);
    while (!locker->closing) {
        if (locker->db == NULL) {
            pthread_cond_wait(&locker->changed, &locker->mutex);
            continue;
        }
        struct timespec until = {.tv_sec = (time_t)locker->until};
        until.tv_nsec = (long)((locker->until - (double)until.tv_sec) * 1e9);
        if (pthread_cond_timedwait(&locker->changed, &locker->mutex, &until) == ETIMEDOUT &&
            locker->db != NULL && seconds_now() >= locker->until)
            let_go(locker);
    }
    if (locker->db != NULL)
        let_go(locker);
    pthread_mutex_unlock(&locker->mutex);
    return NULL;
}

int locker_open(struct locker *locker, const struct store *store)
{
    pthread_condattr_t clock;
    locker->store = store;
    if (pthread_mutex_init(&locker->mutex, NULL) != 0)
        return -1;
    /* The clock of seconds_now: setting the time of day changes nothing. */
    int failed = pthread_condattr_init(&clock);
    if (failed == 0) {
        failed = pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) || pthread_cond_init(&locker->changed, &clock);
        pthread_condattr_destroy(&clock);
    }
    if (failed) {
        pthread_mutex_destroy(&locker->mutex);
        return -1;
    }
    if (pthread_create(&locker->thread, NULL, locker_run, locker) != 0) {
        pthread_cond_destroy(&locker->changed);
        pthread_mutex_destroy(&locker->mutex);
        return -1;
    }
    return 0;
}

void locker_close(struct locker *locker)
{
    pthread_mutex_lock(&locker->mutex);
    locker->closing = 1;
    pthread_cond_signal(&locker->changed);
    pthread_mutex_unlock(&locker->mutex);
    pthread_join(locker->thread, NULL);
    pthread_cond_destroy(&locker->changed);
    pthread_mutex_destroy(&locker->mutex);
}

int locker_lock(struct locker *locker, double seconds)
{
    int result = SQLITE_OK;
    pthread_mutex_lock(&locker->mutex);
    if (seconds <= 0 && locker->db != NULL)
        let_go(locker);
    if (seconds > 0 && locker->db == NULL) {
        result = sqlite3_open(locker->store->path_c, &locker->db);
        if (result == SQLITE_OK)
            result = sqlite3_busy_timeout(locker->db, PATIENCE);
        if (result == SQLITE_OK)
            result = sqlite3_exec(locker->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (result != SQLITE_OK)
            let_go(locker);
    }
    if (locker->db != NULL)
        locker->until = seconds_now() + seconds;
    pthread_cond_signal(&locker->changed);
    pthread_mutex_unlock(&locker->mutex);
    return result;
}

double locker_left(struct locker *locker)
{
    pthread_mutex_lock(&locker->mutex);
    double left = locker->db == NULL ? 0 : locker->until - seconds_now();
    pthread_mutex_unlock(&locker->mutex);
    return left > 0 ? left : 0;
}
