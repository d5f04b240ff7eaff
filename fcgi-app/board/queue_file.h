/* The static queue file, {concertId}.json, that nginx serves to those who wait. */
#ifndef BOXOFFICE_QUEUE_FILE_H
#define BOXOFFICE_QUEUE_FILE_H

#include "board/board.h"

/* Writes it aside and renames it over the old one, so that a reader gets one or the other. Not flushed to
 * disk: after a crash the next tick writes it anew. False when it could not (logged). */
bool queue_file_write(const char *dir, const struct board_queue *queue) __attribute__((warn_unused_result));

#endif
