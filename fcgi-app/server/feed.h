/* SPDX-License-Identifier: 0BSD */
/* From the database to the board: one look a tick at what changed, then the events of just that, in
 * their order. Changes nothing in the database, and waits for none of its locks. */
#ifndef BOXOFFICE_FEED_H
#define BOXOFFICE_FEED_H

#include "base/conf.h"
#include "board/board.h"
#include "board/stats.h"
#include "server/known.h"
#include "store/db.h"

struct feed {
    const struct conf *conf;
    struct board *board;
    struct stats *stats;
    struct db *db;
    struct known known;
    /* By the last look. */
    uint64_t now_ms, looked_ms,
        seen_ms; /* the database's clock; ours, monotonic, before and after */
    bool holds_overdue, board_full_said, begun;
    uint64_t missing; /* concerts and performances that the board has no room for */
    uint64_t slice_concert, slice_performance, slice_rows[2];
    /* What is to be done, by the last look. */
    struct list changed;   /* concerts, to be published */
    struct list events;    /* performances with events */
    struct list load;      /* performances whose seats are to be read */
    struct list uncounted; /* performances whose seats have never been counted */
    struct list recounted; /* concerts of which some have been counted just now */
    struct list wants;     /* concerts with passes that ended, or people who may be let in */
    struct list openings;  /* concerts in which people wait for the sale to open */
    struct list lively;    /* concerts with people or news: each is looked at in every tick */
    /* The events at hand. */
    struct known_concert *at_concert;
    struct known_performance *at_performance;
    struct left {
        uint64_t concert, number;
    } * left;
    size_t left_count, left_size;
    struct hall {
        uint64_t seq, total, sold, *until_ms, *owner, size;
    } hall;
    uint64_t full_ms;       /* monotonic: until then no place on the board is looked for */
    uint64_t count_rest_ms; /* monotonic: no seats are counted in the background before */
};

/* A range of events: those above *least_r up to *most_r, of *id_r. False: none. */
typedef bool feed_range_fn(void *item, uint64_t *id_r, uint64_t *least_r, uint64_t *most_r);
/* One statement for the ranges of all items of a list; no ranges, no statement. `each` gets the
 * feed. */
enum err feed_ranges(struct feed *feed, enum stmt id, const struct list *of, feed_range_fn *range,
                     db_row_fn *each) MUST_USE;

/* One look: all rows, or those changed since the last one and a slice of the others. What it found
 * is in the lists. */
enum err feed_look(struct feed *feed, bool all) MUST_USE;
/* Reads the events of what changed and brings the board up to date with the look. After an error, a
 * look at all rows is due: what was lost of the lists comes again with it. */
enum err feed_take(struct feed *feed) MUST_USE;
/* Something happened in this concert: it is looked at in every tick for a while. */
void feed_stir(struct feed *feed, struct known_concert *concert);
void feed_free(struct feed *feed);

#endif
