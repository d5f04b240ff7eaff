/* SPDX-License-Identifier: 0BSD */
/* Which concerts have a static queue file, and when each is written. Who has anyone waiting or let
 * in always has one; of the others, those where something happened last, as many as can be kept
 * fresh at a bounded cost. For the rest nginx asks a worker, who says the same. */
#ifndef BOXOFFICE_FILES_H
#define BOXOFFICE_FILES_H

#include "server/feed.h"

struct files {
    struct list idle; /* concerts that have one although nothing happens in them */
    bool begun;
};

/* Writes what is due. After feed_take. */
void files_tick(struct files *files, struct feed *feed);
void files_free(struct files *files);

#endif
