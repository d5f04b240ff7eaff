/* SPDX-License-Identifier: 0BSD */
/* What a write has changed, put on this host's board by who saw it committed: its seats, and the
 * pass it was made with. Other hosts, and whatever is lost here with a process, are told by the
 * ticker, from the events. */
#ifndef BOXOFFICE_NOTE_H
#define BOXOFFICE_NOTE_H

#include "batch/batch.h"
#include "board/board.h"

/* After a request of a group has its outcome. Nothing is noted of what may not have been committed.
 */
void note_written(const struct board *board, const struct batch_request *r);

#endif
