/* SPDX-License-Identifier: 0BSD */
/* The only file that knows the client library: connecting, prepared statements, what a server's
 * error means, and the door through which transactions are run again. */
#include "store/db.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <mysql.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Server and client error numbers that mean something here; of MariaDB and MySQL alike. */
enum {
    ER_CON_COUNT = 1040,
    ER_UNKNOWN_COM = 1047, /* Galera: node not ready */
    ER_SHUTDOWN = 1053,
    ER_DUP = 1062,
    ER_CHECKREAD = 1020, /* record has changed since last read */
    ER_LOCK_WAIT = 1205,
    ER_NO_PROCEDURE = 1305, /* a migration is just replacing it */
    ER_DEADLOCK = 1213,
    ER_READ_ONLY = 1290,
    ER_KILLED = 1927, /* MariaDB: connection was killed */
    CR_LEAST = 2000,
    CR_MOST = 2999,
};

enum kind { READ, REPEAT, WRITE };

static const struct {
    const char *name;
    const char *sql;
    enum kind kind;
} stmts[STMT_COUNT] = {
#define STMT(name, kind, sql) [STMT_##name] = {#name, sql, kind},
#include "store/stmt.def"
#undef STMT
};

#define COLUMNS_MAX 20
#define COLUMN_BYTES 768
#define COLUMN_NAME_MAX 63
#define ARGS_MAX 20
#define RAN_MAX 16

typedef __typeof__(*((MYSQL_BIND *)0)->is_null) db_bool; /* my_bool here, bool in MySQL's library */

struct db_row {
    size_t columns, set;
    uint64_t result; /* no two results have one number: see db_row_find */
    struct {
        char name[COLUMN_NAME_MAX + 1];
        bool text;
        union {
            uint64_t u64;
            int64_t i64;
        };
        char *bytes; /* buffer, or long_bytes */
        char *long_bytes;
        unsigned long len;
        db_bool null;
        char buffer[COLUMN_BYTES + 1];
    } column[COLUMNS_MAX];
};

struct db {
    const struct conf *conf;
    char password[256];
    MYSQL *mysql; /* NULL: not connected */
    MYSQL_STMT *prepared[STMT_COUNT];
    enum db_outcome outcome;
    unsigned idle_s; /* 0: no limit */
    bool begun;      /* a statement of the request has been run */
    int client_fd;
    unsigned error_number;
    char error[256];
    struct db_stats *stats; /* or NULL */
    struct {
        enum stmt id;
        uint64_t us;
    } ran[RAN_MAX]; /* by the request, the first ones */
    size_t ran_count;
    struct db_row row;
};

struct db_arg db_text(const char *text) {
    return text ? DB_BYTES(text, strlen(text)) : DB_NULL;
}

struct db_arg db_u64_or_null(uint64_t v) {
    return v ? DB_U64(v) : DB_NULL;
}

bool db_row_null(const struct db_row *row, size_t column) { return row->column[column].null; }

uint64_t db_row_u64(const struct db_row *row, size_t column) {
    return row->column[column].null ? 0 : row->column[column].u64;
}

int64_t db_row_i64(const struct db_row *row, size_t column) {
    return row->column[column].null ? 0 : row->column[column].i64;
}

const char *db_row_text(const struct db_row *row, size_t column, size_t *len_r) {
    if (len_r) *len_r = row->column[column].null ? 0 : row->column[column].len;
    return row->column[column].null ? "" : row->column[column].bytes;
}

size_t db_row_columns(const struct db_row *row) { return row->columns; }

const char *db_row_only(const struct db_row *row) {
    assert(row->columns == 1);
    return db_row_text(row, 0, NULL);
}

const char *db_row_result(const struct db_row *row) {
    return row->columns ? row->column[0].name : "";
}

size_t db_row_set(const struct db_row *row) { return row->set; }

size_t db_row_find(const struct db_row *row, struct db_column *column) {
    if (column->result == row->result) return column->at;
    size_t i = 0;
    while (i < row->columns && strcmp(row->column[i].name, column->name) != 0) i++;
    assert(i < row->columns);
    column->result = row->result;
    column->at = i;
    return i;
}

