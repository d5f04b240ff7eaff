/* SPDX-License-Identifier: 0BSD */
/* The database: one connection, statements prepared once, transactions run again when the server
 * says so. Nothing else in the program knows the client library. What lives elsewhere: the
 * statements (stmt.def), the way of a write (batch/) and the rules (sale/). */
#ifndef BOXOFFICE_DB_H
#define BOXOFFICE_DB_H

#include "base/conf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stmt {
#define STMT(name, kind, sql) STMT_##name,
#include "store/stmt.def"
#undef STMT
    STMT_COUNT
};

struct db;
struct db_row;

/* A parameter. The bytes are not copied: they must live until db_run returns. */
struct db_arg {
    enum { DB_ARG_NULL, DB_ARG_U64, DB_ARG_BYTES } kind;
    uint64_t u64;
    const void *bytes;
    size_t len;
};
#define DB_NULL ((struct db_arg){.kind = DB_ARG_NULL})
#define DB_U64(v) ((struct db_arg){.kind = DB_ARG_U64, .u64 = (v)})
#define DB_BYTES(p, n) ((struct db_arg){.kind = DB_ARG_BYTES, .bytes = (p), .len = (n)})
struct db_arg db_text(const char *text); /* NULL makes DB_NULL */
/* The number, or NULL for 0: times that may be absent. */
struct db_arg db_u64_or_null(uint64_t v);

/* Columns of the row at hand, valid inside the row function only. NULL reads as 0 or "". */
bool db_row_null(const struct db_row *row, size_t column);
uint64_t db_row_u64(const struct db_row *row, size_t column);
int64_t db_row_i64(const struct db_row *row, size_t column);
/* NUL-terminated. */
const char *db_row_text(const struct db_row *row, size_t column, size_t *len_r);
size_t db_row_columns(const struct db_row *row);
/* The text of a result's one column, whatever its name: SHOW GRANTS has the user's in it. */
const char *db_row_only(const struct db_row *row);
/* A result's name: that of its first column, by which the results of one CALL are told apart. */
const char *db_row_result(const struct db_row *row);
/* Which of a CALL's result sets the row is of, from 0. Empty ones count. */
size_t db_row_set(const struct db_row *row);
/* Copies exactly `len` bytes; false when the column has another length. */
bool db_row_bytes(const struct db_row *row, size_t column, void *bytes_r, size_t len) MUST_USE;

/* A column by its name, which stands once, where it is read: DB_ROW_U64(row, "tail"). Where it is
 * in the row is looked up once a result, not once a row. A result without that name ends the
 * process: the statement and who reads it are parts of one program. */
struct db_column {
    const char *name;
    uint64_t result;
    size_t at;
};
size_t db_row_find(const struct db_row *row, struct db_column *column);
#define DB_COLUMN(row, name)                                                                       \
    db_row_find(row, ({                                                                            \
                    static _Thread_local struct db_column column_ = {name, 0, 0};                  \
                    &column_;                                                                      \
                }))
#define DB_ROW_U64(row, name) db_row_u64(row, DB_COLUMN(row, name))
#define DB_ROW_I64(row, name) db_row_i64(row, DB_COLUMN(row, name))
#define DB_ROW_TEXT(row, name) db_row_text(row, DB_COLUMN(row, name), NULL)
#define DB_ROW_NULL(row, name) db_row_null(row, DB_COLUMN(row, name))
#define DB_ROW_BYTES(row, name, bytes_r, len) db_row_bytes(row, DB_COLUMN(row, name), bytes_r, len)

/* Called for each row. Must not call the database. */
typedef void db_row_fn(void *ctx, const struct db_row *row);

/* Whether database_password_file, if any, can be read. False with a line for people in why_r. */
bool db_password_readable(const struct conf *conf, char *why_r, size_t why_size) MUST_USE;

/* A handle without a connection: that is opened by the first statement. One per process or thread,
 * never across a fork. NULL when the password file can't be read (logged). The settings must
 * outlive it. */
struct db *db_new(const struct conf *conf) MUST_USE;
void db_free(struct db *db);

/* Begins a request. Before its first statement two looks are taken that cost no round trip: whether
 * the server has closed the idle connection, which is forgotten then, so that a restarted database
 * costs nobody an answer; and whether the client on client_fd (-1: nobody) has left, in which case
 * the statement is not run: CLIENT_GONE. A request without statements costs neither. */
void db_begin(struct db *db, int client_fd);

/* From now on a transaction of this handle that waits idle for its next statement longer than so
 * many seconds is undone by the server, with its locks: a process that was frozen in the middle of
 * one stops nobody for longer. (MariaDB; MySQL has no such limit.) */
