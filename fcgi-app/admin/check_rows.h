/* SPDX-License-Identifier: 0BSD */
/* Between check.c, which runs the checks and tells, and the files that hold them. */
#ifndef BOXOFFICE_CHECK_ROWS_H
#define BOXOFFICE_CHECK_ROWS_H

#include "admin/probe.h"
#include "admin/procinfo.h"
#include "base/conf.h"
#include "store/db.h"

/* From good to bad: a check is as bad as the worst that it found. */
enum result { RESULT_OK, RESULT_UNCHECKED, RESULT_WARNING, RESULT_WRONG };

struct check {
    const char *config_path;
    struct conf conf;
    struct db *db;
    struct url url;

    /* What checks found, for those that come later. */
    bool settings_valid, database_answers, workers_answer, nginx_answers;
    struct {
        char version[64], doublewrite[16], datadir[256];
        uint64_t max_connections, flush_log, log_bin, sync_binlog;
        bool read_only;
    } server;
    int64_t skew_ms; /* the database's clock less ours */
    struct {
        uint64_t workers, busy, idle, board_age_ms; /* UINT64_MAX: never read */
    } pool;
    struct procinfo service, nginx; /* pid 0: not known */
    int64_t certificate_s;          /* until it ends */

    /* The check at work. */
    enum result result;
    char text[1200];
};

/* Each adds a sentence to what the check at work tells; say what was seen, then what to do. */
__attribute__((format(printf, 2, 3))) void check_ok(struct check *c, const char *format, ...);
__attribute__((format(printf, 2, 3))) void check_unchecked(struct check *c, const char *format,
                                                           ...);
__attribute__((format(printf, 2, 3))) void check_warning(struct check *c, const char *format, ...);
__attribute__((format(printf, 2, 3))) void check_wrong(struct check *c, const char *format, ...);

typedef void check_fn(struct check *c);

/* check_database.c */
check_fn check_database, check_database_version, check_schema, check_durability, check_connections,
    check_database_disk, check_database_clock;
/* check_rights.c */
check_fn check_database_rights;
/* check_host.c */
check_fn check_settings, check_password_file, check_token_keys, check_clock, check_queue_dir,
    check_queue_disk, check_backlog, check_open_files;
/* check_service.c */
check_fn check_socket, check_socket_access, check_workers, check_ticker, check_queue_files,
    check_nginx, check_limits, check_certificate, check_nginx_errors;

/* Tells when the file system of a path is filling up. */
void check_disk(struct check *c, const char *path);

#endif
