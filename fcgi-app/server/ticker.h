/* SPDX-License-Identifier: 0BSD */
/* The ticker: what time does to queues and holds, the board, and the static queue files. One on
 * each host, safe together: whatever they do is under the queue row's lock. */
#ifndef BOXOFFICE_TICKER_H
#define BOXOFFICE_TICKER_H

#include "base/conf.h"
#include "board/board.h"
#include "board/stats.h"

/* Ticks until TERM. Returns the process's exit status. */
int ticker_run(const struct conf *conf, struct board *board, struct stats *stats);

#endif