void db_limit_idle(struct db *db, unsigned seconds);

/* Runs one statement. Of a CALL whose first result begins with a column `code`, that is the result:
 * E_OK for OK, otherwise that error, with which `each` has seen the row too.
 * Other results: DATABASE_UNAVAILABLE, BUSY, INTERNAL. `affected_r` may be NULL. */
enum err db_run(struct db *db, enum stmt id, size_t nargs, const struct db_arg *args,
                db_row_fn *each, void *ctx, uint64_t *affected_r) MUST_USE;
#define DB_ARGS(...)                                                                               \
    sizeof((struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg), (struct db_arg[]) {            \
        __VA_ARGS__                                                                                \
    }

/* Runs `work`, a transaction of one statement or more, once: for what comes again by itself. What
 * the server undid is rolled back. Groups of requests go through batch/batch.h, which runs them
 * again. */
typedef enum err db_work_fn(void *ctx);
enum err db_once(struct db *db, db_work_fn *work, void *ctx) MUST_USE;

/* What an attempt at a transaction has come to (batch/batch.c). */
enum db_outcome {
    DB_DONE,         /* nothing to run again */
    DB_AGAIN,        /* the server undid or refused it; the transaction may be run again */
    DB_NOTHING_KEPT, /* no connection any more, and nothing of the transaction was kept */
    DB_MAY_BE_KEPT,  /* no connection any more, and COMMIT may have been on its way */
};
/* A new attempt: what was forgotten of the last one. */
void db_attempt(struct db *db);
enum db_outcome db_outcome(const struct db *db);
/* Waits before the next attempt: a little longer each time, never twice alike. */
void db_back_off(unsigned tried);
/* One more run of the same work, for statistics. */
void db_count_retry(struct db *db);

/* Forgets what an unfinished transaction did. */
void db_rollback(struct db *db);

/* Which statements the request has run, and how long each took: "QUEUE_JOIN 812 us, IDEM_STORE 95
 * us". */
void db_ran(const struct db *db, char *text_r, size_t size);

/* What the server or the client library said last, and its number (0 and "": nothing yet). For
 * people. */
const char *db_error(const struct db *db, unsigned *number_r);

/* What went wrong, for statistics. */
enum db_trouble {
    DB_RUN_AGAIN,       /* a deadlock, a lock not got in time: the transaction was undone */
    DB_LOST,            /* the connection, and nothing of the transaction was kept */
    DB_OUTCOME_UNKNOWN, /* the connection, while COMMIT may have been on its way */
    DB_UNREACHABLE,     /* there was no connection to be had */
    DB_FAILED,          /* any other error: ours */
    DB_TROUBLES
};
const char *db_trouble_name(enum db_trouble trouble);

/* Counts, written by one process and read by any. */
struct db_stats {
    _Atomic uint64_t runs[STMT_COUNT], time_us[STMT_COUNT];
    _Atomic uint64_t retries, connections, trouble[DB_TROUBLES];
};
/* From now on this handle counts there, on top of what is there. Without it nothing is counted. */
void db_count_in(struct db *db, struct db_stats *stats);

#ifdef BOXOFFICE_FAULTS
/* For tests only, and not compiled into programs: the next run of one statement goes wrong in one
 * way, once. CUT_AFTER is the answer lost on its way: the server has done the work, COMMIT included
 * when it was part of it. */
enum db_fault_kind {
    DB_FAULT_NONE,
    DB_FAULT_CUT_BEFORE,
    DB_FAULT_CUT_AFTER,
    DB_FAULT_DEADLOCK,
    DB_FAULT_LOCK_WAIT,
    DB_FAULT_KINDS
};
struct db_fault {
    enum stmt at;
    enum db_fault_kind kind;
};
extern struct db_fault db_fault;
#endif

/* Prepares a statement without running it; for the test that holds stmt.def against the schema. */
enum err db_prepare(struct db *db, enum stmt id) MUST_USE;
const char *stmt_name(enum stmt id);
/* The name of the procedure that it calls, up to the bracket behind it; NULL when it calls none. */
const char *stmt_procedure(enum stmt id, size_t *len_r);

/* Runs a script of many statements (a migration), stops at the first error and tells it in why_r.
 */
bool db_script(struct db *db, const char *sql, char *why_r, size_t why_size) MUST_USE;
/* The same, and the first column of the first row of the last result, as text; for migrate.c only.
 */
bool db_script_value(struct db *db, const char *sql, char *value_r, size_t value_size, char *why_r,
                     size_t why_size) MUST_USE;

#endif
