/* SPDX-License-Identifier: 0BSD */
/* The board: shared memory of a host, from which any process tells without the database
 *   - a waiting place's `ahead`, exactly, in queues of up to 16 million;
 *   - whether a pass is good (who was let in, until when, shown up or not, ended);
 *   - what is sold: concerts, performances, each seat's state.
 *
 * The ticker feeds it from the database's events, in their order; any other process notes what
 * it has itself seen committed (a join, a hold, a payment), so that a person sees at once what
 * they did. Notes and feed may come in any order and more than once: each is merged so that an
 * older one never undoes a newer one (seats by their event's seq, passes by stage and end).
 * Readers never wait, and never see half a change. Nothing is decided here: the database's rows
 * are the truth, and what can't be told is UNKNOWN, for which the caller asks them.
 *
 * Memory is one mapping, of which pages are used only as they are written; looking up what is
 * not there touches none. All words are relaxed atomics, ordered by fences, as H.-J. Boehm, Can
 * Seqlocks Get Along With Programming Language Memory Models?, 2012, has it. How it is laid out:
 * board_memory.h. */
#ifndef BOXOFFICE_BOARD_H
#define BOXOFFICE_BOARD_H

#include "base/ids.h"

#include <stdbool.h>

/* Who may wait in one queue: numbers behind admittedThrough, leavers not counted. */
#define BOARD_WAITING_MAX (16ull << 20)
/* Numbers of one queue behind admittedThrough that the board can tell apart, leavers counted. */
#define BOARD_WINDOW (32ull << 20)
/* A text of 200 characters and a NUL. */
#define BOARD_TEXT_SIZE 801
#define BOARD_AGE_MAX_MS 1000 /* an older board tells nobody's place */

/* The seats of all performances of a concert, as counted last. */
struct board_seats {
    uint64_t total, left, sold;              /* what is neither left nor sold is held */
    uint64_t reservations_paid, sales_minor; /* what sold ones belong to, and cost */
};

/* What is known of a queue at one instant. */
struct board_queue {
    uint64_t concert;
    uint64_t tail, admitted_through, waiting, active, max_active;
    uint64_t admitted_per_minute; /* measured */
    uint64_t rate_known;          /* 0: not measured yet */
    struct board_seats seats;
    uint64_t admitted_total, no_show_total;
    uint64_t paused, draining;
    uint64_t event_seq;     /* the events it has taken in */
    uint64_t updated_at_ms; /* the database's clock */
};

struct board;

/* Room for so many queues at a time, and for the concerts, performances, seats and passes that
 * go with them; virtual: pages are used as they are written. Shared with the processes forked
 * from here on. NULL without memory. */
struct board *board_create(uint64_t concerts_max);
void board_destroy(struct board *board);
/* Bytes given out for leavers, concerts, performances and seats, and how many there are. For
 * metrics. */
void board_memory(const struct board *board, uint64_t *used_r, uint64_t *room_r);

/* --- queues: readers, in any process --- */

enum board_says {
    BOARD_WAITING,     /* `ahead` is exact */
    BOARD_NOT_WAITING, /* let in or gone: see board_pass, else the database knows which */
    BOARD_NEWER,       /* drawn since: ask the database whether it waits; if so, `ahead` is right */
    BOARD_UNKNOWN,     /* not on the board, or the board is too old: ask the database */
};
/* `queue_r` may be NULL; it and `ahead_r` are left alone when it is UNKNOWN. */
enum board_says board_place(const struct board *board, struct concert_id concert, uint64_t number,
                            uint64_t *ahead_r, struct board_queue *queue_r);
/* False when it is not on the board. An old copy is given all the same. */
bool board_queue(const struct board *board, struct concert_id concert, struct board_queue *queue_r);
/* The next queue on the board, for lists: *at starts at 0. False past the last. */
bool board_next(const struct board *board, uint64_t *at, struct board_queue *queue_r);
/* The concert's title; "" when it is not on the board. */
void board_title(const struct board *board, struct concert_id concert,
                 char title_r[BOARD_TEXT_SIZE]);
/* This place was told from the database as of this event: for this number no copy from before it
 * is used any more (so that `ahead` does not grow again). Other numbers are not concerned: one
 * user who asks the database sends nobody else there. */
void board_told(const struct board *board, struct concert_id concert, uint64_t number,
                uint64_t event_seq);
/* This number has left on this host. */
void board_gone(const struct board *board, struct concert_id concert, uint64_t number);
/* Milliseconds since the ticker last looked at the database. */
uint64_t board_age_ms(const struct board *board);
/* The database's clock, carried on from the last look by the monotonic clock; 0 before the
 * first. */
uint64_t board_now_ms(const struct board *board);

/* --- passes: readers and noters, in any process --- */

/* In the order in which a pass goes through them: a note of an earlier stage changes nothing. */
enum board_stage {
    BOARD_PASS_NONE,
    BOARD_PASS_ADMITTED,
    BOARD_PASS_CLAIMED,
    BOARD_PASS_COMPLETED,
    BOARD_PASS_LEFT,
    BOARD_PASS_EXPIRED,
};
struct board_pass {
    enum board_stage stage;
    /* ADMITTED and CLAIMED: when the pass ends; within a stage it only ever grows */
    uint64_t ends_at_ms;
    uint64_t joined_at_ms; /* 0: not known */
    /* The performance that its holder last changed on this host, and as of which of its events;
     * 0: none. A body made before that event is too old for them. */
    uint64_t own_performance, own_seq;
};
/* False: not known (not let in, or forgotten: the board keeps the latest million or so). */
bool board_pass(const struct board *board, struct concert_id concert, uint64_t number,
                struct board_pass *pass_r);
