/* SPDX-License-Identifier: 0BSD */
/* Seat lists: the body, and for larger halls a file of it beside the static queue files, plain and
 * gzipped, made once by the process that finds the last one out of date, and sent by nginx to all
 * who ask. A file never changes: each making has a name of its own, so that what a name (and its
 * tag) stands for is one text. Only what somebody asks for is made, and no more often than once a
 * tick. */
#ifndef BOXOFFICE_SEAT_FILE_H
#define BOXOFFICE_SEAT_FILE_H

#include "base/strbuf.h"
#include "board/board.h"

/* Halls of up to so many seats are put together for each request. */
#define SEAT_FILE_LEAST 300
#define SEAT_FILE_NAME_SIZE 48

/* The body of GET /performances/{id}/seats; state: one for each seat, of enum board_seat. */
void seat_list_text(struct strbuf *text, const struct board_performance *performance,
                    const uint8_t *state, uint64_t available);

/* Before the processes that share it are forked: the folder dir/seats, made or emptied. False when
 * there is none to be had (logged); lists are then put together for each request. */
bool seat_files_open(const char *dir);

struct seat_file {
    uint64_t tag;                   /* hash_bytes of the text */
    char name[SEAT_FILE_NAME_SIZE]; /* in dir/seats; nginx finds .gz behind it */
};
/* The file for one who must see events up to own_seq: there already and made within tick_ms or
 * unchanged since, or made now. While another process makes it: the one before, if that is at most
 * tick_ms + 100 ms old. False: none to be had for this one now, or the seats are not known. */
bool seat_file_find(const char *dir, const struct board *board,
                    const struct board_performance *performance, uint64_t own_seq, uint64_t tick_ms,
                    struct seat_file *file_r);

#endif
