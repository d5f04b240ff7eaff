/* The stored procedures as in sql/, with a point before each inner statement at which a test lets it fail. */
#ifndef INSTRUMENT_H
#define INSTRUMENT_H

#include <stdbool.h>

/* A script that replaces all procedures of the migrations in a folder: with `points`, `CALL fault(N)` stands before each
 * statement within, counted from 1; without, they are as they were. To be freed; NULL when the folder can't be read.
 * points_r: how many. */
char *instrument(const char *sql_dir, bool points, unsigned *points_r);

/* Makes the procedure `fault`. By the session's @fault_kind, at the point @fault_at: FAULT_RECORD appends the
 * point to @fault_passed, the others fail there, once; locks are refused only where a transaction is open. */
enum fault_kind { FAULT_NONE, FAULT_RECORD, FAULT_DEADLOCK, FAULT_LOCK_WAIT, FAULT_KILLED, FAULT_KINDS };
extern const char fault_procedure[];

#endif
