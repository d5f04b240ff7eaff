/* SPDX-License-Identifier: 0BSD */
/* The static queue file, {concertId}.json, that nginx serves to those who wait. */
#ifndef BOXOFFICE_QUEUE_FILE_H
#define BOXOFFICE_QUEUE_FILE_H

#include "base/strbuf.h"
#include "board/board.h"

/* What it says, as of at_ms (the database's clock). */
void queue_file_text(struct strbuf *text, const struct board_queue *queue, uint64_t at_ms);
/* Writes it aside and renames it over the old one, so that a reader gets one or the other. Not
 * flushed to disk: after a crash the next tick writes it anew. False when it could not (logged). */
bool queue_file_write(const char *dir, const struct board_queue *queue, uint64_t at_ms)
    __attribute__((warn_unused_result));
void queue_file_remove(const char *dir, struct concert_id concert);
/* The concerts that have one: each is told to `each`. */
void queue_file_list(const char *dir, void (*each)(void *ctx, struct concert_id concert),
                     void *ctx);

#endif
