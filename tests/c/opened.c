/*
 * How a scoreboard's file is come by, as an attacker would have it: what others could have put in its place is refused, and left as it was. The first
 * argument is a directory to work in. As root, files are planted by another account; else only what needs no other account is tried.
 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OTHER = 65534, THIRD = 65533 };

static char base[400];
static const outlive_settings *settings;

static const char *at(const char *name) {
    static char names[8][512];
    static int turn;
    char *name_at = names[turn++ % 8];
    snprintf(name_at, sizeof names[0], "%s/%s", base, name);
    return name_at;
}

static void write_text(const char *path, const char *text, int mode) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
    EQUAL(chmod(path, (mode_t)mode), 0);
}

static int opens(const char *path, outlive_error *error) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.scoreboard = path;
    int answer = outlive_engine_new(&options, &engine, error);
    outlive_engine_free(engine);
    return answer;
}

/* The same by the directive, where requests run on. */
static int opens_by_directive(const char *path) {
    char lines[600];
    outlive_engine *engine = NULL;
    outlive_request *request = NULL;
    snprintf(lines, sizeof lines, "outlive.scoreboard=%s", path);
    const outlive_settings *named = settings_of(lines);
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, named, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    int answer = outlive_engine_scoreboard(engine, NULL);
    outlive_engine_free(engine);
    outlive_settings_free(named);
    return answer;
}

/* Nobody takes it, and nothing of it is changed. */
static void refused(const char *path, const char *really, const char *why) {
    struct stat before, after;
    outlive_error error = {0};
    EQUAL(lstat(really, &before), 0);
    EQUAL(opens(path, &error), OUTLIVE_ERROR_IO);
    CHECK(strstr(error.message, why) != NULL);
    if (strstr(error.message, why) == NULL) {
        fprintf(stderr, "%s: %s\n", path, error.message);
    }
    EQUAL(opens_by_directive(path), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_prepare(path, OUTLIVE_NTS, OTHER, OTHER, &error), OUTLIVE_ERROR_IO);
    CHECK(error.message[0] != 0 && strcmp(error.file, path) == 0);
    EQUAL(lstat(really, &after), 0);
    CHECK(before.st_uid == after.st_uid && before.st_gid == after.st_gid && before.st_mode == after.st_mode);
    CHECK(before.st_size == after.st_size && before.st_ino == after.st_ino && before.st_mtime == after.st_mtime);
}

static void what_is_no_plain_file(void) {
    refused(base, base, "regular file");
    refused("/dev/null", "/dev/null", "regular file");
    EQUAL(mkfifo(at("pipe"), 0600), 0);
    refused(at("pipe"), at("pipe"), "regular file");
    write_text(at("text"), "root:x:0:0\n", 0600);
    refused(at("text"), at("text"), "no scoreboard");
    EQUAL(symlink("text", at("link")), 0);
    refused(at("link"), at("text"), "symbolic link");
    EQUAL(opens(at("board"), NULL), OUTLIVE_OK);
    EQUAL(opens_by_directive(at("board")), OUTLIVE_OK);
    EQUAL(link(at("board"), at("second name")), 0);
    refused(at("board"), at("board"), "hard link");
    refused(at("second name"), at("board"), "hard link");
    EQUAL(unlink(at("second name")), 0);
    EQUAL(chmod(at("board"), 0620), 0);
    refused(at("board"), at("board"), "group");
    EQUAL(chmod(at("board"), 0602), 0);
    refused(at("board"), at("board"), "everybody");
    EQUAL(chmod(at("board"), 0600), 0);
    EQUAL(opens(at("board"), NULL), OUTLIVE_OK);
    /* a link of one's own on the way, and a relative way */
    EQUAL(mkdir(at("real"), 0755), 0);
    EQUAL(symlink("real", at("way")), 0);
    EQUAL(opens(at("way/../way/./board"), NULL), OUTLIVE_OK);
    EQUAL(access(at("real/board"), F_OK), 0);
    EQUAL(symlink("round", at("round")), 0);
    EQUAL(opens(at("round/board"), NULL), OUTLIVE_ERROR_IO);
    EQUAL(opens(at("text/board"), NULL), OUTLIVE_ERROR_IO);
    EQUAL(opens(at("none/board"), NULL), OUTLIVE_ERROR_IO);
    char here[512];
    CHECK(getcwd(here, sizeof here) != NULL && chdir(base) == 0);
    EQUAL(opens("real/relative", NULL), OUTLIVE_OK);
    EQUAL(chdir(here), 0);
    EQUAL(access(at("real/relative"), F_OK), 0);
}

/* In a child that is another account; it tells of failed checks by its status. */
static void as_other(void (*work)(void)) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        if (setgid(OTHER) != 0 || setuid(OTHER) != 0) {
            _exit(99);
        }
        work();
        outlive_settings_free(settings); /* its copy of them: valgrind looks at what is left here, too */
        _exit(failures != 0);
    }
    waitpid(child, &status, 0);
    EQUAL(status, 0);
}

