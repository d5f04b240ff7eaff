/* SPDX-License-Identifier: 0BSD */
/* Proving from the stored rows, in one consistent snapshot, what is promised of queues and sales.
 */
#ifndef BOXOFFICE_AUDIT_H
#define BOXOFFICE_AUDIT_H

#include "store/db.h"

#include <stdio.h>

struct json_object;

/* Runs the checks asked for. Each is told as a line on `out`, or as a row in `json` when that is
 * not NULL. Returns the command's exit status: 0 all hold, 1 one does not, 2 could not run. */
int audit_run(struct db *db, bool sale, bool fifo, FILE *out, struct json_object *json);

#endif
