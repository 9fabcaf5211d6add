/*
 * Stops by a queue. First the ticker's part alone: from the moment at which its wait returns to the descriptor being readable, seen from within its own
 * thread, so that no switch of threads is in it. Then all of it, from a cancel in one thread to the poll that sees it there. Then many
 * stops at once, in CPU time of all threads together: what one costs must not depend on how many there are.
 *   cc -O2 -Iinclude benches/stops.c -Ltarget/release -loutlive -lpthread && ./a.out
 */
#include "outlive.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_us(void);

/* The library calls these two in place of the C library's. Only its own thread waits, and it is the one that writes to the queue's descriptor. */
static int stop_fd = -1;
static double wait_returned, took, write_took;

int epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds) {
    const int count = (int)syscall(SYS_epoll_pwait, epoll, events, most, milliseconds, NULL, 0);
    wait_returned = now_us();
    return count;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    const double called = fd == stop_fd ? now_us() : 0;
    const ssize_t written = syscall(SYS_write, fd, bytes, len);
    if (fd == stop_fd) {
        double all = now_us() - wait_returned;
        write_took = all - (called - wait_returned);
        __atomic_store(&took, &all, __ATOMIC_RELEASE);
    }
    return written;
}

static double clock_us(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double now_us(void) { return clock_us(CLOCK_MONOTONIC); }
static double cpu_us(void) { return clock_us(CLOCK_PROCESS_CPUTIME_ID); }

static int compare(const void *left, const void *right) {
    const double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(void) {
    enum { ROUNDS = 2000 };
    static double times[ROUNDS], parts[ROUNDS], writes[ROUNDS];
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_stop stop = OUTLIVE_STOP_INIT;
    options.stop_queues = 1;
    if (outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK || outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK ||
        outlive_engine_new(&options, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    struct pollfd wait = {outlive_engine_stop_fd(engine, 0), POLLIN, 0};
    stop_fd = wait.fd;
    for (int i = 0; i < ROUNDS; i++) {
        outlive_request *request = NULL;
        outlive_request_begin(engine, settings, NULL, &request, NULL);
        double began = now_us();
        outlive_request_cancel(request);
        poll(&wait, 1, -1);
        times[i] = now_us() - began;
        do {
            __atomic_load(&took, &parts[i], __ATOMIC_ACQUIRE);
        } while (parts[i] == 0);
        writes[i] = write_took;
        __atomic_store(&took, &(double){0}, __ATOMIC_RELEASE);
        while (outlive_engine_next_stop(engine, 0, &stop) == OUTLIVE_OK) {
        }
        outlive_request_end(request, NULL);
    }
    qsort(times, ROUNDS, sizeof *times, compare);
    qsort(parts, ROUNDS, sizeof *parts, compare);
    qsort(writes, ROUNDS, sizeof *writes, compare);
    printf("the ticker's part, from its wait to the readable descriptor: median %.2f us, 90th %.2f us; of it the kernel's write, which wakes the host: %.2f us\n",
           parts[ROUNDS / 2], parts[ROUNDS * 9 / 10], writes[ROUNDS / 2]);
    printf("cancel in one thread, readable in it (two switches of threads): median %.1f us, 99th %.1f us\n", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
    static outlive_request *live[100000];
    for (int i = 0; i < 100000; i++) {
        outlive_request_begin(engine, settings, NULL, &live[i], NULL);
    }
    for (int count = 2500; count <= 40000; count *= 2) {
        double began = cpu_us();
        for (int i = 0; i < count; i++) {
            outlive_request_cancel(live[i]);
        }
        double raised = cpu_us();
        for (int told = 0; told < count;) {
            poll(&wait, 1, -1);
            while (outlive_engine_next_stop(engine, 0, &stop) == OUTLIVE_OK) {
                told++;
            }
        }
        double seen = cpu_us();
        for (int i = 0; i < count; i++) {
            outlive_request_end(live[i], NULL);
            outlive_request_begin(engine, settings, NULL, &live[i], NULL);
        }
        printf("%d of 100,000 live cancelled at once: CPU time of all threads %.2f us each, %.2f until the last is raised\n", count,
               (seen - began) / count, (raised - began) / count);
    }
    for (int i = 0; i < 100000; i++) {
        outlive_request_end(live[i], NULL);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