/* What the caller saw committed. `own_performance` 0 and `joined_at_ms` 0 leave what was noted,
 * as does BOARD_PASS_NONE the stage and the end. */
void board_pass_note(const struct board *board, struct concert_id concert, uint64_t number,
                     const struct board_pass *pass);

/* --- what is sold --- */

/* Times: ms since 1970, 0: no bound. */
struct board_concert {
    uint64_t concert, sales_open_at_ms, sales_close_at_ms, performances;
    char title[BOARD_TEXT_SIZE];
};
struct board_performance {
    uint64_t performance, concert;
    uint64_t starts_at_ms, price_minor, total_seats;
    uint64_t sales_open_at_ms, sales_close_at_ms; /* its own, or its concert's */
    char venue[BOARD_TEXT_SIZE];
};
bool board_concert(const struct board *board, struct concert_id concert,
                   struct board_concert *concert_r);
/* The first with an id above `after`; false past the last. */
bool board_concert_after(const struct board *board, uint64_t after,
                         struct board_concert *concert_r);
bool board_performance(const struct board *board, struct performance_id performance,
                       struct board_performance *performance_r);
/* Those of a concert, by startsAt and id: *at starts at 0; false past the last. */
bool board_performance_next(const struct board *board, struct concert_id concert, uint64_t *at,
                            struct board_performance *performance_r);

enum board_seat { BOARD_SEAT_FREE, BOARD_SEAT_HELD, BOARD_SEAT_SOLD };
#define BOARD_SOLD_MS ((uint64_t)INT64_MAX) /* seat.taken_until_ms of one that was sold */
/* Each seat's state at now_ms, into state_r[0 ... total_seats - 1] (seat number less one);
 * state_r may be NULL to count only. `seq_r`: the latest event that any seat shows; `until_r`:
 * the earliest end of a hold after now_ms, 0: none, so that what was read stays right until
 * another event or that moment. A hold's end is known to 64 ms, rounded up. False when its seats
 * are not known: wanted from then on (see board_seats_wanted), and the database is to be asked
 * this time. */
bool board_seats_read(const struct board *board, struct performance_id performance, uint64_t now_ms,
                      uint8_t *state_r, uint64_t *available_r, uint64_t *seq_r, uint64_t *until_r);
/* The latest event that was noted of its seats, without a look at each. False when they are not
 * known. Whether a body made earlier is still right it can't tell: an event may be noted after a
 * later one. */
bool board_seats_seq(const struct board *board, struct performance_id performance, uint64_t *seq_r);
/* Grows whenever any of its seats changes. A body made of what board_seats_read gave is right as
 * long as this is what it was before that read, until `until_r`. False when its seats are not
 * known. */
bool board_seats_changes(const struct board *board, struct performance_id performance,
                         uint64_t *changes_r);
/* Whether its seats are known. Nothing is wanted because of the question. */
bool board_seats_known(const struct board *board, struct performance_id performance);
/* A seat as of an event of its performance; taken_until_ms as in the row: 0 free, BOARD_SOLD_MS
 * sold. Of what is not on the board nothing is noted. */
void board_seat_note(const struct board *board, struct performance_id performance,
                     uint64_t seat_number, uint64_t seq, uint64_t taken_until_ms);

/* --- the ticker only: one process at a time. What a killed one left undone the next one mends. */

/* Forgets all. Readers are told UNKNOWN until it is filled again. */
void board_reset(struct board *board);
/* Publishes a queue's next state: numbers in left[] have left while waiting (those at or below
 * admitted_through are ignored; the same one again does no harm). False when there is no room
 * for another queue. When there is no memory for who left, their numbers and those behind are
 * UNKNOWN until the line has passed them (or until it is dropped, and published again with all
 * who left). */
bool board_publish(struct board *board, const struct board_queue *queue, const uint64_t *left,
                   size_t left_count);
/* Gives back the room of a concert's queue (nobody waits, nobody is active), for another. Its
 * place is UNKNOWN from then on, and what is sold of it is told as before. */
void board_drop(struct board *board, struct concert_id concert);
/* Adds or replaces. False without room. A concert is to be set before its performances. */
bool board_concert_set(struct board *board, const struct board_concert *concert);
bool board_performance_set(struct board *board, const struct board_performance *performance);
/* The seats of a performance as of its event `seq`, all of them, total_seats values of
 * taken_until_ms; events after it may have been noted before. From then on they are known. False
 * when the performance is not on the board, or has another number of seats there. The rows are
 * to be read after board_performance_set: what was noted before that was not kept. */
bool board_seats_load(struct board *board, struct performance_id performance, uint64_t seq,
                      const uint64_t *taken_until_ms, uint64_t total_seats);
/* Performances whose seats a reader has asked for in vain since; at most `max` ids, each told
 * once. */
size_t board_seats_wanted(struct board *board, uint64_t *performance_r, size_t max);
/* All is as it was at looked_ms of the monotonic clock, when the database's clock said now_ms. */
void board_touch(struct board *board, uint64_t looked_ms, uint64_t now_ms);

#endif
