/* SPDX-License-Identifier: 0BSD */
/* The concert that a rehearsal is played on: a copy, which stays when it is over. */
#ifndef BOXOFFICE_REHEARSE_COPY_H
#define BOXOFFICE_REHEARSE_COPY_H

#include "store/concert.h"

#define COPY_TITLE_SIZE 801 /* 200 characters of UTF-8 */

struct copy {
    struct concert_id source, id; /* id: 0 until it is made */
    char source_title[COPY_TITLE_SIZE], title[COPY_TITLE_SIZE];
    uint64_t max_active, seats;
    size_t dates, passed; /* that are copied; that are over, and are not */
    struct copy_date {
        uint64_t starts_at_ms, price_minor, seats;
        char venue[COPY_TITLE_SIZE];
    } * date;
};

/* Reads what is to be copied: dates that are still to come `length_ms` from now. Errors:
 * CONCERT_NOT_FOUND. */
enum err copy_look(struct db *db, struct concert_id source, uint64_t length_ms,
                   struct copy *copy_r) MUST_USE;
/* Adds it: it opens in lead_ms, and closes some seconds after length_ms more. */
enum err copy_make(struct db *db, struct copy *copy, uint64_t lead_ms, uint64_t length_ms) MUST_USE;
/* Nobody joins it any more. Waits up to wait_ms for those who are in it to have gone; how many have
 * not. */
enum err copy_drain(struct db *db, const struct copy *copy, uint64_t wait_ms,
                    uint64_t *left_r) MUST_USE;
void copy_free(struct copy *copy);

#endif
