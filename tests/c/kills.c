/* The scoreboard under kill -9: worker processes begin, relabel and end requests at full speed and are killed at random moments,
 * some while they claim their place, several at once. They note what they do in memory that outlives them, so that after each kill
 * it is known what the file must say: every row whole, what was in flight unfinished, nothing else, and no place lost for good.
 *
 * kills DIRECTORY [hundreds of kills] */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 6, THREADS = 2, PLACES = 24, ALL = THREADS * PLACES, MOST_SERIALS = 1 << 20, CAPACITY = 65536 };

/* What a worker says of one of its requests: number << 32 | version << 8 | step. */
enum step { FREE, BEGINNING, LIVE, RELABELLING, ENDING };
typedef struct worker {
    atomic_ullong places[ALL];
} worker;

typedef struct shared {
    worker workers[WORKERS];
    atomic_int done, reads, rows_read;
    atomic_char doomed[MOST_SERIALS];
    atomic_int pids[MOST_SERIALS];
} shared;

static shared *all;
static const outlive_settings *settings;
static char path[512];

static unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A label that shows if it is not whole: each of its parts says how the rest must look. */
static void make_label(char *label, unsigned serial, unsigned number, unsigned version) {
    int length = snprintf(label, 97, "%u/%u/%u ", serial, number, version);
    int whole = 32 + (int)((number * 7 + version * 13) % 65);
    memset(label + length, 'a' + (int)((number + version) % 26), (size_t)(whole - length));
    label[whole] = 0;
}

static void make_method(char *method, unsigned number) {
    snprintf(method, 9, "M%07u", number % 10000000);
}

/* ---- a worker ---- */

typedef struct thread {
    outlive_engine *engine;
    atomic_ullong *places;
    unsigned serial, first, seed; /* the threads number their requests in turn */
} thread;

static void *work(void *argument) {
    thread *self = argument;
    outlive_request *requests[PLACES] = {NULL};
    unsigned numbers[PLACES] = {0}, versions[PLACES] = {0}, last = self->first;
    char label[128], method[16];
    for (;;) {
        unsigned place = next_random(&self->seed) % PLACES, what = next_random(&self->seed) % 3;
        atomic_ullong *noted = &self->places[place];
        outlive_request **request = &requests[place];
        if (*request == NULL) {
            outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
            numbers[place] = last += THREADS;
            versions[place] = 0;
            make_label(label, self->serial, numbers[place], 0);
            make_method(method, numbers[place]);
            options.label = label;
            options.method = method;
            atomic_store(noted, (unsigned long long)numbers[place] << 32 | BEGINNING);
            if (outlive_request_begin(self->engine, settings, &options, request, NULL) != OUTLIVE_OK) {
                abort();
            }
            atomic_store(noted, (unsigned long long)numbers[place] << 32 | LIVE);
        } else if (what == 0) {
            unsigned version = versions[place];
            unsigned long long note = (unsigned long long)numbers[place] << 32;
            make_label(label, self->serial, numbers[place], version + 1);
            atomic_store(noted, note | version << 8 | RELABELLING);
            if (outlive_request_set_label(*request, label) != OUTLIVE_OK) {
                abort();
            }
            versions[place] = ++version;
            atomic_store(noted, note | version << 8 | LIVE);
        } else if (what == 1) {
            unsigned long long note = (unsigned long long)numbers[place] << 32 | versions[place] << 8;
            atomic_store(noted, note | ENDING);
            if (outlive_request_end(*request, NULL) != OUTLIVE_OK) {
                abort();
            }
            *request = NULL;
            atomic_store(noted, FREE);
        }
    }
    return NULL;
}

static pid_t start_worker(int which, unsigned serial) {
    worker *worker = &all->workers[which];
    for (int i = 0; i < ALL; i++) {
        atomic_store(&worker->places[i], FREE);
    }
    pid_t child = fork();
    if (child != 0) {
        atomic_store(&all->pids[serial], child);
        return child;
    }
    atomic_store(&all->pids[serial], getpid());
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_error error;
    thread threads[THREADS];
    pthread_t id;
    options.scoreboard = path;
    if (outlive_engine_new(&options, &threads[0].engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "worker: %s\n", error.message);
        abort();
    }
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (thread){threads[0].engine, &worker->places[i * PLACES], serial, i, serial * 31 + i};
        if (i > 0) {
            pthread_create(&id, NULL, work, &threads[i]);
        }
    }
    work(&threads[0]);
    return 0;
}

