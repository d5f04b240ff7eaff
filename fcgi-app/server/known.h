/* SPDX-License-Identifier: 0BSD */
/* What the ticker remembers of each concert and performance between ticks: found by id, listed by
 * what has to be done, so that no tick walks over what did not change. In the ticker's own memory;
 * what others may read is on the board. */
#ifndef BOXOFFICE_KNOWN_H
#define BOXOFFICE_KNOWN_H

#include "board/board.h"

#define RATE_SECONDS 60

struct known_performance {
    uint64_t performance;
    struct known_concert *concert;
    struct known_performance *next; /* of the same concert */
    uint64_t total_seats, price_minor;
    uint64_t text_hash;   /* of what the board was given */
    uint64_t event_seq;   /* by the last look */
    bool listed, to_load; /* among those whose events, or seats, are to be read */
    bool missing;         /* on the board */
    /* Seats: on the board or not, and as of which event. */
    bool loaded, no_room;
    uint64_t fed_seq;
    /* Counts. `left` changes by itself when a hold runs out, at until_ms (0: no hold). */
    bool counted, stale, to_count;
    uint64_t left, sold, paid, until_ms;
    uint64_t counted_ms; /* when, monotonic */
};

struct known_concert {
    uint64_t concert;
    struct known_performance *performances;
    uint64_t performances_count;
    uint64_t text_hash, sales_open_at_ms;
    struct board_queue row;   /* by the last look */
    struct board_queue queue; /* as published last, or as it would be */
    bool changed;             /* row is newer than queue: among those to be published */
    bool rebuilt, published;  /* who is gone has been read; it is on the board */
    bool missing;             /* the board has no room for what it is called */
    uint64_t admits;          /* by the events at hand */
    uint64_t active_ms;       /* when something last happened, monotonic */
    /* Admission. */
    bool wants, overdue, opening;
    uint64_t retry_ms, back_off_ms;
    /* The measured rate. */
    uint64_t sample[RATE_SECONDS + 1], samples, sample_ms;
    /* The static file. */
    enum { FILE_NONE, FILE_IDLE, FILE_LIVELY } file;
    uint64_t file_ms; /* written last, monotonic; 0: never */
    bool file_news;
};

/* A list of pointers that grows. */
struct list {
    void **at;
    size_t count, size;
};
void list_add(struct list *list, void *item);
/* Takes out the item at this index; the last one takes its place. */
void list_drop(struct list *list, size_t index);
void list_free(struct list *list);

struct known {
    struct list concerts, performances; /* by id, ascending */
};
/* NULL when it is not known. */
struct known_concert *known_concert(const struct known *known, uint64_t concert);
struct known_performance *known_performance(const struct known *known, uint64_t performance);
/* The one of that id, made when it is not known yet (*new_r, may be NULL). Its address stays. */
struct known_concert *known_concert_add(struct known *known, uint64_t concert, bool *new_r);
/* The same, of a concert that is known. */
struct known_performance *known_performance_add(struct known *known, uint64_t performance,
                                                struct known_concert *of, bool *new_r);
void known_free(struct known *known);

#endif
