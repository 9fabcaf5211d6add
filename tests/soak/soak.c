/*
 * Everything at once, for as long as one likes: threads that begin and end requests of all kinds, clients that leave, limits that
 * run out, readers, meddlers, forks. At the end the counts must agree and nothing may have grown. `soak SECONDS`.
 */
#include "../c/test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, KEPT = 64 };

static outlive_engine *engine;
static const outlive_settings *kinds[5];
static outlive_request *current[WORKERS];
static long begun, ended, registered, functions, destroyed, aborted, notices, forks, timed, forced;
static int done;

static void add(long *counter) {
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static int is_done(void) {
    return __atomic_load_n(&done, __ATOMIC_RELAXED);
}

static int function(outlive_request *request, int ending, void *userdata) {
    add(&functions);
    if (ending == OUTLIVE_ENDING_ABORTED) {
        add(&aborted);
    }
    CHECK(outlive_request_connection_status(request) >= 0);
    return userdata == NULL ? OUTLIVE_OK : OUTLIVE_STOP;
}

static void destroy(void *userdata) {
    (void)userdata;
    add(&destroyed);
}

static void on_notice(void *userdata, int ending) {
    (void)userdata, (void)ending;
    add(&notices);
}

static unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

typedef struct kept {
    outlive_request *request;
    int sockets[2];
} kept;

static void begin_kept(kept *self, unsigned *random) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    static const char *const methods[] = {"GET", "POST", "HEAD", NULL};
    self->sockets[0] = self->sockets[1] = -1;
    if (next_random(random) % 4 == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->sockets) != 0) {
        abort();
    }
    options.method = methods[next_random(random) % 4];
    options.label = next_random(random) % 2 ? "a label" : NULL;
    options.socket = self->sockets[0];
    options.on_stop = next_random(random) % 2 ? on_notice : NULL;
    options.on_forced = options.on_stop;
    EQUAL(outlive_request_begin(engine, kinds[next_random(random) % 5], &options, &self->request, NULL), OUTLIVE_OK);
    add(&begun);
    for (unsigned i = next_random(random) % 4; i > 0; i--) {
        EQUAL(outlive_request_register_shutdown_function(self->request, function, next_random(random) % 8 ? NULL : &done, destroy),
              OUTLIVE_OK);
        add(&registered);
    }
}

static void end_kept(kept *self) {
    EQUAL(outlive_request_end(self->request, NULL), OUTLIVE_OK);
    add(&ended);
    for (int i = 0; i < 2; i++) {
        if (self->sockets[i] >= 0) {
            close(self->sockets[i]);
        }
    }
    self->request = NULL;
}

static void do_something(kept *self, unsigned *random) {
    outlive_request *request = self->request;
    outlive_str value;
    switch (next_random(random) % 16) {
    case 0: CHECK(outlive_request_check(request) >= 0); break;
    case 1: CHECK(outlive_request_write(request, "some text", 9) >= 0); break;
    case 2: CHECK(outlive_request_flush(request) >= 0); break;
    case 3: EQUAL(outlive_request_set_time_limit(request, (int64_t)(next_random(random) % 3)), OUTLIVE_OK); break;
    case 4:
        EQUAL(outlive_request_hold(request), OUTLIVE_OK);
        CHECK(outlive_request_release(request) >= 0);
        break;
    case 5: EQUAL(outlive_request_client_gone(request), OUTLIVE_OK); break;
    case 6: EQUAL(outlive_request_ini_set(request, "precision", OUTLIVE_NTS, "9", 1, NULL), OUTLIVE_OK); break;
    case 7: EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &value), OUTLIVE_OK); break;
    case 8: CHECK(outlive_request_finish(request) >= 0); break;
    case 9: EQUAL(outlive_request_set_label(request, "another label"), OUTLIVE_OK); break;
    case 10:
        EQUAL(outlive_request_suspend(request), OUTLIVE_OK);
        EQUAL(outlive_request_resume(request), OUTLIVE_OK);
        break;
    case 11: CHECK(outlive_request_ignore_user_abort(request, (int)(next_random(random) % 3) - 1) >= 0); break;
    case 12:
        if (self->sockets[1] >= 0) {
            close(self->sockets[1]);
            self->sockets[1] = -1;
        }
        break;
    case 13: EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_COMPLETED), OUTLIVE_OK); break;
    default: end_kept(self); break;
    }
}

