/* SPDX-License-Identifier: 0BSD */
/* Checks of the database server and of what this user finds there. */
#include "admin/check_rows.h"
#include "base/clock.h"
#include "store/migrate.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKEW_MS_MAX 1000
#define SPARE_CONNECTIONS 10 /* for operators, backups, and who watches */

struct asked {
    struct check *c;
    uint64_t now_ms;
};

static void take_server(void *ctx, const struct db_row *row) {
    struct asked *a = ctx;
    struct check *c = a->c;
    snprintf(c->server.version, sizeof c->server.version, "%s", DB_ROW_TEXT(row, "server_version"));
    a->now_ms = DB_ROW_U64(row, "now_ms");
    c->server.max_connections = DB_ROW_U64(row, "max_connections");
    c->server.flush_log = DB_ROW_U64(row, "flush_log");
    c->server.log_bin = DB_ROW_U64(row, "log_bin");
    c->server.sync_binlog = DB_ROW_U64(row, "sync_binlog");
    snprintf(c->server.doublewrite, sizeof c->server.doublewrite, "%s",
             DB_ROW_TEXT(row, "doublewrite"));
    const char *read_only = DB_ROW_TEXT(row, "is_read_only");
    c->server.read_only = strcmp(read_only, "0") != 0 && strcmp(read_only, "OFF") != 0;
    snprintf(c->server.datadir, sizeof c->server.datadir, "%s", DB_ROW_TEXT(row, "datadir"));
}

/* The numbers are those of the servers and of their client library. */
static const char *advice(unsigned number) {
    switch (number) {
    case 1040: return "raise max_connections, or lower workers";
    case 1044: return "grant database_user its rights on database_name";
    case 1045:
        return "look at database_user and database_password_file, or run this as root or as that "
               "user";
    case 1049: return "create it, then: boxofficectl migrate";
    case 2002:
    case 2003: return "does it run? look at database_socket, or database_host and database_port";
    case 2005: return "look at database_host";
    default: return "see the database_ settings";
    }
}

/* A database that knows its users by their system accounts is to see that account, not root. */
static enum err open_as_service(struct check *c) {
    const struct conf *conf = &c->conf;
    bool by_account = !*conf->database_host && !*conf->database_password_file;
    const struct passwd *account =
        by_account && geteuid() == 0 ? getpwnam(conf->database_user) : NULL;
    if (account && seteuid(account->pw_uid)) return E_INTERNAL;
    enum err e = db_run(c->db, STMT_DB_PING, 0, NULL, NULL, NULL, NULL);
    return account && seteuid(0) ? E_INTERNAL : e;
}

