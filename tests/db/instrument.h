/* SPDX-License-Identifier: 0BSD */
/* The stored procedures of every write, as in sql/current/batch.sql, with a point before each inner
 * statement, and one behind the last, at which a test lets it fail. */
#ifndef INSTRUMENT_H
#define INSTRUMENT_H

#include <stdbool.h>

/* A script that replaces the procedures: with `points`, `CALL fault(N)` stands before each
 * statement within, counted from 1; without, they are as they were. The points up to before_store
 * are batch_load's. */
struct instrumented {
    char *text; /* to be freed */
    unsigned points, before_store;
};
/* False when the file can't be read. */
bool instrument(const char *sql_dir, bool points, struct instrumented *i_r);

/* Makes the procedure `fault`. By the session's @fault_kind, at the point @fault_at: FAULT_RECORD
 * appends the point to @fault_passed, the others fail there, once; locks are refused only where a
 * transaction is open. */
enum fault_kind {
    FAULT_NONE,
    FAULT_RECORD,
    FAULT_DEADLOCK,
    FAULT_LOCK_WAIT,
    FAULT_KILLED,
    FAULT_KINDS
};
extern const char fault_procedure[];

#endif
