/* SPDX-License-Identifier: 0BSD */
/* Settings, read once from a file of `name = value` lines. The rows are in config.def. */
#ifndef BOXOFFICE_CONF_H
#define BOXOFFICE_CONF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_TEXT_MAX 256
#define CONF_FILE_DEFAULT "/etc/boxoffice/boxoffice.conf"

struct conf {
#define U64(name, dflt, least, most, unit, help) uint64_t name;
#define TEXT(name, dflt, help) char name[CONF_TEXT_MAX];
#include "base/config.def"
#undef U64
#undef TEXT
};

/* All settings at their defaults. */
void conf_defaults(struct conf *conf_r);
/* Defaults, then the file. False with one line in why_r (file, line, what to do) when the file
 * can't be read, a name is unknown, or a value is out of its range. */
bool conf_load(const char *path, struct conf *conf_r, char *why_r, size_t why_size) MUST_USE;
/* The path of the writers' socket: writers_socket, or beside listen_socket. */
void conf_writers_socket(const struct conf *conf, char path_r[CONF_TEXT_MAX + 16]);
/* How many processes read. */
uint64_t conf_readers(const struct conf *conf);
/* Writes an example file: every setting with its help, range, unit and default, commented out. */
void conf_print_example(FILE *out);
/* Writes the list of settings of boxoffice.conf(5). */
void conf_print_mdoc(FILE *out);

#endif
