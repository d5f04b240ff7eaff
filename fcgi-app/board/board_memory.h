/* SPDX-License-Identifier: 0BSD */
/* How the board's mapping is laid out: private to board/board*.c.
 *
 *   head      what there is of all else; the bitmaps of pages that were ever written
 *   told      a small table of what was told of single numbers: by lines of a cache
 *   passes    buckets of passes, at places given by hash
 *   tables    concerts and performances: slots given in sequence, an index by id that grows
 *   rooms     one for each queue that is followed, given in sequence
 *   arena     all that varies in size: blocks by offset, given by the ticker alone
 *
 * One process, the ticker, changes all of this but `told`, passes and words of seats. A ticker
 * can be killed between any two stores, so each change is published by the store of one word,
 * and the order of stores is such that what is lost is a block of memory, never a truth. What
 * that leaves behind is mended by the next ticker's first call (board_writer).
 *
 * Readers hold pointers into all this while it changes. They look again after reading: at the
 * epoch, which changes with board_reset, and at the word by which they came there (a card's
 * word, a copy's version). Memory that other processes write is never given to anybody else but
 * by board_reset, and then the arena goes on from where it was, so that one who slept in a note
 * does not wake up writing into another's. */
#ifndef BOXOFFICE_BOARD_MEMORY_H
#define BOXOFFICE_BOARD_MEMORY_H

#include "board/board.h"

#include <stdatomic.h>

#define GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define PUT(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)
/* What is read after is no older; what was put before is seen by who sees this. */
#define GET_FIRST(x) atomic_load_explicit(&(x), memory_order_acquire)
#define PUT_LAST(x, v) atomic_store_explicit(&(x), (v), memory_order_release)

typedef _Atomic uint64_t word;

#define PAGE 4096u
#define LINE 64u

/* --- told --- */

#define TOLD_LINES 8192u
#define TOLD_WAYS 7u
struct told_line {
    word entry[TOLD_WAYS]; /* 28 bits of the key's hash, 36 of the event; 0: empty */
    word next;             /* the way that is given up next */
};

/* --- passes --- */

#define PASS_BUCKETS 65536u
#define PASS_WAYS 15u
struct pass_entry {
    word version; /* odd: being written */
    word concert, number;
    /* The low 3 bits; above them the latest end ever noted, to choose who is forgotten. */
    word stage;
    word ends_at_ms, joined_at_ms, own_performance, own_seq;
};
struct pass_bucket {
    word lock;  /* owner's pid, and above it a count of changes of hands; pid 0: free */
    word doubt; /* 1: a note could not be made, so nothing here is to be believed */
    _Atomic uint16_t tag[PASS_WAYS]; /* of the hash, so that one look finds the entry; 0: empty */
    uint8_t rest[LINE - 16 - 2 * PASS_WAYS];
    struct pass_entry entry[PASS_WAYS];
};
_Static_assert(sizeof(struct pass_bucket) == 1024, "buckets lie in lines");

/* --- tables --- */

/* A concert, or a performance. Given once, until board_reset. */
struct slot {
    word id;
    word card;  /* see card_word; 0: none yet */
    word list;  /* concert: block of its performances' order, as card */
    word room;  /* concert: of its queue, from 1; 0: none */
    word seats; /* performance: block of its seats; never changes but from 0 */
    word rest[3];
};
#define INDEX_LEAST 9u /* log2 of the smallest index: a page */
struct table {
    struct slot *slot;
    word *index; /* those of all sizes, one behind the other; only `level` is in use */
    uint64_t max;
    word given;
    word level; /* log2 of the index's entries; 0: none yet */
};
#define CONCERTS_MAX (1u << 20)
#define CONCERT_LEVEL_MAX 21u
#define PERFORMANCES_MAX (1u << 22)
#define PERFORMANCE_LEVEL_MAX 23u

/* --- rooms --- */

#define QUEUE_WORDS (sizeof(struct board_queue) / sizeof(uint64_t))
struct copy {
    word version; /* odd: being written; 0: never was */
    word queue[QUEUE_WORDS];
    word ring;               /* block of ring entries | log2 of how many; 0: nobody left */
    word lost_min, lost_max; /* leavers for whom there was no memory; 0: none */
    word rest;
};
struct room {
    word owner;   /* the concert's slot, from 1; 0: free */
    word current; /* the copy to read, 0 or 1 */
    word first;   /* the ring has no page of a range before this */
    word next;    /* when free: the next free one */
    word rest[4];
    struct copy copy[2];
};
_Static_assert(sizeof(struct room) % LINE == 0, "rooms lie in lines");

/* Who left, in a page of the arena: a bit a number, and sums of blocks of 1,024 (a rank
 * directory: G. Jacobson, Space-efficient Static Trees and Graphs, 1989). */
#define LEFT_BLOCK 1024u
#define LEFT_BLOCKS 31u
#define LEFT_SPAN (LEFT_BLOCK * LEFT_BLOCKS)
struct left_page {
    word bits[LEFT_SPAN / 64];
    _Atomic uint32_t sum[LEFT_BLOCKS];
    uint32_t rest;
};
_Static_assert(sizeof(struct left_page) == PAGE, "a page of leavers is a page");

/* --- seats --- */

struct hall {
    word performance, total;
    word known;   /* 1: the words tell all seats */
    word seq;     /* the latest event noted */
    word changes; /* twice for each */
    word rest[3];
    word seat[];
};

/* --- head --- */

#define CLASSES 96u
struct board {
    uint64_t bytes, rooms_max, arena_bytes;
    struct told_line *told;
    struct pass_bucket *pass;
    struct table concerts, performances;
    _Atomic uint32_t *order; /* concerts' slots by id: two copies of CONCERTS_MAX */
    word *wanted;            /* a bit for each performance's slot; a sum of them below */
    struct room *room;
    char *arena;