/* One that runs until its time is up; every other one holds on until it is forced. */
typedef struct slow {
    outlive_request *request;
    int held;
} slow;

static void look_at_slow(slow *self) {
    if (self->request == NULL) {
        outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
        EQUAL(outlive_request_begin(engine, kinds[2], &options, &self->request, NULL), OUTLIVE_OK);
        add(&begun);
        self->held = !self->held;
        if (self->held) {
            EQUAL(outlive_request_hold(self->request), OUTLIVE_OK);
        }
    } else if (self->held ? outlive_request_is_forced(self->request) : outlive_request_check(self->request) == OUTLIVE_STOP) {
        EQUAL(outlive_request_ending(self->request), self->held ? OUTLIVE_ENDING_FORCED : OUTLIVE_ENDING_TIME_LIMIT);
        add(self->held ? &forced : &timed);
        EQUAL(outlive_request_end(self->request, NULL), OUTLIVE_OK);
        add(&ended);
        self->request = NULL;
    }
}

static void *worker(void *argument) {
    long number = (long)argument;
    unsigned random = (unsigned)number + 1;
    kept all[KEPT] = {0};
    slow one = {0};
    while (!is_done()) {
        look_at_slow(&one);
        kept *self = &all[next_random(&random) % KEPT];
        if (self->request == NULL) {
            begin_kept(self, &random);
        } else {
            do_something(self, &random);
        }
        __atomic_store_n(&current[number], self->request, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&current[number], NULL, __ATOMIC_SEQ_CST);
    if (one.request != NULL) {
        EQUAL(outlive_request_end(one.request, NULL), OUTLIVE_OK);
        add(&ended);
    }
    for (int i = 0; i < KEPT; i++) {
        if (all[i].request != NULL) {
            end_kept(&all[i]);
        }
    }
    return NULL;
}

static void *meddler(void *argument) {
    (void)argument;
    while (!is_done()) {
        for (int i = 0; i < WORKERS; i++) {
            outlive_request *request = __atomic_load_n(&current[i], __ATOMIC_SEQ_CST);
            if (request != NULL) {
                int gone = outlive_request_is_gone(request), told = outlive_request_client_gone(request);
                CHECK(gone == 0 || gone == 1 || gone == OUTLIVE_ERROR_ENDED);
                CHECK(told == OUTLIVE_OK || told == OUTLIVE_ERROR_ENDED);
            }
        }
        sleep_ms(1);
    }
    return NULL;
}

static int look(void *userdata, const outlive_request_row *row) {
    (void)userdata;
    CHECK(row->label.len == 0 || strcmp(row->label.ptr, "a label") == 0 || strcmp(row->label.ptr, "another label") == 0);
    return 0;
}

static void *reader(void *argument) {
    (void)argument;
    while (!is_done()) {
        size_t needed;
        EQUAL(outlive_engine_requests(engine, look, NULL), OUTLIVE_OK);
        EQUAL(outlive_engine_metrics(engine, NULL, 0, &needed), OUTLIVE_OK);
        sleep_ms(5);
    }
    return NULL;
}

/* Only calls that a child of a process with threads may make: none of ours takes a lock there. */
static void fork_once(void) {
    pid_t child = fork();
    if (child == 0) {
        outlive_request *request = NULL;
        int good = outlive_request_begin(engine, kinds[0], NULL, &request, NULL) == OUTLIVE_ERROR_FORKED;
        good &= outlive_engine_drain(engine, 0) == OUTLIVE_ERROR_FORKED;
        request = __atomic_load_n(&current[0], __ATOMIC_SEQ_CST);
        good &= request == NULL || outlive_request_check(request) == OUTLIVE_ERROR_FORKED;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    forks++;
}

static long resident_kb(void) {
    long pages = 0, whole = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &whole, &pages) != 2) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static long descriptors(void) {
    long count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static long metric(const char *text, const char *name) {
    const char *found = strstr(text, name);
    CHECK(found != NULL);
    return found == NULL ? -1 : atol(found + strlen(name));
}

static void counts_agree(void) {
    static const char *const endings[] = {"completed", "finished", "aborted", "time_limit", "forced", "shutdown", "host_error", "cancelled", "handed_back"};
    static char text[16384], name[100];
    long sum = 0;
    EQUAL(outlive_engine_metrics(engine, text, sizeof text, NULL), OUTLIVE_OK);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "outlive_requests_ended_total{ending=\"%s\"} ", endings[i]);
        long count = metric(text, name);
        printf("  %-15s %ld\n", endings[i], count);
        sum += count;
    }
    EQUAL(begun, ended);
    CHECK(metric(text, "outlive_requests_ended_total{ending=\"forced\"} ") >= forced);
    CHECK(metric(text, "outlive_requests_ended_total{ending=\"time_limit\"} ") >= timed);
    EQUAL(sum, ended);
    EQUAL(destroyed, registered);
    CHECK(functions <= registered);
    EQUAL(metric(text, "\noutlive_shutdown_functions_total "), functions);
    EQUAL(metric(text, "\noutlive_requests_in_flight "), 0);
    EQUAL(metric(text, "\noutlive_requests_detached "), 0);
    printf("  %ld requests, %ld of %ld shutdown functions, %ld notices, %ld forks, %ld time limits\n", ended, functions, registered,
           notices, forks, metric(text, "\noutlive_time_limits_total "));
}

