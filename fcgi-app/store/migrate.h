/* SPDX-License-Identifier: 0BSD */
/* Migrations: sql/tables/NNN_name.sql in order, each once, forward only; then the files of
 * sql/current, each made anew when its text is not the one that was run last. */
#ifndef BOXOFFICE_MIGRATE_H
#define BOXOFFICE_MIGRATE_H

#include "base/conf.h"

#include <stdbool.h>
#include <stddef.h>

/* The migration that this release's statements are written for: the last one in sql/tables. */
#ifndef SCHEMA_VERSION /* a test builds the next release */
#define SCHEMA_VERSION 4
#endif

/* Brings the schema up to date; hosts that do so at once wait for each other. applied_r: how many
 * files were run, version_r: where the schema is now. False with a line for people in why_r. */
bool migrate(const struct conf *conf, unsigned *applied_r, unsigned *version_r, char *why_r,
             size_t why_size) __attribute__((warn_unused_result));

/* Whether the database can be reached and its schema is of this release. False with a line for
 * people in why_r. */
bool schema_fits(const struct conf *conf, char *why_r, size_t why_size)
    __attribute__((warn_unused_result));

#define MIGRATIONS_MAX 999
/* The numbers of the migrations in sql_dir, ascending; how many, 0 when there are none or it can't
 * be read. */
size_t migrations_in(const char *sql_dir, unsigned version_r[MIGRATIONS_MAX]);

#endif
