/* SPDX-License-Identifier: 0BSD */
/* Running migrations. */
#include "store/migrate.h"

#include "base/clock.h"
#include "base/ids.h"
#include "store/db.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 120000

/* Migrations live in sql_dir/tables, and what has one current text (procedures) in sql_dir/current.
 */
static void folder(const char *sql_dir, const char *name, char path_r[PATH_MAX]) {
    snprintf(path_r, PATH_MAX, "%s/%s", sql_dir, name);
}

static int is_migration(const struct dirent *entry) {
    unsigned version;
    size_t len = strlen(entry->d_name);
    return len > 8 && strcmp(entry->d_name + len - 4, ".sql") == 0 &&
           sscanf(entry->d_name, "%3u_", &version) == 1;
}

static int is_current(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 4 && *entry->d_name != '.' && strcmp(entry->d_name + len - 4, ".sql") == 0;
}

size_t migrations_in(const char *sql_dir, unsigned version_r[MIGRATIONS_MAX]) {
    assert(sql_dir && version_r);
    struct dirent **files;
    size_t count = 0;
    char dir[PATH_MAX];
    folder(sql_dir, "tables", dir);
    int n = scandir(dir, &files, is_migration, alphasort);
    for (int i = 0; i < n; i++) {
        if (count < MIGRATIONS_MAX)
            version_r[count++] = (unsigned)strtoul(files[i]->d_name, NULL, 10);
        free(files[i]);
    }
    if (n >= 0) free(files);
    return count;
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "re");
    if (!f) return NULL;
    char *text = NULL;
    size_t len = 0, got;
    do {
        char *more = realloc(text, len + 65536 + 1);
        if (!more) abort();
        text = more;
        got = fread(text + len, 1, 65536, f);
        len += got;
    } while (got > 0);
    text[len] = 0;
    fclose(f);
    return text;
}

/* Held by a row lock of a second connection, since each statement that changes the schema commits.
 */
static bool lock(struct db *db, char *why_r, size_t why_size) {
    uint64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!db_script(
        db, "START TRANSACTION; SELECT version FROM schema_migration WHERE version = 0 FOR UPDATE",
        why_r, why_size)) {
        if (strncmp(why_r, "1205 ", 5) != 0 || clock_mono_ms() > end_ms) return false;
    }
    return true;
}

static void take_checksum(void *ctx, const struct db_row *row) {
    snprintf(ctx, 2 * HASH_BYTES + 1, "%s", DB_ROW_TEXT(row, "checksum"));
}

static bool apply(struct db *db, const char *dir, const char *file, char *why_r, size_t why_size) {
    char path[PATH_MAX + NAME_MAX + 2], why[400] = "its row can't be written";
    unsigned version = (unsigned)strtoul(file, NULL, 10);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    char *sql = read_file(path);
    if (!sql) {
        snprintf(why_r, why_size, "%s: %s", path, strerror(errno));
        return false;
    }
    bool ok = db_script(db, sql, why, sizeof why) &&
              db_run(db, STMT_MIGRATION_ADD, DB_ARGS(DB_U64(version)), NULL, NULL, NULL) == E_OK;
    free(sql);
    if (!ok) snprintf(why_r, why_size, "%s: %s", path, why);
    return ok;
}

/* Makes anew what is not as its file says: one current text, no history. The row is written last,
 * so that what died in the middle is made again. */