int main(int argc, char **argv) {
    long seconds = argc > 1 ? atol(argv[1]) : 10;
    pthread_t threads[WORKERS], others[2];
    kinds[0] = settings_of("");
    kinds[1] = settings_of("ignore_user_abort=1\noutlive.detect=watch\noutlive.max_detached=10");
    kinds[2] = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1\noutlive.detect=watch");
    kinds[3] = settings_of("output_buffering=64\noutlive.disconnect=auto\noutlive.max_detached_time=1");
    kinds[4] = settings_of("outlive.shutdown=all\noutlive.shutdown_time=1\nimplicit_flush=1");
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    long open_before = descriptors();
    for (long i = 0; i < WORKERS; i++) {
        pthread_create(&threads[i], NULL, worker, (void *)i);
    }
    pthread_create(&others[0], NULL, meddler, NULL);
    pthread_create(&others[1], NULL, reader, NULL);
    int64_t began = now_ms();
    long settled = 0;
    while (now_ms() - began < seconds * 1000) {
        sleep_ms(500);
        fork_once();
        if (settled == 0 && now_ms() - began > seconds * 200) {
            settled = resident_kb();
        }
    }
    long grown = resident_kb() - settled;
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(others[i], NULL);
    }
    counts_agree();
    printf("  memory: %ld KB after a fifth of the time, %+ld KB since\n", settled, grown);
#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif
#if !__has_feature(address_sanitizer) /* it keeps what was freed */
    CHECK(grown < settled / 10 + 2048);
#endif
    EQUAL(outlive_engine_drain(engine, 1000), OUTLIVE_OK);
    outlive_engine_free(engine);
    for (int i = 0; i < 5; i++) {
        outlive_settings_free(kinds[i]);
    }
    EQUAL(descriptors(), open_before - 2); /* the engine's own two are closed as well */
    return finished("soak");
}