static void plant(void) {
    EQUAL(opens(at("theirs/board"), NULL), OUTLIVE_OK);
    EQUAL(symlink("../rooms", at("theirs/way")), 0);
    EQUAL(symlink("/etc", at("sticky/way")), 0);
    EQUAL(mkfifo(at("theirs/pipe"), 0666), 0);
}

static void uses_prepared(void) {
    EQUAL(opens(at("rooms/prepared"), NULL), OUTLIVE_OK);
    EQUAL(opens_by_directive(at("rooms/prepared")), OUTLIVE_OK);
    EQUAL(opens(at("rooms/shared"), NULL), OUTLIVE_OK);
    EQUAL(opens(at("rooms/roots"), NULL), OUTLIVE_ERROR_IO);
}

static void what_others_planted(void) {
    struct stat facts;
    outlive_error error = {0};
    EQUAL(mkdir(at("theirs"), 0755), 0);
    EQUAL(chown(at("theirs"), OTHER, OTHER), 0);
    EQUAL(mkdir(at("sticky"), 0755), 0);
    EQUAL(chmod(at("sticky"), 01777), 0);
    EQUAL(mkdir(at("rooms"), 0755), 0);
    as_other(plant);
    /* a board of another account's is never root's to adopt; for that account it may be prepared */
    EQUAL(opens(at("theirs/board"), &error), OUTLIVE_ERROR_IO);
    CHECK(strstr(error.message, "another user") != NULL);
    EQUAL(outlive_scoreboard_prepare(at("theirs/board"), OUTLIVE_NTS, OTHER, OTHER, NULL), OUTLIVE_OK);
    EQUAL(outlive_scoreboard_prepare(at("theirs/board"), OUTLIVE_NTS, THIRD, THIRD, NULL), OUTLIVE_ERROR_IO);
    /* links that they set, in a directory of theirs and in one that is everybody's */
    refused(at("theirs/way/board"), at("theirs/way"), "symbolic link");
    EQUAL(access(at("rooms/board"), F_OK), -1);
    refused(at("sticky/way/passwd"), "/etc/passwd", "symbolic link");
    refused(at("theirs/pipe"), at("theirs/pipe"), "regular file");
    /* a link of root's in their directory could be another one by now */
    EQUAL(symlink("../rooms", at("theirs/roots")), 0);
    refused(at("theirs/roots/board"), at("theirs/roots"), "symbolic link");
    /* a secret of root's, by its name and by a second one in their directory */
    write_text(at("secret"), "password = x\n", 0600);
    refused(at("secret"), at("secret"), "");
    EQUAL(link(at("secret"), at("theirs/secret")), 0);
    refused(at("theirs/secret"), at("secret"), "hard link");
    if (mknod(at("theirs/device"), S_IFBLK | 0660, makedev(7, 0)) == 0) {
        refused(at("theirs/device"), at("theirs/device"), "regular file");
    }

    /* what is made for them is theirs, and theirs alone; a second time nothing is changed */
    for (int again = 0; again < 2; again++) {
        EQUAL(outlive_scoreboard_prepare(at("rooms/prepared"), OUTLIVE_NTS, OTHER, THIRD, &error), OUTLIVE_OK);
        EQUAL(stat(at("rooms/prepared"), &facts), 0);
        CHECK(facts.st_uid == OTHER && facts.st_gid == THIRD && (facts.st_mode & 07777) == 0600);
    }
    /* root's own, empty: not given away */
    write_text(at("rooms/roots"), "", 0600);
    EQUAL(outlive_scoreboard_prepare(at("rooms/roots"), OUTLIVE_NTS, OTHER, OTHER, &error), OUTLIVE_ERROR_IO);
    CHECK(strstr(error.message, "root's") != NULL);
    EQUAL(stat(at("rooms/roots"), &facts), 0);
    EQUAL(facts.st_uid, 0);
    /* root's, with a group that may write it: an administrator said so */
    write_text(at("rooms/shared"), "", 0660);
    EQUAL(chown(at("rooms/shared"), 0, OTHER), 0);
    EQUAL(outlive_scoreboard_prepare(at("rooms/shared"), OUTLIVE_NTS, OTHER, OTHER, &error), OUTLIVE_OK);
    EQUAL(outlive_scoreboard_prepare(at("rooms/shared"), OUTLIVE_NTS, OTHER, THIRD, &error), OUTLIVE_ERROR_IO);
    as_other(uses_prepared);
}

int main(int argc, char **argv) {
    (void)argc;
    CHECK(realpath(argv[1], base) != NULL);
    char *parent = strdup(base);
    struct stat facts;
    EQUAL(chmod(base, 0755), 0);
    *strrchr(parent, '/') = 0;
    EQUAL(stat(parent, &facts), 0);
    EQUAL(chmod(parent, (facts.st_mode & 07777) | 0011), 0); /* mktemp's: another account has to come through */
    free(parent);
    settings = settings_of("");
    what_is_no_plain_file();
    if (geteuid() == 0) {
        what_others_planted();
    }
    EQUAL(outlive_scoreboard_prepare(NULL, 0, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    outlive_settings_free(settings);
    return finished("opened");
}