    _Alignas(LINE) word epoch; /* odd: being reset */
    word refreshed_ms;         /* monotonic; 0: nothing to be trusted */
    word clock_ms;             /* the database's clock less the monotonic one */
    word order_word;           /* how many << 32 | version << 1 | copy */
    word rooms_given;
    word told_touched[TOLD_LINES * LINE / PAGE / 64];

    _Alignas(LINE) word writer;   /* pid of the ticker that was here last */
    word rooms_free;              /* the first free one, from 1 */
    word arena_start, arena_next; /* given so far: from start to next, in bytes */
    word arena_used;
    word small_next, small_end; /* of the chunk from which small blocks are cut */
    word again; /* 1: the arena was begun anew, so fresh memory may have been written */
    word sweep_slot, sweep_seat; /* see board_seats.c */
    word free_block[CLASSES];    /* offset of the first free one */

    _Alignas(LINE) word wanted_sum[PERFORMANCES_MAX / 64 / 64];
    _Alignas(LINE) word pass_touched[PASS_BUCKETS * 1024 / PAGE / 64];
};

/* --- board_memory.c --- */

/* Readers: false while the board is being reset. Then look_ended says whether it was meanwhile. */
static inline bool look_begins(const struct board *board, uint64_t *epoch_r) {
    *epoch_r = GET_FIRST(board->epoch);
    return !(*epoch_r & 1);
}
static inline bool look_ended(const struct board *board, uint64_t epoch) {
    atomic_thread_fence(memory_order_acquire);
    return GET(board->epoch) == epoch;
}

/* To be said by each function of the ticker's first: mends what another one left undone. */
void board_writer(struct board *board);

/* A block of so many bytes, zeroed, at an offset in the arena; 0: no memory. */
uint64_t block_give(struct board *board, uint64_t bytes);
/* Takes back a block of so many bytes. Readers may still read it, so it must be found no more. */
void block_take(struct board *board, uint64_t offset, uint64_t bytes);
static inline void *block_at(const struct board *board, uint64_t offset) {
    return board->arena + offset;
}

/* A word that leads to a block which is replaced as a whole: its offset in lines, and a version,
 * so that one who reads the block can tell that it was replaced, also by another at the same
 * place. */
#define CARD_OFFSET_BITS 40
static inline uint64_t card_offset(uint64_t card) {
    return (card & ((1ull << CARD_OFFSET_BITS) - 1)) * LINE;
}
static inline uint64_t card_word(uint64_t before, uint64_t offset) {
    return ((before >> CARD_OFFSET_BITS) + 1) << CARD_OFFSET_BITS | offset / LINE;
}

/* --- rings of leavers' pages ---
 *
 * A ring's word: its block's offset, and log2 of its entries in the low bits, of which the
 * offset has none. An entry: how often the ring had gone round before this range, 16 bits; who
 * left in it, 16 bits; the page's offset in pages, 32 bits. 0: nobody left in it. */
static inline uint64_t ring_log(uint64_t ring) { return ring % LINE; }
static inline uint64_t ring_offset(uint64_t ring) { return ring - ring_log(ring); }
static inline uint64_t ring_mask(uint64_t ring) { return (1ull << ring_log(ring)) - 1; }
static inline word *ring_at(const struct board *board, uint64_t ring) {
    return block_at(board, ring_offset(ring));
}
static inline uint64_t ring_entry(uint64_t ring, uint64_t range, uint64_t page, uint64_t sum) {
    return (range >> ring_log(ring)) << 48 | sum << 32 | page / PAGE;
}
static inline bool ring_entry_of(uint64_t entry, uint64_t ring, uint64_t range) {
    return entry && entry >> 48 == (range >> ring_log(ring) & 0xffff);
}
static inline uint64_t ring_entry_page(uint64_t entry) { return (uint64_t)(uint32_t)entry * PAGE; }
static inline uint64_t ring_entry_sum(uint64_t entry) { return entry >> 32 & 0xffff; }
static inline uint64_t ring_entry_with_sum(uint64_t entry, uint64_t sum) {
    return (entry & ~(0xffffull << 32)) | sum << 32;
}

/* The slot of an id; NULL: none. slot_make gives one; NULL: no more room. */
struct slot *slot_find(const struct table *table, uint64_t id);
struct slot *slot_make(struct table *table, uint64_t id);

/* All bytes 0, and the pages given back to the system. Both at multiples of a page. */
void memory_wipe(void *at, uint64_t bytes);

/* Whether a page of a region was ever written, kept in a bitmap, because reading it would make
 * it. */
static inline bool page_touched(const word *touched, uint64_t page) {
    return GET(touched[page / 64]) >> page % 64 & 1;
}
static inline void page_touch(word *touched, uint64_t page) {
    if (!page_touched(touched, page)) atomic_fetch_or(&touched[page / 64], 1ull << page % 64);
}

static inline uint64_t hash64(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}
static inline uint64_t hash_place(uint64_t concert, uint64_t number) {
    return hash64(hash64(concert) + number);
}

/* The slot of a concert, given if there is none; NULL: no more room. */
struct slot *concert_make(struct board *board, uint64_t concert);

/* What the other files mend, and forget. */
void rooms_mend(struct board *board);
void told_reset(struct board *board);
void passes_reset(struct board *board);
/* Memory for the seats of a performance that is being set. False: none. */
bool seats_make(struct board *board, struct slot *performance, uint64_t total);
/* Looks at some of the seats: holds that ended long ago are to be known as ended. */
void seats_sweep(struct board *board, uint64_t now_ms);

#endif
