/* Row 17: from the client's close to the safe point. */
#include "peers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROPAGATIONS = 500 };

static atomic_int flag, watched = -1, finished;

/* The least that an event loop can do: epoll, and a store. */
static void *watch(void *argument) {
    int poll = epoll_create1(0);
    struct epoll_event event;
    (void)argument;
    while (!atomic_load(&finished)) {
        int socket = atomic_load(&watched);
        if (socket >= 0) {
            event = (struct epoll_event){.events = EPOLLRDHUP | EPOLLET, .data.fd = socket};
            epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
            atomic_store(&watched, -1);
        }
        if (epoll_wait(poll, &event, 1, 10) == 1) {
            atomic_store_explicit(&flag, 1, memory_order_release);
        }
    }
    close(poll);
    return NULL;
}

static double to_flag(void) {
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    atomic_store(&flag, 0);
    atomic_store(&watched, ends[0]);
    while (atomic_load(&watched) >= 0) {
        usleep(100);
    }
    usleep(2000);
    double began = clock_ns(CLOCK_MONOTONIC);
    close(ends[1]);
    while (atomic_load_explicit(&flag, memory_order_acquire) == 0) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    close(ends[0]);
    return ns;
}

static double to_check(const outlive_settings *with) {
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    outlive_request *made = begin_with(with, ends[0]);
    usleep(2000);
    double began = clock_ns(CLOCK_MONOTONIC);
    close(ends[1]);
    while (outlive_request_check(made) != OUTLIVE_STOP) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    outlive_request_end(made, NULL);
    close(ends[0]);
    return ns;
}

/* An event loop that has seen a hang-up, without the kernel's part: it waits for the word to go, then says so to the library, or stores. */
static _Atomic(outlive_request *) hung_up;
static atomic_int stored;

static void *say(void *argument) {
    (void)argument;
    while (!atomic_load(&finished)) {
        outlive_request *of = atomic_load_explicit(&hung_up, memory_order_acquire);
        if (of != NULL) {
            atomic_store_explicit(&hung_up, NULL, memory_order_relaxed);
            outlive_request_client_gone(of);
        } else if (atomic_load_explicit(&stored, memory_order_acquire) == 1) {
            atomic_store_explicit(&stored, 2, memory_order_release);
        }
    }
    return NULL;
}

static double said_to_check(const outlive_settings *with) {
    outlive_request *made = begin_with(with, -1);
    double began = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&hung_up, made, memory_order_release);
    while (outlive_request_check(made) != OUTLIVE_STOP) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    outlive_request_end(made, NULL);
    return ns;
}

static double said_to_flag(void) {
    double began = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&stored, 1, memory_order_release);
    while (atomic_load_explicit(&stored, memory_order_acquire) != 2) {
    }
    return clock_ns(CLOCK_MONOTONIC) - began;
}

static void stay_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* Who waits for the bit stays on one processor, who sees the socket on another; a thread begins where its maker is. The least of many is
 * what the way itself takes; more than that is the scheduler's. */
void propagation(void) {
    static const char *names[] = {"outlive.detect", "ignore_user_abort"}, *values[] = {"watch", "0"};
    static double ours[PROPAGATIONS], kernels[PROPAGATIONS];
    const outlive_settings *with = resolve(names, values, 2);
    outlive_engine *before = engine;
    pthread_t thread;
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2 || !CPU_ISSET(0, &all) || !CPU_ISSET(1, &all)) {
        printf("17  left out: this takes two processors\n");
        return;
    }
    stay_on(1);
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        abort();
    }
    outlive_request_end(begin_with(with, -1), NULL); /* its thread is there */
    for (int way = 0; way < 2; way++) {
        atomic_store(&finished, 0);
        stay_on(1);
        pthread_create(&thread, NULL, way == 0 ? say : watch, NULL);
        usleep(10000);
        stay_on(0);
        for (int i = 0; i < PROPAGATIONS; i++) {
            ours[i] = way == 0 ? said_to_check(with) : to_check(with);
            kernels[i] = way == 0 ? said_to_flag() : to_flag();
        }
        atomic_store(&finished, 1);
        pthread_join(thread, NULL);
        static const int percents[] = {0, 10, 50};
        for (int i = 0; i < 3; i++) {
            char what[100];
            double own = quantile(ours, PROPAGATIONS, percents[i]), least = quantile(kernels, PROPAGATIONS, percents[i]);
            snprintf(what, sizeof what, "%s, beyond the peer; %d %% are quicker",
                     way == 0 ? "client_gone() to check()" : "close() to check()", percents[i]);
            print_row("17", what, own - least, percents[i] == 50 ? 1000 : 0);
            print_peer(way == 0 ? "a store, and a load" : "epoll_wait in a thread, and a store", least, own / least, 0);
        }
    }
    sched_setaffinity(0, sizeof all, &all);
    outlive_engine_free(engine);
    engine = before;
    outlive_settings_free(with);
}