static bool is_here(const char *host) {
    return !*host || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

void check_database(struct check *c) {
    const struct conf *conf = &c->conf;
    struct asked a = {.c = c};
    unsigned number;
    c->db = db_new(conf);
    if (!c->db) {
        check_unchecked(c, "database_password_file can't be read");
        return;
    }
    if (open_as_service(c)) {
        const char *text = db_error(c->db, &number);
        check_wrong(c, "%s: %s", text, advice(number));
        return;
    }
    uint64_t before_ms = clock_wall_ms();
    if (db_run(c->db, STMT_CHECK_SERVER, 0, NULL, take_server, &a, NULL)) {
        check_wrong(c, "it does not tell about itself: %s", db_error(c->db, &number));
        return;
    }
    c->skew_ms = (int64_t)a.now_ms - (int64_t)(before_ms + (clock_wall_ms() - before_ms) / 2);
    c->database_answers = true;
    if (c->server.read_only)
        check_wrong(c, "it is read-only: is it a replica? SET GLOBAL read_only = 0, or name "
                       "another database_host");
    if (!is_here(conf->database_host) && !*conf->database_ssl_ca)
        check_warning(c, "all that is said to %s can be read on the way: set database_ssl_ca",
                      conf->database_host);
    if (c->result == RESULT_OK)
        check_ok(c, "%s at %s", conf->database_name,
                 *conf->database_host ? conf->database_host : conf->database_socket);
}

void check_database_version(struct check *c) {
    unsigned major = 0, minor = 0;
    const char *v = c->server.version;
    bool mariadb = strstr(v, "MariaDB") != NULL;
    sscanf(v, "%u.%u", &major, &minor);
    unsigned have = major * 100 + minor, need = mariadb ? 1006 : 804;
    if (have < need)
        check_wrong(c, "%s is too old: MariaDB 10.6 or MySQL 8.4 or later is needed", v);
    else
        check_ok(c, "%s", v);
}

/* --- schema --- */

struct versions {
    unsigned v[MIGRATIONS_MAX];
    size_t count;
};

static void take_version(void *ctx, const struct db_row *row) {
    struct versions *has = ctx;
    if (has->count < MIGRATIONS_MAX) has->v[has->count++] = (unsigned)DB_ROW_U64(row, "version");
}

static bool contains(const struct versions *list, unsigned v) {
    for (size_t i = 0; i < list->count; i++)
        if (list->v[i] == v) return true;
    return false;
}

static void take_found(void *ctx, const struct db_row *row) {
    (void)row;
    *(bool *)ctx = true;
}

/* That a procedure is there is not seen when a CALL is prepared. A dump without --routines restores
 * none. */
static void check_statement(struct check *c, enum stmt s) {
    unsigned number;
    size_t len;
    bool found = false;
    const char *procedure = stmt_procedure(s, &len);
    if (s == STMT_MIGRATION_ADD || s == STMT_CURRENT_GET || s == STMT_CURRENT_SET)
        return; /* for another user: database_migrate_user */
    if (db_prepare(c->db, s))
        check_wrong(c, "it does not fit statement %s: %s", stmt_name(s), db_error(c->db, &number));
    else if (procedure &&
             !db_run(c->db, STMT_CHECK_PROCEDURE, DB_ARGS(DB_BYTES(procedure, len)), take_found,
                     &found, NULL) &&
             !found)
        check_wrong(c,
                    "the procedure %.*s is not there, or may not be called: restore it from "
                    "sql_dir, or from a dump with routines",
                    (int)len, procedure);
}

void check_schema(struct check *c) {
    static struct versions known, has;
    unsigned number, lacking = 0;
    known.count = migrations_in(c->conf.sql_dir, known.v);
    if (!known.count) {
        check_wrong(c, "no migrations in sql_dir %s: install them there, or set sql_dir",
                    c->conf.sql_dir);
        return;
    }
    if (db_run(c->db, STMT_CHECK_MIGRATIONS, 0, NULL, take_version, &has, NULL)) {
        check_wrong(c, "%s: boxofficectl migrate", db_error(c->db, &number));
        return;
    }
    for (size_t i = 0; i < known.count; i++) lacking += !contains(&has, known.v[i]);
    if (lacking)
        check_wrong(c, "%u of %zu migrations have not been run: boxofficectl migrate", lacking,
                    known.count);
    for (size_t i = 0; i < has.count; i++)
        if (has.v[i] > SCHEMA_VERSION && !contains(&known, has.v[i]))
            check_wrong(
                c, "it has migration %u, which this program does not know: install a newer one",
                has.v[i]);
    /* Writing down a migration is for the user that migrates, who may be another. */
    for (enum stmt s = 0; s < STMT_COUNT && c->result == RESULT_OK; s++) check_statement(c, s);
    if (c->result == RESULT_OK)
        check_ok(c, "version %u, and all %d statements fit", has.v[has.count - 1], (int)STMT_COUNT);
}

/* --- the server's settings --- */

void check_durability(struct check *c) {
    const char *d = c->server.doublewrite;
    if (c->server.flush_log != 1)
        check_warning(c,
                      "innodb_flush_log_at_trx_commit is %" PRIu64
                      ": a power cut loses paid reservations; set it to 1",
                      c->server.flush_log);
    if (c->server.log_bin && c->server.sync_binlog != 1)
        check_warning(c,
                      "sync_binlog is %" PRIu64
                      ": a power cut makes replicas and backups differ; set it to 1",
                      c->server.sync_binlog);
    if (strcmp(d, "0") == 0 || strcmp(d, "OFF") == 0 || strncmp(d, "DETECT", 6) == 0)
        check_warning(c, "innodb_doublewrite is off: a power cut may tear a page; turn it on");
    if (c->result == RESULT_OK) check_ok(c, "each commit is flushed to the disk");
}

void check_connections(struct check *c) {
    uint64_t need = conf_readers(&c->conf) + c->conf.writers + 1, most = c->server.max_connections;
    if (most < need)
        check_wrong(c,
                    "max_connections is %" PRIu64
                    ", the workers and the ticker of this host need %" PRIu64 ": raise it",
                    most, need);
    else if (most < need + SPARE_CONNECTIONS)
        check_warning(c,
                      "max_connections is %" PRIu64 ", this host alone needs %" PRIu64
                      ": raise it, for operators and backups",
                      most, need);
    else
        check_ok(c, "this host needs %" PRIu64 " of %" PRIu64, need, most);
}

void check_database_disk(struct check *c) {
    const char *host = c->conf.database_host;
    if (!is_here(host))
        check_unchecked(c, "the database is on %s: watch its disk there", host);
    else
        check_disk(c, c->server.datadir);
}

void check_database_clock(struct check *c) {
    int64_t skew_ms = c->skew_ms;
    if (llabs(skew_ms) > SKEW_MS_MAX)
        check_warning(c,
                      "the database's clock is %.1f s %s this machine's, and it is the one that "
                      "counts: synchronise both",
                      (double)llabs(skew_ms) / 1000, skew_ms > 0 ? "ahead of" : "behind");
    else
        check_ok(c, "%" PRId64 " ms from this machine's", skew_ms);
}
