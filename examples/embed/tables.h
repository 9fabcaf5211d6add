/*
 * The work that the three servers here share: a form is saved by writing tables A, B, C and D, which are lines of one text file.
 * Whoever holds a lock (flock) on the file "C.lock" keeps the third one waiting. Nothing in here knows of connections.
 */
#ifndef TABLES_H
#define TABLES_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Appends one line to DIR/tables. */
static inline void tables_note(const char *dir, const char *line) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tables", dir);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0 || dprintf(file, "%s\n", line) < 0) {
        perror(path);
    }
    if (file >= 0) {
        close(file);
    }
}

/* Writes one table; 0: it is locked, try again later. */
static inline int tables_write(const char *dir, char table) {
    char path[4096], line[2] = {table, 0};
    snprintf(path, sizeof path, "%s/%c.lock", dir, table);
    int lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0) {
        close(lock);
        return 0;
    }
    tables_note(dir, line);
    if (lock >= 0) {
        close(lock);
    }
    return 1;
}

#endif
