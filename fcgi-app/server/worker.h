/* A worker: takes a connection, answers one request, again. */
#ifndef BOXOFFICE_WORKER_H
#define BOXOFFICE_WORKER_H

#include "board/board.h"
#include "base/conf.h"
#include "board/stats.h"
#include "base/token.h"

struct worker {
    const struct conf *conf;
    const struct token_keys *keys;
    const struct board *board;
    struct stats *stats;
    struct stats_worker *slot;
    int listen_fd; /* non-blocking, shared with the other workers */
};

/* Serves until TERM, or until it has answered its share of requests. Returns the process's exit status. */
int worker_run(const struct worker *worker);

#endif
