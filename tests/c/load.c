/*
 * Many requests at once, counted: a million with time limits, of which some run out, each once; ten thousand real connections that
 * clients leave in every way, each noticed once. With a second argument below 100 it does with less (memory checkers).
 */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static outlive_engine *engine;

typedef struct one {
    outlive_request *request;
    unsigned char stops, last_stop, functions, ending;
} one;

static void count_stop(void *userdata, int ending) {
    one *self = userdata;
    self->last_stop = (unsigned char)ending;
    __atomic_add_fetch(&self->stops, 1, __ATOMIC_SEQ_CST);
}

static int count_function(outlive_request *request, int ending, void *userdata) {
    one *self = userdata;
    (void)request;
    self->functions++;
    self->ending = (unsigned char)ending;
    return OUTLIVE_OK;
}

static long resident_mb(void) {
    long pages = 0, whole = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &whole, &pages) != 2) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void begin_one(one *self, const outlive_settings *settings, int socket) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.method = "POST";
    options.on_stop = count_stop;
    options.userdata = self;
    options.socket = socket;
    EQUAL(outlive_request_begin(engine, settings, &options, &self->request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(self->request, count_function, self, NULL), OUTLIVE_OK);
}

static long stopped(const one *all, long count) {
    long stops = 0;
    for (long i = 0; i < count; i++) {
        stops += __atomic_load_n(&all[i].stops, __ATOMIC_SEQ_CST);
    }
    return stops;
}

static void wait_for_stops(const one *all, long count, long expected) {
    for (int wait = 0; wait < 2400 && stopped(all, count) < expected; wait++) {
        sleep_ms(50);
    }
    sleep_ms(100); /* whatever comes twice has had time to */
    EQUAL(stopped(all, count), expected);
}

static long metric(const char *name) {
    static char text[16384];
    EQUAL(outlive_engine_metrics(engine, text, sizeof text, NULL), OUTLIVE_OK);
    const char *found = strstr(text, name);
    CHECK(found != NULL);
    return found == NULL ? -1 : atol(found + strlen(name));
}

static int count_row(void *userdata, const outlive_request_row *row) {
    (void)row;
    ++*(long *)userdata;
    return 0;
}

/* Every seventh runs out of its second, the others have an hour. */
static void million(long count) {
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_execution_time=3600\nhard_timeout=0");
    one *all = calloc((size_t)count, sizeof *all);
    long expected = 0, rows = 0, before = resident_mb(), limits = metric("\noutlive_time_limits_total ");
    for (long i = 0; i < count; i++) {
        begin_one(&all[i], settings, -1);
        if (i % 7 == 0) {
            expected++;
            EQUAL(outlive_request_set_time_limit(all[i].request, 1), OUTLIVE_OK);
        }
    }
    printf("%ld live requests, each with a limit and a shutdown function: %ld MB\n", count, resident_mb() - before);
    EQUAL(outlive_engine_requests(engine, count_row, &rows), OUTLIVE_OK);
    EQUAL(rows, count);
    EQUAL(metric("\noutlive_requests_in_flight "), count);
    wait_for_stops(all, count, expected);
    EQUAL(metric("\noutlive_time_limits_total ") - limits, expected);
    for (long i = 0; i < count; i++) {
        int out = i % 7 == 0;
        EQUAL(all[i].stops, out);
        EQUAL(outlive_request_check(all[i].request), out ? OUTLIVE_STOP : OUTLIVE_OK);
        EQUAL(outlive_request_end(all[i].request, NULL), OUTLIVE_OK);
        EQUAL(all[i].functions, 1);
        EQUAL(all[i].ending, out ? OUTLIVE_ENDING_TIME_LIMIT : OUTLIVE_ENDING_COMPLETED);
    }
    EQUAL(metric("\noutlive_requests_in_flight "), 0);
    free(all);
    outlive_settings_free(settings);
}

/* ---- connections ---- */

enum way { STAYS, CLOSES, RESETS, HALF_CLOSES, HALF_CLOSES_AND_MAY, WAYS };

typedef struct connection {
    one one;
    int socket;
    enum way way;
} connection;

static connection *connections;

static unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The clients are a process of their own, so that a process holds one end of each connection only. They connect in order, and leave
 * in random order when they are told to. */