static bool make_current(struct db *db, const char *dir, const char *file, char *why_r,
                         size_t why_size) {
    char path[PATH_MAX + NAME_MAX + 2], had[2 * HASH_BYTES + 1] = "", has[2 * HASH_BYTES + 1],
                                                             why[400] = "its row can't be written";
    uint8_t hash[HASH_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    char *sql = read_file(path);
    if (!sql) {
        snprintf(why_r, why_size, "%s: %s", path, strerror(errno));
        return false;
    }
    ids_sha256(sql, strlen(sql), hash);
    for (size_t i = 0; i < HASH_BYTES; i++) snprintf(has + 2 * i, 3, "%02x", hash[i]);
    bool ok =
        db_run(db, STMT_CURRENT_GET, DB_ARGS(db_text(file)), take_checksum, had, NULL) == E_OK;
    if (ok && strcmp(had, has) != 0)
        ok = db_script(db, sql, why, sizeof why) &&
             db_run(db, STMT_CURRENT_SET, DB_ARGS(db_text(file), db_text(has)), NULL, NULL, NULL) ==
                 E_OK;
    free(sql);
    if (!ok) snprintf(why_r, why_size, "%s: %s", path, why);
    return ok;
}

static bool all_current(struct db *db, const char *sql_dir, char *why_r, size_t why_size) {
    char dir[PATH_MAX];
    struct dirent **files;
    folder(sql_dir, "current", dir);
    int n = scandir(dir, &files, is_current, alphasort);
    if (n < 0) {
        snprintf(why_r, why_size, "%s: %s", dir, strerror(errno));
        return false;
    }
    bool ok = true;
    for (int i = 0; i < n; i++) {
        ok = ok && make_current(db, dir, files[i]->d_name, why_r, why_size);
        free(files[i]);
    }
    free(files);
    return ok;
}

static bool run(struct db *db, struct db *locker, const char *sql_dir, unsigned *applied_r,
                unsigned *version_r, char *why_r, size_t why_size) {
    char done[24], dir[PATH_MAX];
    struct dirent **files;
    folder(sql_dir, "tables", dir);
    if (!db_script(db,
                   "CREATE TABLE IF NOT EXISTS schema_migration ("
                   " version INT UNSIGNED NOT NULL COMMENT 'number of the file in sql/tables; 0: "
                   "the lock of who migrates',"
                   " applied_at_ms BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',"
                   " PRIMARY KEY (version)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 "
                   "COLLATE=utf8mb4_bin COMMENT='migrations that were run';"
                   "CREATE TABLE IF NOT EXISTS schema_current ("
                   " name VARCHAR(100) NOT NULL COMMENT 'file in sql/current',"
                   " checksum CHAR(64) NOT NULL COMMENT 'SHA-256 of its text as it was run last',"
                   " PRIMARY KEY (name)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin "
                   "COMMENT='what has one current text';"
                   "INSERT IGNORE INTO schema_migration (version, applied_at_ms) VALUES (0, 0)",
                   why_r, why_size) ||
        !lock(locker, why_r, why_size) ||
        !db_script_value(db, "SELECT COALESCE(MAX(version), 0) FROM schema_migration", done,
                         sizeof done, why_r, why_size))
        return false;
    *version_r = (unsigned)strtoul(done, NULL, 10);
    int n = scandir(dir, &files, is_migration, alphasort);
    if (n <= 0) {
        snprintf(why_r, why_size, "%s: %s", dir, n < 0 ? strerror(errno) : "no migrations there");
        return false;
    }
    bool ok = true;
    for (int i = 0; i < n; i++) {
        unsigned version = (unsigned)strtoul(files[i]->d_name, NULL, 10);
        if (ok && version > *version_r &&
            (ok = apply(db, dir, files[i]->d_name, why_r, why_size))) {
            *version_r = version;
            ++*applied_r;
        }
        free(files[i]);
    }
    free(files);
    return ok && all_current(db, sql_dir, why_r, why_size);
}

bool migrate(const struct conf *conf, unsigned *applied_r, unsigned *version_r, char *why_r,
             size_t why_size) {
    assert(conf && applied_r && version_r && why_r && why_size > 0);
    struct conf as = *conf;
    if (*conf->database_migrate_user) {
        memcpy(as.database_user, conf->database_migrate_user, sizeof as.database_user);
        memcpy(as.database_password_file, conf->database_migrate_password_file,
               sizeof as.database_password_file);
    }
    struct db *db = db_new(&as), *locker = db_new(&as);
    *applied_r = *version_r = 0;
    bool ok = db && locker && run(db, locker, conf->sql_dir, applied_r, version_r, why_r, why_size);
    if (!db || !locker)
        snprintf(why_r, why_size, "the password file %s can't be read", as.database_password_file);
    db_free(locker);
    db_free(db);
    return ok;
}

bool schema_fits(const struct conf *conf, char *why_r, size_t why_size) {
    assert(conf && why_r && why_size > 0);
    char done[24], why[500];
    struct db *db = db_new(conf);
    bool ok = db && db_script_value(db, "SELECT COALESCE(MAX(version), 0) FROM schema_migration",
                                    done, sizeof done, why, sizeof why);
    bool none = db && !ok && strncmp(why, "1146 ", 5) == 0; /* no such table */
    unsigned version = ok ? (unsigned)strtoul(done, NULL, 10) : 0;
    if (!db)
        snprintf(why_r, why_size, "no memory");
    else if (!ok && !none) /* 1044, 1142: it may not even look */
        snprintf(why_r, why_size, "%s%s", why,
                 strncmp(why, "1142 ", 5) == 0 || strstr(why, " 1044 ")
                     ? "; run boxofficectl migrate, then grants.sql"
                     : "");
    else if (version < SCHEMA_VERSION)
        snprintf(why_r, why_size,
                 "the database's schema is of version %u, and this release needs %d: run "
                 "boxofficectl migrate",
                 version, SCHEMA_VERSION);
    else if (version > SCHEMA_VERSION)
        snprintf(why_r, why_size,
                 "the database's schema is of version %u, and this release knows %d at most: "
                 "install the newer release",
                 version, SCHEMA_VERSION);
    db_free(db);
    return ok && version == SCHEMA_VERSION;
}
