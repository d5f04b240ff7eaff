/* SPDX-License-Identifier: 0BSD */
/* The three steps of a group, for batch.c: what to load, what was loaded, what to store. */
#ifndef BOXOFFICE_STEPS_H
#define BOXOFFICE_STEPS_H

#include "base/strbuf.h"
#include "batch/batch.h"

/* A key of the group, as batch_load has found it. */
struct claimed {
    size_t request; /* index in the group */
    bool found, ours, same_request;
};

struct group {
    struct batch_request *request[BATCH_MAX];
    size_t count;
    bool brief; /* no lock is waited for twice */
    struct sale sale;
    struct claimed key[BATCH_MAX];
    size_t keys;
    bool keys_busy;
    size_t
        reservation_of[BATCH_MAX]; /* per request: index of the reservation that it holds or pays */
};

/* Locks and reads (load.c). */
enum err group_load(struct db *db, struct group *g) MUST_USE;
/* Lets the rules decide on one request of the group (decide.c). */
void group_decide(struct group *g, size_t request, const struct sale_terms *terms);
/* Writes what was decided, answers of keys with it, and commits; fills in new ids (store.c). */
enum err group_store(struct db *db, struct group *g) MUST_USE;

/* Lists of rows as JSON text: `[[…],[…]]`. */
struct rows {
    struct strbuf text;
    size_t count;
};
void rows_begin(struct rows *rows);
void rows_end(struct rows *rows);
/* A parameter: NULL when there are none. */
struct db_arg rows_arg(struct rows *rows);
__attribute__((format(printf, 2, 3))) void rows_put(struct rows *rows, const char *format, ...);
/* A value in quotes and hexadecimal. */
void rows_hex(struct rows *rows, const void *bytes, size_t len);

#endif
