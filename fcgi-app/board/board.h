/* The board: shared memory of a host from which any worker tells a waiting place's `ahead` without the
 * database. The ticker alone writes it; readers never wait for it and never see half a refresh.
 *
 * Per concert it keeps what the queue row says (tail, admittedThrough, …) and, for the numbers behind
 * admittedThrough, a bitmap of those who left while waiting, with a running sum of its bits before each
 * block of 1,024 (a rank directory: G. Jacobson, Space-efficient Static Trees and Graphs, 1989). So
 *     ahead(n) = (n - 1 - admittedThrough) - left(admittedThrough, n)
 * takes one sum and at most 16 words, whatever the length of the queue.
 *
 * How a reader sees a consistent copy: there are two copies, and `current` tells which one to read. The
 * writer only touches the other one and then turns `current`. A copy's `version` is odd while it is
 * written. A reader notes the version, reads, and looks again: only a reader that slept through a whole
 * refresh and into the next one sees it changed, and starts over on the copy that is current by then. A
 * writer killed in the middle leaves the current copy whole; the next ticker starts from the rows.
 * Beside the copies, workers note two things themselves. `told`: up to which event they have told places from the
 * database (when the board was too old); a copy from before that is passed over, so that `ahead` does not grow
 * again. And who has just left, so that they are told so at once; the next refresh has it too.
 * Every field that both sides touch is read and written with relaxed atomics, ordered by fences, as
 * H.-J. Boehm, Can Seqlocks Get Along With Programming Language Memory Models?, 2012, has it. */
#ifndef BOXOFFICE_BOARD_H
#define BOXOFFICE_BOARD_H

#include "base/ids.h"

#include <stdbool.h>

/* Numbers that may wait behind admittedThrough of one concert, leavers included: joining more is BUSY.
 * The bitmap has a block to spare, because it starts at a multiple of 1,024. */
#define BOARD_BLOCK 1024u
#define BOARD_BLOCKS 980u
#define BOARD_WINDOW ((uint64_t)(BOARD_BLOCKS - 1) * BOARD_BLOCK)

/* The seats of all performances of a concert, as counted last. */
struct board_seats {
    uint64_t total, left, sold; /* what is neither left nor sold is held */
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
    uint64_t event_seq; /* the events it has taken in */
    uint64_t updated_at_ms; /* the database's clock */
};

struct board;

/* Room for so many queues, shared with the processes forked from here on. NULL when there is no memory. */
struct board *board_create(uint64_t queues_max);
void board_destroy(struct board *board);
/* Bytes that one queue takes in all. */
size_t board_bytes_per_queue(void);

/* --- readers, in any process --- */

enum board_says {
    BOARD_WAITING,     /* `ahead` is exact */
    BOARD_NOT_WAITING, /* let in or gone: the database knows which */
    BOARD_NEWER,       /* drawn since the last refresh: ask the database whether it waits; if so, `ahead` is right */
    BOARD_UNKNOWN,     /* not on the board, or the board is too old: ask the database */
};
/* `queue_r` may be NULL. */
enum board_says board_place(const struct board *board, struct concert_id concert, uint64_t number, uint64_t *ahead_r,
                            struct board_queue *queue_r);
/* False when it is not on the board. An old copy is given all the same. */
bool board_queue(const struct board *board, struct concert_id concert, struct board_queue *queue_r);
/* The next queue on the board, for lists: *at starts at 0. False past the last. */
bool board_next(const struct board *board, uint64_t *at, struct board_queue *queue_r);
/* The concert's title; "" when it is not on the board. */
#define BOARD_TITLE_SIZE 801 /* 200 characters and a NUL */
void board_title(const struct board *board, struct concert_id concert, char title_r[BOARD_TITLE_SIZE]);
/* A place of this queue was told from the database as of this event: no copy from before it is used any more. */
void board_told(const struct board *board, struct concert_id concert, uint64_t event_seq);
/* This number has left on this host. */
void board_gone(const struct board *board, struct concert_id concert, uint64_t number);
/* Milliseconds since the ticker last looked at the database. */
uint64_t board_age_ms(const struct board *board);

/* --- the ticker --- */

/* Forgets all. Readers are told UNKNOWN until it is filled again. */
void board_reset(struct board *board);
/* Publishes a queue's next state: numbers in left[] have left while waiting (those at or below
 * admitted_through are ignored). False when there is no room for another queue. */
bool board_publish(struct board *board, const struct board_queue *queue, const uint64_t *left, size_t left_count);
/* To be said before the queue is published first: readers take no care of one that changes. False without room. */
bool board_set_title(struct board *board, struct concert_id concert, const char *title);
/* All queues are as they were at that moment of the monotonic clock. */
void board_touch(struct board *board, uint64_t looked_ms);

#endif
