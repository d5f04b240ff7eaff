/* SPDX-License-Identifier: 0BSD */
/* What is wrong with an installation, in plain words. */
#ifndef BOXOFFICE_CHECK_H
#define BOXOFFICE_CHECK_H

#include <stdio.h>

struct json_object;

/* Runs all checks. `url`: of the nginx in front; NULL: whoever listens on port 443 or 80 here. Each
 * check is told as a line on `out`, or as a row in `json` when that is not NULL. Returns the
 * command's exit status: 0 nothing is wrong (there may be warnings), 1 something is, 2 could not
 * run. */
int check_run(const char *config_path, const char *url, FILE *out, struct json_object *json);

#endif