/* ---- what is read ---- */

typedef struct found {
    unsigned serial, number, version;
    int64_t process;
    int unfinished;
} found;

typedef struct reading {
    found *rows;
    int count, room, unfinished;
} reading;

/* Takes the row apart; every part must fit every other. */
static int see(void *userdata, const outlive_scoreboard_row *row) {
    reading *self = userdata;
    found found = {.process = row->process, .unfinished = row->unfinished};
    char label[128], method[16];
    if (sscanf(row->request.label.ptr, "%u/%u/%u", &found.serial, &found.number, &found.version) != 3) {
        found.number = 0;
    }
    make_label(label, found.serial, found.number, found.version);
    make_method(method, found.number);
    CHECK(strcmp(label, row->request.label.ptr) == 0 && strcmp(method, row->request.method.ptr) == 0);
    if (found.serial < MOST_SERIALS && found.serial > 0) {
        EQUAL(row->process, atomic_load(&all->pids[found.serial]));
        CHECK(!row->unfinished || atomic_load(&all->doomed[found.serial]));
    }
    CHECK(row->request.stage == OUTLIVE_STAGE_RUNNING && row->request.gone_ms == -1 && row->request.time_limit == 30);
    CHECK(row->request.age_ms < 600000 && row->request.time_left_ms <= 30000);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 1024;
        self->rows = realloc(self->rows, (size_t)self->room * sizeof *self->rows);
    }
    self->rows[self->count++] = found;
    self->unfinished += row->unfinished != 0;
    return 0;
}

static reading read_board(void) {
    reading reading = {0};
    outlive_error error = {0};
    if (outlive_scoreboard_read(path, OUTLIVE_NTS, see, &reading, &error) != OUTLIVE_OK) {
        fprintf(stderr, "read: %s\n", error.message);
        CHECK(!"the scoreboard can be read at any time");
    }
    return reading;
}

static pid_t start_reader(void) {
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    while (!atomic_load(&all->done)) {
        reading reading = read_board();
        atomic_fetch_add(&all->reads, 1);
        atomic_fetch_add(&all->rows_read, reading.count);
        free(reading.rows);
    }
    _exit(failures != 0);
}

/* ---- what must be there ---- */

/* After the death of a worker: exactly what it had in flight is unfinished, but that each thread's step in progress may count or not. */
static int compare(int which, unsigned serial) {
    reading reading = read_board();
    int listed = 0, matched = 0;
    for (int i = 0; i < reading.count; i++) {
        if (reading.rows[i].serial == serial) {
            CHECK(reading.rows[i].unfinished);
            listed++;
        }
    }
    for (int i = 0; i < ALL; i++) {
        unsigned long long note = atomic_load(&all->workers[which].places[i]);
        unsigned number = (unsigned)(note >> 32), version = (unsigned)(note >> 8) & 0xffffff, step = note & 0xff;
        int hits = 0;
        for (int j = 0; j < reading.count && step != FREE; j++) {
            const found *row = &reading.rows[j];
            hits += row->serial == serial && row->number == number &&
                    (row->version == version || (step == RELABELLING && row->version == version + 1));
        }
        matched += hits;
        CHECK(step == FREE || step == BEGINNING || step == ENDING || hits == 1);
        CHECK(hits <= 1);
    }
    EQUAL(matched, listed);
    free(reading.rows);
    return listed;
}

