/* SPDX-License-Identifier: 0BSD */
/* `boxofficectl rehearse`: an on-sale played on a copy of a concert. */
#ifndef BOXOFFICE_REHEARSE_H
#define BOXOFFICE_REHEARSE_H

#include "store/db.h"

#include <stdio.h>

struct json_object;

/* Texts as the operator gave them; NULL where an option was not given. */
struct rehearse_options {
    uint64_t concert;
    const char *people, *minutes, *misbehaving, *max_active, *url, *confirm_mine, *picture;
    bool no_audit;
};

/* Plays it, telling how it goes on standard error, and prints the page on `out`; or, when json_r is
 * not NULL, makes the same as JSON there. Returns the command's exit status: 0 played, and the
 * audit holds; 1 refused, or the audit does not hold; 2 usage, or it could not run. */
int rehearse_run(struct db *db, const struct conf *conf, const struct rehearse_options *options,
                 FILE *out, struct json_object **json_r);

#endif