bool db_row_bytes(const struct db_row *row, size_t column, void *bytes_r, size_t len) {
    size_t has;
    const char *bytes = db_row_text(row, column, &has);
    if (has != len) return false;
    memcpy(bytes_r, bytes, len);
    return true;
}

const char *db_trouble_name(enum db_trouble trouble) {
    static const char *const names[DB_TROUBLES] = {"run_again", "lost", "outcome_unknown",
                                                   "unreachable", "failed"};
    return names[trouble];
}

void db_count_in(struct db *db, struct db_stats *stats) { db->stats = stats; }

/* One process writes them: no locked instruction is needed. */
static void count(_Atomic uint64_t *n, uint64_t more) {
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static void count_trouble(struct db *db, enum db_trouble trouble) {
    if (db->stats) count(&db->stats->trouble[trouble], 1);
}

const char *db_error(const struct db *db, unsigned *number_r) {
    *number_r = db->error_number;
    return db->error;
}

static void keep_error(struct db *db, unsigned number, const char *text) {
    db->error_number = number;
    snprintf(db->error, sizeof db->error, "%s", text);
}

const char *stmt_name(enum stmt id) { return stmts[id].name; }

bool db_password_readable(const struct conf *conf, char *why_r, size_t why_size) {
    if (!*conf->database_password_file || access(conf->database_password_file, R_OK) == 0)
        return true;
    snprintf(why_r, why_size, "database_password_file %s: %s", conf->database_password_file,
             strerror(errno));
    return false;
}

const char *stmt_procedure(enum stmt id, size_t *len_r) {
    assert(id < STMT_COUNT && len_r);
    if (strncmp(stmts[id].sql, "CALL ", 5) != 0) return NULL;
    *len_r = strcspn(stmts[id].sql + 5, "(");
    return stmts[id].sql + 5;
}

struct db *db_new(const struct conf *conf) {
    assert(conf);
    struct db *db = calloc(1, sizeof *db);
    if (!db) return NULL;
    db->conf = conf;
    db->begun = true;
    if (*conf->database_password_file) {
        FILE *f = fopen(conf->database_password_file, "re");
        if (!f || !fgets(db->password, sizeof db->password, f)) {
            log_line(LOG_L_ERROR, "database_password_file %s can't be read: %s",
                     conf->database_password_file, strerror(errno));
            if (f) fclose(f);
            free(db);
            return NULL;
        }
        fclose(f);
        db->password[strcspn(db->password, "\r\n")] = 0;
    }
    return db;
}

static void disconnect(struct db *db) {
    for (size_t i = 0; i < STMT_COUNT; i++) {
        if (db->prepared[i]) mysql_stmt_close(db->prepared[i]);
        db->prepared[i] = NULL;
    }
    if (db->mysql) mysql_close(db->mysql);
    db->mysql = NULL;
}

void db_free(struct db *db) {
    if (!db) return;
    disconnect(db);
    free(db);
}

/* Says what a failure means for the transaction at work, and closes what is broken. */
static enum err failed(struct db *db, unsigned number, const char *text, const char *what,
                       bool may_have_committed) {
    keep_error(db, number, text);
    bool lost =
        (number >= CR_LEAST && number <= CR_MOST) || number == ER_KILLED || number == ER_SHUTDOWN;
    if (number == ER_DEADLOCK || number == ER_CHECKREAD || number == ER_LOCK_WAIT ||
        number == ER_DUP || number == ER_NO_PROCEDURE) {
        /* ER_DUP: the procedures handle those that mean something; what is left is a race for a
         * key. */
        db->outcome = DB_AGAIN;
        count_trouble(db, DB_RUN_AGAIN);
        log_line(number == ER_NO_PROCEDURE ? LOG_L_WARNING : LOG_L_INFO,
                 "%s: to be run again: %u %s", what, number, text);
        return E_BUSY;
    }
    if (lost || number == ER_UNKNOWN_COM || number == ER_READ_ONLY || number == ER_CON_COUNT) {
        db->outcome = lost && may_have_committed ? DB_MAY_BE_KEPT : DB_NOTHING_KEPT;
        count_trouble(db, db->outcome == DB_MAY_BE_KEPT ? DB_OUTCOME_UNKNOWN : DB_LOST);
        log_line(LOG_L_WARNING, "%s: database lost%s: %u %s", what,
                 db->outcome == DB_MAY_BE_KEPT ? ", outcome not known" : "", number, text);
        disconnect(db); /* and with it `text` */
        return E_DATABASE_UNAVAILABLE;
    }
    db->outcome = DB_DONE;
    count_trouble(db, DB_FAILED);
    log_line(LOG_L_ERROR, "%s: %u %s", what, number, text);
    db_rollback(db);
    return E_INTERNAL;
}

/* Over the network: never a socket of this host, not even for "localhost"; and with a CA never
 * without TLS, nor with a server whose certificate is not for the host that was asked for. The
 * client library checks neither unless told. */
static void require_tcp(MYSQL *m, const char *ssl_ca) {
    unsigned tcp = MYSQL_PROTOCOL_TCP;
    mysql_options(m, MYSQL_OPT_PROTOCOL, &tcp);
    if (!*ssl_ca) return;
    mysql_options(m, MYSQL_OPT_SSL_CA, ssl_ca);
#ifdef MARIADB_PACKAGE_VERSION
    db_bool yes = 1;
    mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
#else
    unsigned mode = SSL_MODE_VERIFY_IDENTITY;
    mysql_options(m, MYSQL_OPT_SSL_MODE, &mode);
#endif
}

static bool connected(struct db *db) {
    if (db->mysql) return true;
    MYSQL *m = mysql_init(NULL);
    if (!m) return false;
    unsigned connect_s = 2, timeout_s = (unsigned)((db->conf->database_timeout_ms + 999) / 1000);
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    char init[200];
    snprintf(init, sizeof init,
             "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
             " innodb_lock_wait_timeout = %" PRIu64,
             db->conf->lock_wait_s);
    mysql_options(m, MYSQL_INIT_COMMAND, init);
    if (db->idle_s) {
        snprintf(init, sizeof init, "/*M! SET SESSION idle_transaction_timeout = %u */",
                 db->idle_s);
        mysql_options(m, MYSQL_INIT_COMMAND, init);
    }
    mysql_options(m, MYSQL_INIT_COMMAND, "SET SESSION group_concat_max_len = 1000000");
    mysql_options(m, MYSQL_INIT_COMMAND, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    const struct conf *c = db->conf;
    bool tcp = *c->database_host;
    if (tcp) require_tcp(m, c->database_ssl_ca);
    if (!mysql_real_connect(m, tcp ? c->database_host : NULL, c->database_user,
                            *db->password ? db->password : NULL, c->database_name,
                            tcp ? (unsigned)c->database_port : 0, tcp ? NULL : c->database_socket,
                            CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_FOUND_ROWS)) {
        static uint64_t said_ms;
        uint64_t now_ms = clock_mono_ms();
        if (now_ms - said_ms > 1000)
            log_line(LOG_L_WARNING, "can't connect to the database: %u %s", mysql_errno(m),
                     mysql_error(m));
        said_ms = now_ms;
        count_trouble(db, DB_UNREACHABLE);
        keep_error(db, mysql_errno(m), mysql_error(m));
        mysql_close(m);
        return false;
    }
    db->mysql = m;
    if (db->stats) count(&db->stats->connections, 1);
    return true;
}

void db_limit_idle(struct db *db, unsigned seconds) {
    db->idle_s = seconds;
    disconnect(db);
}

void db_begin(struct db *db, int client_fd) {
    db->begun = false;
    db->client_fd = client_fd;
    db->ran_count = 0;
}

static enum err first_statement(struct db *db) {
    struct pollfd look[2] = {
        {.fd = db->mysql ? mysql_get_socket(db->mysql) : -1, .events = POLLIN | POLLRDHUP},
        {.fd = db->client_fd, .events = POLLRDHUP},
    };
    db->begun = true;
    if (poll(look, 2, 0) <= 0) return E_OK;
    /* An idle connection has nothing to read, unless it is the server's farewell. */
    if (look[0].revents) disconnect(db);
    /* nginx closes its side when its client has left: work would only keep others waiting. */
    return look[1].revents ? E_CLIENT_GONE : E_OK;
}

enum err db_prepare(struct db *db, enum stmt id) {
    assert(id < STMT_COUNT);
    if (!connected(db)) {
        db->outcome = DB_DONE;
        return E_DATABASE_UNAVAILABLE;
    }
    if (db->prepared[id]) return E_OK;
    MYSQL_STMT *s = mysql_stmt_init(db->mysql);
    if (!s) return E_INTERNAL;
    if (mysql_stmt_prepare(s, stmts[id].sql, strlen(stmts[id].sql))) {
        enum err e = failed(db, mysql_stmt_errno(s), mysql_stmt_error(s), stmts[id].name, false);
        mysql_stmt_close(s);
        return e;
    }
    db->prepared[id] = s;
    return E_OK;
}

/* Binds the columns of the result at hand: numbers as 64 bits, all else as bytes. */
static bool bind_row(struct db *db, MYSQL_STMT *s) {
    MYSQL_BIND bind[COLUMNS_MAX] = {0};
    MYSQL_RES *meta = mysql_stmt_result_metadata(s);
    if (!meta) return false;
    unsigned n = mysql_num_fields(meta);
    if (n > COLUMNS_MAX) n = COLUMNS_MAX;
    MYSQL_FIELD *fields = mysql_fetch_fields(meta);
    struct db_row *row = &db->row;
    static _Thread_local uint64_t results;
    row->columns = n;
    row->result = ++results;
    for (unsigned i = 0; i < n; i++) {
        snprintf(row->column[i].name, sizeof row->column[i].name, "%s", fields[i].name);
        enum enum_field_types t = fields[i].type;
        bool number = t == MYSQL_TYPE_LONGLONG || t == MYSQL_TYPE_LONG || t == MYSQL_TYPE_INT24 ||
                      t == MYSQL_TYPE_SHORT || t == MYSQL_TYPE_TINY || t == MYSQL_TYPE_NEWDECIMAL ||
                      t == MYSQL_TYPE_DOUBLE;
        snprintf(row->column[i].name, COLUMN_NAME_MAX + 1, "%s", fields[i].name);
        row->column[i].text = !number;
        row->column[i].bytes = row->column[i].buffer;
        bind[i].is_null = &row->column[i].null;
        bind[i].length = &row->column[i].len;
        if (number) {
            bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
            bind[i].buffer = &row->column[i].u64;
            bind[i].is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0;
        } else {
            bind[i].buffer_type = MYSQL_TYPE_STRING;
            bind[i].buffer = row->column[i].buffer;
            bind[i].buffer_length = COLUMN_BYTES;
        }
    }
    mysql_free_result(meta);
    return mysql_stmt_bind_result(s, bind) == 0;
}

/* Fetches what did not fit its column's buffer (stored answers), and ends all texts. */
static bool complete_row(struct db_row *row, MYSQL_STMT *s) {
    for (size_t i = 0; i < row->columns; i++) {
        if (!row->column[i].text || row->column[i].null) continue;
        unsigned long len = row->column[i].len;
        if (len > COLUMN_BYTES) {
            char *bytes = realloc(row->column[i].long_bytes, len + 1);
            if (!bytes) return false;
            row->column[i].long_bytes = row->column[i].bytes = bytes;
            MYSQL_BIND b = {.buffer_type = MYSQL_TYPE_STRING,
                            .buffer = bytes,
                            .buffer_length = len,
                            .length = &row->column[i].len};
            if (mysql_stmt_fetch_column(s, &b, (unsigned)i, 0)) return false;
        } else {
            row->column[i].bytes = row->column[i].buffer;
        }
        row->column[i].bytes[len] = 0;
    }
    return true;
}

static void forget_long_columns(struct db_row *row) {
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        free(row->column[i].long_bytes);
        row->column[i].long_bytes = NULL;
    }
}

static enum err code_of(const struct db_row *row) {
    size_t len;
    const char *code = db_row_text(row, 0, &len);
    return err_by_name(code, len);
}

/* What went wrong with a statement: never 0. An error among rows that are being read is noted by
 * the client library at the connection alone. */
static unsigned number_of(const struct db *db, MYSQL_STMT *s) {
    unsigned number = mysql_stmt_errno(s);
    if (!number) number = mysql_errno(db->mysql);
    return number ? number : CR_LEAST;
}

static const char *text_of(const struct db *db, MYSQL_STMT *s) {
    return mysql_stmt_errno(s) || !db->mysql ? mysql_stmt_error(s) : mysql_error(db->mysql);
}

/* Reads all results of an executed statement. 0, or the number of the error. */
static unsigned read_results(struct db *db, MYSQL_STMT *s, bool call, db_row_fn *each, void *ctx,
                             enum err *code_r) {
    db->row.set = 0;
    for (;;) {
        if (mysql_stmt_field_count(s) > 0) {
            if (!bind_row(db, s)) return number_of(db, s);
            bool first = db->row.set == 0;
            int got;
            while ((got = mysql_stmt_fetch(s)) == 0 || got == MYSQL_DATA_TRUNCATED) {
                if (!complete_row(&db->row, s)) return CR_LEAST;
                if (call && first && strcmp(db_row_result(&db->row), "code") == 0)
                    *code_r = code_of(&db->row);
                first = false;
                if (each) each(ctx, &db->row);
            }
            if (got != MYSQL_NO_DATA) return number_of(db, s);
            mysql_stmt_free_result(s);
            db->row.set++;
        }
        if (!call) return 0;
        int more = mysql_stmt_next_result(s);
        if (more > 0) return number_of(db, s);
        if (more < 0) return 0;
    }
}

#ifdef BOXOFFICE_FAULTS
struct db_fault db_fault;

static void cut(struct db *db) { shutdown(mysql_get_socket(db->mysql), SHUT_RDWR); }

static unsigned fault_before(struct db *db, enum stmt id) {
    enum db_fault_kind kind = db_fault.at == id ? db_fault.kind : DB_FAULT_NONE;
    if (kind == DB_FAULT_NONE || kind == DB_FAULT_CUT_AFTER) return 0;
    db_fault.kind = DB_FAULT_NONE;
    if (kind == DB_FAULT_CUT_BEFORE) cut(db);
    if (kind == DB_FAULT_DEADLOCK) db_rollback(db); /* as the server does with its victim */
    return kind == DB_FAULT_DEADLOCK ? ER_DEADLOCK : kind == DB_FAULT_LOCK_WAIT ? ER_LOCK_WAIT : 0;
}

static unsigned fault_after(struct db *db, enum stmt id) {
    if (db_fault.at != id || db_fault.kind != DB_FAULT_CUT_AFTER) return 0;
    db_fault.kind = DB_FAULT_NONE;
    cut(db);
    return CR_LEAST + 13;
}
#else
#define fault_before(db, id) 0u
#define fault_after(db, id) 0u
#endif

static enum err execute(struct db *db, enum stmt id, size_t nargs, const struct db_arg *args,
                        db_row_fn *each, void *ctx, uint64_t *affected_r) {
    MYSQL_STMT *s = db->prepared[id];
    MYSQL_BIND bind[ARGS_MAX] = {0};
    if (nargs != mysql_stmt_param_count(s) || nargs > sizeof bind / sizeof bind[0]) {
        log_line(LOG_L_ERROR, "%s: %zu parameters given", stmts[id].name, nargs);
        return E_INTERNAL;
    }
    for (size_t i = 0; i < nargs; i++) {
        switch (args[i].kind) {
        case DB_ARG_NULL: bind[i].buffer_type = MYSQL_TYPE_NULL; break;
        case DB_ARG_U64:
            bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
            bind[i].buffer = (void *)&args[i].u64;
            bind[i].is_unsigned = 1;
            break;
        case DB_ARG_BYTES:
            bind[i].buffer_type = MYSQL_TYPE_STRING;
            bind[i].buffer = (void *)args[i].bytes;
            bind[i].buffer_length = args[i].len;
            break;
        }
    }
    bool call = strncmp(stmts[id].sql, "CALL", 4) == 0;
    bool commits = stmts[id].kind == WRITE;
    enum err code = E_OK;
    unsigned number = fault_before(db, id);
    if (!number && ((nargs && mysql_stmt_bind_param(s, bind)) || mysql_stmt_execute(s)))
        number = number_of(db, s);
    if (!number) {
        if (affected_r) *affected_r = mysql_stmt_affected_rows(s);
        number = read_results(db, s, call, each, ctx, &code);
    }
    if (!number) number = fault_after(db, id);
    forget_long_columns(&db->row);
    if (number) return failed(db, number, text_of(db, s), stmts[id].name, commits);
    return code;
}

enum err db_run(struct db *db, enum stmt id, size_t nargs, const struct db_arg *args,
                db_row_fn *each, void *ctx, uint64_t *affected_r) {
    assert(id < STMT_COUNT && nargs <= ARGS_MAX && (args || !nargs));
    uint64_t began_ns = clock_mono_ns();
    enum err e = db->begun ? E_OK : first_statement(db);
    if (e) return e;
    /* Connecting is part of it. */
    e = db_prepare(db, id);
    if (!e) e = execute(db, id, nargs, args, each, ctx, affected_r);
    uint64_t took_us = (clock_mono_ns() - began_ns) / 1000;
    if (db->stats) {
        count(&db->stats->runs[id], 1);
        count(&db->stats->time_us[id], took_us);
    }
    if (db->ran_count < RAN_MAX) {
        db->ran[db->ran_count].id = id;
        db->ran[db->ran_count].us = took_us;
    }
    db->ran_count++;
    return e;
}

void db_ran(const struct db *db, char *text_r, size_t size) {
    size_t n = 0;
    *text_r = 0;
    for (size_t i = 0; i < db->ran_count && i < RAN_MAX && n < size; i++)
        n += (size_t)snprintf(text_r + n, size - n, "%s%s %" PRIu64 " us", i ? ", " : "",
                              stmts[db->ran[i].id].name, db->ran[i].us);
    if (db->ran_count > RAN_MAX && n < size)
        snprintf(text_r + n, size - n, " and %zu more", db->ran_count - RAN_MAX);
}

void db_rollback(struct db *db) {
    if (db->mysql && mysql_rollback(db->mysql)) disconnect(db);
}

void db_attempt(struct db *db) { db->outcome = DB_DONE; }

enum db_outcome db_outcome(const struct db *db) { return db->outcome; }

void db_count_retry(struct db *db) {
    if (db->stats) count(&db->stats->retries, 1);
}

void db_back_off(unsigned tried) {
    uint16_t r = (uint16_t)(clock_mono_ns() >> 4);
    clock_sleep_ms(1 + r % (2u << tried));
}

enum err db_once(struct db *db, db_work_fn *work, void *ctx) {
    db->outcome = DB_DONE;
    enum err e = work(ctx);
    if (db->outcome == DB_AGAIN) db_rollback(db);
    return e;
}

bool db_script_value(struct db *db, const char *sql, char *value_r, size_t value_size, char *why_r,
                     size_t why_size) {
    if (value_size) *value_r = 0;
    if (!connected(db)) {
        snprintf(why_r, why_size,
                 "can't connect to the database: %u %s; see the database_… settings",
                 db->error_number, db->error);
        return false;
    }
    int more = mysql_real_query(db->mysql, sql, strlen(sql));
    for (; more == 0; more = mysql_next_result(db->mysql)) {
        MYSQL_RES *res = mysql_store_result(db->mysql);
        if (!res) continue;
        MYSQL_ROW row = mysql_fetch_row(res);
        if (row && row[0] && value_size) snprintf(value_r, value_size, "%s", row[0]);
        mysql_free_result(res);
    }
    if (more < 0) return true;
    snprintf(why_r, why_size, "%u %s", mysql_errno(db->mysql), mysql_error(db->mysql));
    return false;
}

bool db_script(struct db *db, const char *sql, char *why_r, size_t why_size) {
    return db_script_value(db, sql, NULL, 0, why_r, why_size);
}
