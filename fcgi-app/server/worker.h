/* SPDX-License-Identifier: 0BSD */
/* A worker: takes what waits on its socket, answers it, again. A reader takes one request at a
 * time. A writer takes all that wait, lets those be answered that need no transaction, and runs the
 * others in groups. */
#ifndef BOXOFFICE_WORKER_H
#define BOXOFFICE_WORKER_H

#include "base/conf.h"
#include "base/token.h"
#include "board/board.h"
#include "board/stats.h"

struct worker {
    const struct conf *conf;
    const struct token_keys *keys;
    const struct board *board;
    struct stats *stats;
    struct stats_worker *slot;
    int listen_fd; /* non-blocking, shared with the other workers of its kind */
    bool writer;
};

/* Serves until TERM, or until it has answered its share of requests. Returns the process's exit
 * status. */
int worker_run(const struct worker *worker);

#endif
