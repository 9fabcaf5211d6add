/* A data race, for the checker to find. */
#include <pthread.h>

static int shared;
static void *count(void *argument) {
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        shared++;
    }
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, count, NULL);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
