/*
 * Hosts that are rough: fork in every state, call back from every callback, end threads early, have no standard streams, no /proc, no
 * descriptors, and 64 KB of stack. The first argument is a directory to work in.
 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *root;

/* ---- fork ---- */

static outlive_engine *engine;

/* In a child: nothing of the parent's works, and an engine of its own does. */
static int child_copes(outlive_request *request, const outlive_settings *settings) {
    outlive_engine *own = NULL;
    outlive_request *mine = NULL;
    outlive_str value;
    int before = failures;
    alarm(60); /* a hang ends the child, and the parent sees that */
    if (request != NULL) {
        EQUAL(outlive_request_check(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_flush(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_finish(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_hold(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_release(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_suspend(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_set_time_limit(request, 1), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_ini_get(request, "precision", OUTLIVE_NTS, &value), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_COMPLETED), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_FORKED);
    }
    EQUAL(outlive_request_begin(engine, settings, NULL, &mine, NULL), OUTLIVE_ERROR_FORKED);
    EQUAL(outlive_engine_drain(engine, 1000), OUTLIVE_ERROR_FORKED);
    outlive_engine_free(engine);
    EQUAL(outlive_engine_new(NULL, &own, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(own, settings, NULL, &mine, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_client_gone(mine), OUTLIVE_OK);
    EQUAL(outlive_request_check(mine), OUTLIVE_STOP);
    EQUAL(outlive_request_end(mine, NULL), OUTLIVE_OK);
    outlive_engine_free(own);
    return failures != before;
}

static void fork_here(outlive_request *request, const outlive_settings *settings) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(child_copes(request, settings));
    }
    waitpid(child, &status, 0);
    EQUAL(status, 0);
}

typedef struct forker {
    outlive_request *request;
    const outlive_settings *settings;
    int times;
} forker;

static int forks_in_write(void *userdata, const void *buf, size_t len) {
    forker *self = userdata;
    (void)buf, (void)len;
    fork_here(self->request, self->settings);
    self->times++;
    return 0;
}

static int forks_in_shutdown(outlive_request *request, int ending, void *userdata) {
    forker *self = userdata;
    (void)ending;
    fork_here(request, self->settings);
    self->times++;
    return OUTLIVE_OK;
}

static void forked_in_every_state(void) {
    forker self = {NULL, settings_of("outlive.detect=watch\nmax_execution_time=100"), 0};
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    int pair[2];
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    fork_here(NULL, self.settings); /* no thread yet */
    options.reading_input = 1;
    options.socket = pair[0];
    options.write = forks_in_write;
    options.userdata = &self;
    EQUAL(outlive_request_begin(engine, self.settings, &options, &self.request, NULL), OUTLIVE_OK);
    fork_here(self.request, self.settings); /* reading input, watched */
    EQUAL(outlive_request_run(self.request), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(self.request, forks_in_shutdown, &self, NULL), OUTLIVE_OK);
    fork_here(self.request, self.settings); /* running */
    EQUAL(outlive_request_write(self.request, "x", 1), OUTLIVE_OK); /* in the write callback */
    EQUAL(outlive_request_hold(self.request), OUTLIVE_OK);
    fork_here(self.request, self.settings); /* held */
    EQUAL(outlive_request_suspend(self.request), OUTLIVE_OK);
    fork_here(self.request, self.settings); /* suspended */
    EQUAL(outlive_request_resume(self.request), OUTLIVE_OK);
    close(pair[1]);
    while (outlive_request_is_gone(self.request) == 0) { /* the watcher sees through all those copies of the engine's descriptors */
        sleep_ms(1);
    }
    fork_here(self.request, self.settings); /* gone, and still working */
    EQUAL(outlive_request_release(self.request), OUTLIVE_STOP);
    fork_here(self.request, self.settings); /* stopped */
    outlive_request *request = self.request;
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK); /* in the shutdown function */
    EQUAL(self.times, 2);
    fork_here(request, self.settings); /* ended */
    outlive_engine_free(engine);
    engine = NULL;
    close(pair[0]);
    outlive_settings_free(self.settings);
}

/* ---- callbacks that call back ---- */

static int forced_answer, forced_gone, forced_seen;
static outlive_request *forced_request;

static void calls_from_forced(void *userdata, int ending) {
    (void)userdata, (void)ending;
    forced_answer = outlive_request_check(forced_request);
    forced_gone = outlive_request_client_gone(forced_request);
    __atomic_store_n(&forced_seen, 1, __ATOMIC_SEQ_CST);
}

static int row_seen;
static int calls_from_row(void *userdata, const outlive_request_row *row) {
    outlive_request *request = userdata, *other = NULL;
    const outlive_settings *settings = settings_of("");
    (void)row;
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, settings, NULL, &other, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(other, NULL), OUTLIVE_OK);
    outlive_settings_free(settings);
    row_seen++;
    return 1;
}

static int ends_itself(outlive_request *request, int ending, void *userdata) {
    (void)ending, (void)userdata;
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_engine_requests(engine, calls_from_row, request), OUTLIVE_ERROR_INTERRUPTED);
    return OUTLIVE_OK;
}

static void callbacks_that_call_back(void) {
    const outlive_settings *settings = settings_of("");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, settings, NULL, &forced_request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_requests(engine, calls_from_row, forced_request), OUTLIVE_ERROR_INTERRUPTED);
    outlive_request_register_shutdown_function(forced_request, ends_itself, NULL, NULL);
    EQUAL(outlive_request_end(forced_request, NULL), OUTLIVE_OK);
    EQUAL(row_seen, 2);
    outlive_settings_free(settings);

    settings = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1");
    options.on_forced = calls_from_forced;
    EQUAL(outlive_request_begin(engine, settings, &options, &forced_request, NULL), OUTLIVE_OK);
    int64_t patience = now_ms() + 60000;
    while (!__atomic_load_n(&forced_seen, __ATOMIC_SEQ_CST) && now_ms() < patience) {
        sleep_ms(5);
    }
    CHECK(forced_answer == OUTLIVE_STOP || forced_answer == OUTLIVE_ERROR_BUSY);
    EQUAL(forced_gone, OUTLIVE_OK);
    EQUAL(outlive_request_is_forced(forced_request), 1);
    EQUAL(outlive_request_check(forced_request), OUTLIVE_STOP);
    EQUAL(outlive_request_end(forced_request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

/* ---- threads ---- */

static void *begins_and_leaves(void *userdata) {
    outlive_request **out = userdata;
    const outlive_settings *settings = settings_of("max_execution_time=100");
    EQUAL(outlive_request_begin(engine, settings, NULL, out, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_check(*out), OUTLIVE_OK);
    outlive_settings_free(settings);
    return NULL;
}

static void threads_that_end_early(void) {
    outlive_request *requests[64];
    pthread_t thread;
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    for (int i = 0; i < 64; i++) {
        EQUAL(pthread_create(&thread, NULL, begins_and_leaves, &requests[i]), 0);
        pthread_join(thread, NULL);
    }
    sleep_ms(50); /* some ticks, which look at the CPU clocks of threads that are no more */
    for (int i = 0; i < 64; i++) {
        EQUAL(outlive_request_check(requests[i]), OUTLIVE_OK);
        EQUAL(outlive_request_set_time_limit(requests[i], 1), OUTLIVE_OK);
    }
    sleep_ms(1200);
    for (int i = 0; i < 64; i++) {
        CHECK(outlive_request_check(requests[i]) >= 0);
        EQUAL(outlive_request_end(requests[i], NULL), OUTLIVE_OK);
    }
    outlive_engine_free(engine);
}

static void write_file(const char *name, const char *text) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

typedef struct small {
    outlive_config *config;
    int result;
} small;

/* Reading files needs 256 KB: patterns are compiled, and expressions may be deep. */
static void *builds(void *userdata) {
    small *self = userdata;
    char path[4200];
    outlive_error error = {0};
    outlive_config_builder *builder = outlive_config_builder_new();
    snprintf(path, sizeof path, "%s/small.ini", root);
    EQUAL(outlive_config_builder_load_php_ini(builder, path, OUTLIVE_NTS, &error), OUTLIVE_OK);
    snprintf(path, sizeof path, "%s/small.conf", root);
    EQUAL(outlive_config_builder_load_httpd_conf(builder, path, OUTLIVE_NTS, &error), OUTLIVE_OK);
    self->result = outlive_config_builder_build(builder, &self->config, &error);
    if (self->result != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
    }
    outlive_config_builder_free(builder);
    return NULL;
}

static int sees_origin(void *userdata, const outlive_origin *origin) {
    *(int *)userdata += origin->line != 0;
    return 0;
}

/* A request's whole life needs no more than 64 KB. */
static void *serves(void *userdata) {
    small *self = userdata;
    const outlive_settings *settings = NULL;
    outlive_target target = OUTLIVE_TARGET_INIT;
    outlive_error error = {0};
    outlive_request *request;
    outlive_str value;
    char metrics[8192];
    int lines = 0;
    target.uri = "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.php?x=y";
    target.filename = "/nowhere/a.php";
    self->result = outlive_config_resolve(self->config, &target, &settings, &error);
    if (self->result != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
    }
    EQUAL(outlive_settings_get(settings, "precision", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "4");
    EQUAL(outlive_settings_explain(settings, "precision", OUTLIVE_NTS, sees_origin, &lines), OUTLIVE_OK);
    EQUAL(lines, 2);
    EQUAL(outlive_request_begin(engine, settings, NULL, &request, &error), OUTLIVE_OK);
    EQUAL(outlive_request_ini_set(request, "ignore_user_abort", OUTLIVE_NTS, "1", 1, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(outlive_engine_metrics(engine, metrics, sizeof metrics, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(request, &error), OUTLIVE_OK);
    outlive_settings_free(settings);
    return NULL;
}

static void with_stack(size_t size, void *(*work)(void *), small *self) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    EQUAL(pthread_attr_setstacksize(&attributes, size), 0);
    EQUAL(pthread_create(&thread, &attributes, work, self), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    EQUAL(self->result, OUTLIVE_OK);
}

static void small_stacks(void) {
    small self = {NULL, OUTLIVE_OK};
    static char ini[40000];
    memset(ini, 0, sizeof ini);
    strcpy(ini, "a = ");
    memset(ini + 4, '(', 9000); /* deep, and yet legal */
    strcat(ini, "1");
    memset(ini + strlen(ini), ')', 9000);
    strcat(ini, "\nmax_execution_time = 5\n");
    write_file("small.ini", ini);
    write_file("small.conf", "LoadModule php_module libphp.so\nServerName localhost\nDocumentRoot /\n"
                             "<LocationMatch \"^/(?=(a+)+\\.php)(a|aa)+\\.php$\">\nphp_value precision 3\n</LocationMatch>\n"
                             "<If \"(((((((((((((((%{REQUEST_URI} =~ /(a|b)*p/)))))))))))))))\">\nphp_value precision 4\n</If>\n");
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    with_stack(256 << 10, builds, &self);
    with_stack(64 << 10, serves, &self);
    outlive_config_free(self.config);
    outlive_engine_free(engine);
}

/* ---- processes that lack something: each in a child ---- */

static void in_a_child(void (*work)(void)) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        alarm(120);
        work();
        fflush(NULL);
        _exit(failures != 0);
    }
    waitpid(child, &status, 0);
    EQUAL(status, 0);
}

static void without_standard_streams(void) {
    int said[2];
    char byte;
    EQUAL(pipe(said), 0);
    int keep = fcntl(said[0], F_DUPFD, 20), speak = fcntl(said[1], F_DUPFD, 20);
    close(said[0]);
    close(said[1]);
    close(0);
    close(1);
    close(2);
    const outlive_settings *settings = settings_of("outlive.detect=watch\nmax_execution_time=100");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request;
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pair[0] < 3); /* a client on descriptor 0 is watched like any other */
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    options.socket = pair[0];
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    /* the library keeps its own descriptors; whatever it wrote to 2 would arrive here, where 2 is free */
    if (fcntl(2, F_GETFD) == -1) {
        EQUAL(dup2(speak, 2), 2);
    }
    close(pair[1]);
    while (outlive_request_check(request) == OUTLIVE_OK) {
        sleep_ms(1);
    }
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    fcntl(keep, F_SETFL, O_NONBLOCK);
    EQUAL(read(keep, &byte, 1), -1);
}

static void without_proc(void) {
    const outlive_settings *settings = settings_of("max_execution_time=1\noutlive.detect=watch");
    if (chroot(root) != 0 || chdir("/") != 0) {
        fprintf(stderr, "left out: a chroot without /proc (not root)\n");
        failures += getenv("CI") != NULL && strcmp(getenv("CI"), "true") == 0;
        outlive_settings_free(settings);
        return;
    }
    CHECK(access("/proc/self", F_OK) != 0);
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    outlive_request *request = NULL;
    EQUAL(outlive_request_begin(engine, settings, NULL, &request, NULL), OUTLIVE_OK);
    volatile unsigned long spins = 0;
    while (outlive_request_check(request) == OUTLIVE_OK) { /* a second of this thread's CPU time, as for everybody */
        spins = spins + 1;
    }
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_TIME_LIMIT);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

static void without_descriptors(void) {
    struct rlimit none = {0, 0};
    outlive_error error = {0};
    const outlive_settings *settings = settings_of("");
    outlive_engine *never = NULL;
    EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    EQUAL(outlive_engine_new(NULL, &never, &error), OUTLIVE_ERROR_SYSTEM);
    CHECK(never == NULL && error.message[0] != 0);
    outlive_settings_free(settings);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        return 2;
    }
    root = argv[1];
    in_a_child(forked_in_every_state);
    callbacks_that_call_back();
    threads_that_end_early();
    small_stacks();
    in_a_child(without_standard_streams);
    in_a_child(without_proc);
    in_a_child(without_descriptors);
    return finished("hostile");
}
