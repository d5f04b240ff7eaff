/* SPDX-License-Identifier: 0BSD */
/* What the parts of the audit share: one check at work, what it found, and the streams that they
 * read. */
#ifndef BOXOFFICE_AUDIT_CHECK_H
#define BOXOFFICE_AUDIT_CHECK_H

#include "sale/sale.h"
#include "store/db.h"

#include <stdio.h>

struct json_object;

struct audit {
    struct db *db;
    FILE *out;
    struct json_object *json; /* or NULL: lines on `out` */
    bool failed;
};

/* One thing that is proved. `rows`: how many were read for it; whoever reads them counts. */
struct check {
    uint64_t rows, offending;
    struct json_object *shown; /* the first few of what contradicts it */
};

/* One sentence about what contradicts the check. */
void check_offend(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tells the check under its name, and empties it. */
void check_end(struct check *c, struct audit *a, const char *name);
/* Of a row with `counted`: into a uint64_t. Of a row with `offending`, a text: told to a check. */
db_row_fn check_take_count, check_take_offending;
/* A check that is two statements: how many rows it is about, and what contradicts it, one text a
 * row. */
enum err check_statement(struct audit *a, const char *name, enum stmt count,
                         enum stmt offending) MUST_USE;

/* A performance, with what is summed up of its reservations while they are read. */
struct hall {
    struct performance_row row; /* event_seq: as the row says */
    uint64_t numbered;          /* the last seq that an event of it bears; 0: none does */
    uint64_t sold;              /* seats of its PAID reservations */
};

/* All performances, by id. */
struct halls {
    struct hall *list;
    size_t count, size;
};
/* NULL: there is none. */
struct hall *halls_find(const struct halls *halls, struct performance_id id);

/* "3,4": ascending, distinct, at least one, at most SEATS_MAX. False for all else, and for what
 * `count` contradicts. */
bool audit_seats_parse(const char *text, uint64_t count, struct seat_numbers *seats_r) MUST_USE;

/* Of the column's number, whose names have the enum's order. False for what is none, which reads as
 * a CHARGE. */
bool audit_entry_type(uint64_t number, enum entry_type *type_r) MUST_USE;

/* --- the parts; each tells its checks --- */

/* Reservations one by one, each with its events, payment and entries (audit_reservations.c). Loads
 * the halls. */
enum err audit_reservations(struct audit *a, struct halls *halls) MUST_USE;
/* Seats by order of events, and as they are now (audit_seats.c). After audit_reservations. */
enum err audit_seats(struct audit *a, const struct halls *halls) MUST_USE;
/* Balances entry by entry (audit_money.c). */
enum err audit_money(struct audit *a) MUST_USE;
/* Queues event by event (audit_queue.c). */
enum err audit_queues(struct audit *a) MUST_USE;

#endif
