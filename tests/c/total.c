/*
 * outlive.max_detached_total: one cap for all processes that share a scoreboard. The first argument is a directory to work in. Each process is a child that
 * does what it is told through a pipe and answers with how many of its requests still work on.
 */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAP = 5, PROCESSES = 8, EACH = 3 };

static char path[512];

typedef struct process {
    pid_t pid;
    int orders, answers;
} process;

static const outlive_settings *capped(void) {
    char lines[700];
    snprintf(lines, sizeof lines, "ignore_user_abort=1\nmax_execution_time=0\noutlive.max_detached_total=%d\noutlive.scoreboard=%s", CAP, path);
    return settings_of(lines);
}

/* How many have not been told to stop, once that does not change any more. */
static int working(outlive_request *const *requests, int count) {
    int left = 0;
    sleep_ms(300);
    for (int i = 0; i < count; i++) {
        left += outlive_request_check(requests[i]) == OUTLIVE_OK;
    }
    return left;
}

/* 'g': the clients go. 'f': responses are finished early. 'e': all end, and as many begin. 'q': all end, and the process does. */
static void serve(int orders, int answers) {
    const outlive_settings *settings = capped();
    outlive_engine *engine = NULL;
    outlive_request *requests[EACH];
    host host = {0};
    char order;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.method = "POST";
    options.write = host_write;
    options.userdata = &host;
    alarm(60);
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    for (int i = 0; i < EACH; i++) {
        EQUAL(outlive_request_begin(engine, settings, &options, &requests[i], NULL), OUTLIVE_OK);
    }
    while (read(orders, &order, 1) == 1 && order != 'q') {
        for (int i = 0; i < EACH; i++) {
            if (order == 'g') {
                EQUAL(outlive_request_client_gone(requests[i]), OUTLIVE_OK);
            } else if (order == 'f') {
                EQUAL(outlive_request_finish(requests[i]), OUTLIVE_OK);
            } else {
                EQUAL(outlive_request_end(requests[i], NULL), OUTLIVE_OK);
                EQUAL(outlive_request_begin(engine, settings, &options, &requests[i], NULL), OUTLIVE_OK);
            }
        }
        char left = (char)(failures != 0 ? 99 : working(requests, EACH));
        if (write(answers, &left, 1) != 1) {
            break;
        }
    }
    for (int i = 0; i < EACH; i++) {
        outlive_request_end(requests[i], NULL);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    _exit(failures != 0);
}

static process start(void) {
    process made;
    int orders[2], answers[2];
    EQUAL(pipe(orders), 0);
    EQUAL(pipe(answers), 0);
    fflush(NULL);
    made.pid = fork();
    if (made.pid == 0) {
        close(orders[1]);
        close(answers[0]);
        serve(orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    made.orders = orders[1];
    made.answers = answers[0];
    return made;
}

static void order(const process *to, char what) {
    EQUAL(write(to->orders, &what, 1), 1);
}

static int answer(const process *of) {
    char left = 99;
    EQUAL(read(of->answers, &left, 1), 1);
    return left;
}

static int all(const process *processes, int count, char what) {
    int left = 0;
    for (int i = 0; i < count; i++) {
        order(&processes[i], what);
    }
    for (int i = 0; i < count; i++) {
        left += answer(&processes[i]);
    }
    return left;
}

static void stop(process *one, int signal) {
    if (signal) {
        kill(one->pid, signal);
    } else {
        order(one, 'q');
    }
    close(one->orders);
    close(one->answers);
    waitpid(one->pid, NULL, 0);
}

int main(int argc, char **argv) {
    (void)argc;
    process processes[PROCESSES], late;
    snprintf(path, sizeof path, "%s/board", argv[1]);
    for (int i = 0; i < PROCESSES; i++) {
        processes[i] = start();
    }
    /* all at once: as many as may, neither more nor fewer; and again, once those have ended */
    EQUAL(all(processes, PROCESSES, 'g'), CAP);
    EQUAL(all(processes, PROCESSES, 'e'), PROCESSES * EACH);
    EQUAL(all(processes, PROCESSES, 'g'), CAP);
    /* a process that comes later finds no room, and does once those that took it have been killed: nothing is leaked */
    late = start();
    EQUAL(all(&late, 1, 'g'), 0);
    EQUAL(all(&late, 1, 'e'), EACH);
    for (int i = 0; i < PROCESSES; i++) {
        stop(&processes[i], SIGKILL);
    }
    EQUAL(all(&late, 1, 'g'), EACH);
    /* responses that were finished early count from then on */
    EQUAL(all(&late, 1, 'e'), EACH);
    for (int i = 0; i < 2; i++) {
        processes[i] = start();
    }
    EQUAL(all(processes, 2, 'f'), CAP);
    EQUAL(all(&late, 1, 'g'), 0);
    for (int i = 0; i < 2; i++) {
        stop(&processes[i], 0);
    }
    EQUAL(all(&late, 1, 'e'), EACH);
    EQUAL(all(&late, 1, 'g'), EACH);
    stop(&late, 0);

    /* without a scoreboard, this engine's own are counted */
    const outlive_settings *settings = settings_of("ignore_user_abort=1\noutlive.max_detached_total=1");
    outlive_engine *engine = NULL;
    outlive_request *requests[2];
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            EQUAL(outlive_request_begin(engine, settings, NULL, &requests[i], NULL), OUTLIVE_OK);
            EQUAL(outlive_request_client_gone(requests[i]), OUTLIVE_OK);
        }
        EQUAL(working(requests, 2), 1);
        for (int i = 0; i < 2; i++) {
            EQUAL(outlive_request_end(requests[i], NULL), OUTLIVE_OK);
        }
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    return finished("total");
}