static void kill_many(int kills) {
    pid_t pids[WORKERS];
    unsigned serials[WORKERS], serial = 0, seed = (unsigned)time(NULL);
    int killed = 0, left = 0, early = 0, in_flight = 0;
    printf("seed %u\n", seed);
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = start_worker(i, serials[i] = ++serial);
    }
    pid_t reader = start_reader();
    while (killed < kills) {
        /* One to three at once, some of them hardly born. */
        int at_once = 1 + (int)(next_random(&seed) % 3), first = (int)(next_random(&seed) % WORKERS);
        int soon = next_random(&seed) % 4 == 0;
        usleep(soon ? next_random(&seed) % 400 : next_random(&seed) % 4000);
        for (int i = 0; i < at_once; i++) {
            int which = (first + i) % WORKERS;
            atomic_store(&all->doomed[serials[which]], 1);
            kill(pids[which], SIGKILL);
        }
        for (int i = 0; i < at_once; i++) {
            int which = (first + i) % WORKERS, status;
            EQUAL(waitpid(pids[which], &status, 0), pids[which]);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            int listed = compare(which, serials[which]);
            early += listed == 0;
            left += listed;
            in_flight += listed;
            killed++;
            pids[which] = start_worker(which, serials[which] = ++serial);
        }
        if (next_random(&seed) % 8 == 0) {
            size_t cleared = 0;
            reading reading = read_board();
            EQUAL(reading.unfinished, left);
            free(reading.rows);
            EQUAL(outlive_scoreboard_clear(path, OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
            EQUAL(cleared, left);
            left = 0;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        atomic_store(&all->doomed[serials[i]], 1);
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
        left += compare(i, serials[i]);
    }
    atomic_store(&all->done, 1);
    int status;
    waitpid(reader, &status, 0);
    EQUAL(status, 0);
    size_t cleared = 0;
    EQUAL(outlive_scoreboard_clear(path, OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, left);
    printf("%d kills, %d with nothing begun; %d requests were left unfinished; %d reads of %d rows meanwhile\n", killed, early, in_flight,
           atomic_load(&all->reads), atomic_load(&all->rows_read));
    CHECK(atomic_load(&all->reads) > 0 && atomic_load(&all->rows_read) > 0 && in_flight > 0);
}

/* ---- no place is lost ---- */

static pid_t begin_many(unsigned serial, int count) {
    int ready[2];
    char byte = 0;
    EQUAL(pipe(ready), 0);
    pid_t child = fork();
    atomic_store(&all->pids[serial], child ? child : getpid());
    if (child == 0) {
        outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
        outlive_engine *engine = NULL;
        char label[128], method[16];
        options.scoreboard = path;
        CHECK(outlive_engine_new(&options, &engine, NULL) == OUTLIVE_OK);
        for (int i = 1; i <= count; i++) {
            outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
            outlive_request *request;
            make_label(label, serial, (unsigned)i, 0);
            make_method(method, (unsigned)i);
            options.label = label;
            options.method = method;
            CHECK(outlive_request_begin(engine, settings, &options, &request, NULL) == OUTLIVE_OK);
        }
        byte = failures ? 'x' : 'y';
        CHECK(write(ready[1], &byte, 1) == 1);
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    EQUAL(read(ready[0], &byte, 1), 1);
    EQUAL(byte, 'y');
    close(ready[0]);
    return child;
}

static int count_of(unsigned serial) {
    reading reading = read_board();
    int count = 0;
    for (int i = 0; i < reading.count; i++) {
        count += reading.rows[i].serial == serial;
    }
    free(reading.rows);
    return count;
}

static void end_of(pid_t child, unsigned serial) {
    atomic_store(&all->doomed[serial], 1);
    kill(child, SIGKILL);
    EQUAL(waitpid(child, NULL, 0), child);
}

static void nothing_is_lost(void) {
    unsigned full = MOST_SERIALS - 1, next = MOST_SERIALS - 2;
    pid_t one = begin_many(full, CAPACITY + 5); /* more than there is room for, which is no request's fault */
    EQUAL(count_of(full), CAPACITY);
    pid_t other = begin_many(next, 100);
    EQUAL(count_of(next), 0); /* whoever lives keeps what it has */
    EQUAL(count_of(full), CAPACITY);
    end_of(other, next);
    end_of(one, full);
    EQUAL(count_of(full), CAPACITY);
    other = begin_many(next, 100); /* what the dead had is taken, as much as is needed */
    EQUAL(count_of(next), 100);
    EQUAL(count_of(full), CAPACITY - 112);
    end_of(other, next);
    size_t cleared = 0;
    EQUAL(outlive_scoreboard_clear(path, OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, CAPACITY - 12);
    reading reading = read_board();
    EQUAL(reading.count, 0);
    free(reading.rows);
}

int main(int argc, char **argv) {
    snprintf(path, sizeof path, "%s/board", argv[1]);
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    settings = settings_of("");
    kill_many(100 * (argc > 2 ? atoi(argv[2]) : 3));
    nothing_is_lost();
    outlive_settings_free(settings);
    return finished("kills");
}
