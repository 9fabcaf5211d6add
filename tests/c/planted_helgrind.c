/* Two mistakes of a host, for helgrind to find beside the library: a counter that shutdown functions of two threads share without a
 * lock, and two locks that callbacks take in both orders. */
#include "test.h"

#include <pthread.h>

static const outlive_settings *settings;
static outlive_engine *engine;
static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static int count_without_lock(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    counter++;
    return OUTLIVE_OK;
}

static int lock_both(outlive_request *request, int ending, void *userdata) {
    pthread_mutex_t *outer = userdata, *inner = outer == &first ? &second : &first;
    (void)request, (void)ending;
    pthread_mutex_lock(outer);
    pthread_mutex_lock(inner);
    pthread_mutex_unlock(inner);
    pthread_mutex_unlock(outer);
    return OUTLIVE_OK;
}

static void *work(void *lock) {
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "POST");
    outlive_request_register_shutdown_function(request, count_without_lock, NULL, NULL);
    outlive_request_register_shutdown_function(request, lock_both, lock, NULL);
    outlive_request_end(request, NULL);
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    settings = settings_of("");
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    pthread_create(&threads[0], NULL, work, &first);
    pthread_join(threads[0], NULL); /* one after the other: locks in two orders, but no deadlock */
    pthread_create(&threads[0], NULL, work, &second);
    pthread_create(&threads[1], NULL, work, &second);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    return finished("planted");
}
