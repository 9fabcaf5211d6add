/* A thread of a pool that waits for others: told by on_stop, through what it waits on anyway.   cc pool.c $(pkg-config --cflags --libs outlive) */
#include "stop.h"

#include <pthread.h>

typedef struct job {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int is_ready, is_due;
    outlive_request *request;
} job;

/* From the engine's thread: it takes a lock that is never held for long, and looks at nothing of the request. */
static void on_stop(void *userdata, int ending) {
    job *self = userdata;
    (void)ending;
    pthread_mutex_lock(&self->mutex);
    self->is_due = 1;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void *work(void *userdata) {
    job *self = userdata;
    outlive_request_resume(self->request);
    pthread_mutex_lock(&self->mutex);
    /* What is due need not stop: ignore_user_abort may be on by now. The request says so, here and not in on_stop. */
    while (!self->is_ready && !(self->is_due && outlive_request_check(self->request) == OUTLIVE_STOP)) {
        self->is_due = 0;
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    outlive_request_suspend(self->request);
    return NULL;
}

int main(void) {
    host host = host_open(0);
    job job = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, NULL};
    pthread_t thread;
    job.request = host_begin(&host, 200, on_stop, &job);
    outlive_request_suspend(job.request);
    pthread_create(&thread, NULL, work, &job);
    pthread_join(thread, NULL);
    outlive_request_resume(job.request);
    host_end(job.request, "a thread that waits on a condition", job.is_ready ? "ready" : "woken");
    host_close(&host);
    return 0;
}