static void be_the_clients(long count, int port, int told) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((unsigned short)port)};
    unsigned *shuffled = calloc((size_t)count, sizeof *shuffled), state = 2;
    int *clients = calloc((size_t)count, sizeof *clients);
    char word;
    for (long i = 0; i < count; i++) {
        shuffled[i] = (unsigned)i;
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (clients[i] < 0 || connect(clients[i], (struct sockaddr *)&address, sizeof address) != 0) {
            perror("connect");
            _exit(1);
        }
    }
    for (long i = count - 1; i > 0; i--) {
        long j = next_random(&state) % (i + 1);
        unsigned swap = shuffled[i];
        shuffled[i] = shuffled[j];
        shuffled[j] = swap;
    }
    if (read(told, &word, 1) != 1) {
        _exit(1);
    }
    for (long i = 0; i < count; i++) {
        struct linger hard = {1, 0};
        int client = clients[shuffled[i]];
        switch (connections[shuffled[i]].way) {
        case RESETS: setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); close(client); break;
        case CLOSES: close(client); break;
        case HALF_CLOSES:
        case HALF_CLOSES_AND_MAY: shutdown(client, SHUT_WR); break;
        default: break;
        }
    }
    _exit(read(told, &word, 1) == 0 ? 0 : 1); /* the rest goes when the server has looked */
}

static void real_connections(long count) {
    const outlive_settings *gone = settings_of("outlive.detect=watch\nignore_user_abort=0");
    const outlive_settings *open = settings_of("outlive.detect=watch\nignore_user_abort=0\noutlive.half_close=open");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)count + 100) {
        printf("the system allows %ld descriptors, too few for %ld connections\n", (long)limit.rlim_cur, count);
        CHECK(getenv("CI") == NULL);
        return;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), tell[2];
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1000) == 0 && pipe(tell) == 0);
    getsockname(listener, (struct sockaddr *)&address, &length);

    connections = calloc((size_t)count, sizeof *connections);
    unsigned state = 1;
    long expected = 0;
    for (long i = 0; i < count; i++) {
        enum way way = next_random(&state) % WAYS;
        expected += way == CLOSES || way == RESETS || way == HALF_CLOSES;
        connections[i].way = way;
    }
    fflush(NULL);
    pid_t clients = fork();
    if (clients == 0) {
        close(tell[1]);
        close(listener);
        be_the_clients(count, ntohs(address.sin_port), tell[0]);
    }
    close(tell[0]);
    for (long i = 0; i < count; i++) {
        connection *self = &connections[i];
        self->socket = accept(listener, NULL, NULL);
        CHECK(self->socket >= 0);
        begin_one(&self->one, self->way == HALF_CLOSES_AND_MAY ? open : gone, self->socket);
    }
    long aborted = metric("outlive_requests_ended_total{ending=\"aborted\"} ");
    EQUAL(write(tell[1], "g", 1), 1);
    long stops = 0;
    for (int wait = 0; wait < 2400 && stops < expected; wait++) {
        sleep_ms(50);
        stops = 0;
        for (long i = 0; i < count; i++) {
            stops += __atomic_load_n(&connections[i].one.stops, __ATOMIC_SEQ_CST);
        }
    }
    sleep_ms(100);
    EQUAL(metric("\noutlive_requests_detached "), expected);
    for (long i = 0; i < count; i++) {
        connection *self = &connections[i];
        int left = self->way != STAYS && self->way != HALF_CLOSES_AND_MAY;
        EQUAL(self->one.stops, left);
        EQUAL(outlive_request_is_gone(self->one.request), left);
        EQUAL(outlive_request_check(self->one.request), left ? OUTLIVE_STOP : OUTLIVE_OK);
        EQUAL(outlive_request_end(self->one.request, NULL), OUTLIVE_OK);
        EQUAL(self->one.functions, 1);
        EQUAL(self->one.ending, left ? OUTLIVE_ENDING_ABORTED : OUTLIVE_ENDING_COMPLETED);
        close(self->socket);
    }
    EQUAL(metric("outlive_requests_ended_total{ending=\"aborted\"} ") - aborted, expected);
    EQUAL(metric("\noutlive_requests_detached "), 0);
    printf("%ld connections, %ld clients left: each noticed once\n", count, expected);
    int status = 0;
    close(tell[1]);
    EQUAL(waitpid(clients, &status, 0), clients);
    CHECK(WIFEXITED(status));
    close(listener);
    free(connections);
    outlive_settings_free(gone);
    outlive_settings_free(open);
}

int main(int argc, char **argv) {
    int small = argc > 2 && atoi(argv[2]) < 100;
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    million(small ? 2000 : 1000000);
    real_connections(small ? 200 : 10000);
    EQUAL(outlive_engine_drain(engine, 1000), OUTLIVE_OK);
    outlive_engine_free(engine);
    return finished("load");
}
