/* SPDX-License-Identifier: 0BSD */
/* The board's passes: who was let in, until when, and what became of it.
 *
 * A bucket of 15 is chosen by hash. Readers take no lock: an entry's version is odd while it is
 * written. Who notes takes the bucket's lock, for some nanoseconds. If that stays taken, its
 * owner may have been killed: one that is no more is taken over from, and the entry that it was
 * writing is forgotten. From one that lives (stopped, or not yet buried) it is not taken; after
 * a while the note is given up, and the bucket is marked as doubtful: nothing in it is believed
 * until somebody gets the lock and empties it. To forget is always safe, because the database is
 * asked then. */
#include "board/board_memory.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define READ_TRIES 100u
#define SPINS 1000u        /* some microseconds */
#define BURIED_NS 1000000u /* after so long an owner is looked after */
#define GIVE_UP_NS 20000000u

#define STAGE_BITS 3u
#define STAGE_MASK 7u
_Static_assert(BOARD_PASS_EXPIRED <= STAGE_MASK, "a stage takes three bits");

static struct pass_bucket *bucket_of(const struct board *board, uint64_t hash) {
    return &board->pass[hash % PASS_BUCKETS];
}
static uint16_t tag_of(uint64_t hash) {
    uint16_t tag = (uint16_t)(hash >> 48);
    return tag ? tag : 1;
}
static uint64_t page_of(const struct board *board, const struct pass_bucket *bucket) {
    return (uint64_t)(bucket - board->pass) * sizeof *bucket / PAGE;
}

/* --- readers --- */

static bool entry_read(const struct pass_entry *e, uint64_t concert, uint64_t number,
                       struct board_pass *pass_r) {
    for (unsigned i = 0; i < READ_TRIES; i++) {
        uint64_t version = GET_FIRST(e->version);
        if (version & 1) continue;
        if (GET(e->concert) != concert || GET(e->number) != number) return false;
        *pass_r = (struct board_pass){
            .stage = (enum board_stage)(GET(e->stage) & STAGE_MASK),
            .ends_at_ms = GET(e->ends_at_ms),
            .joined_at_ms = GET(e->joined_at_ms),
            .own_performance = GET(e->own_performance),
            .own_seq = GET(e->own_seq),
        };
        atomic_thread_fence(memory_order_acquire);
        if (GET(e->version) == version) return pass_r->stage != BOARD_PASS_NONE;
    }
    return false; /* whoever writes it was stopped: the database knows */
}

bool board_pass(const struct board *board, struct concert_id concert, uint64_t number,
                struct board_pass *pass_r) {
    uint64_t hash = hash_place(concert.v, number);
    const struct pass_bucket *bucket = bucket_of(board, hash);
    if (!concert.v || !page_touched(board->pass_touched, page_of(board, bucket))) return false;
    for (unsigned i = 0; i < PASS_WAYS; i++) {
        if (GET(bucket->tag[i]) != tag_of(hash)) continue;
        if (entry_read(&bucket->entry[i], concert.v, number, pass_r))
            return !GET_FIRST(bucket->doubt);
    }
    return false;
}

/* --- the lock --- */

static bool is_dead(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

/* What a dead one was writing, or all of it, is forgotten. */
static void bucket_mend(struct pass_bucket *bucket, bool all) {
    for (unsigned i = 0; i < PASS_WAYS; i++) {
        struct pass_entry *e = &bucket->entry[i];
        uint64_t version = GET(e->version);
        if (!(version & 1) && !all) continue;
        PUT(e->version, version | 1);
        atomic_thread_fence(memory_order_release);
        PUT(bucket->tag[i], 0);
        PUT(e->concert, 0);
        PUT(e->number, 0);
        PUT_LAST(e->version, (version | 1) + 1);
    }
}

static bool lock(struct pass_bucket *bucket) {
    uint64_t own = (uint64_t)getpid(), since_ns = 0;
    for (unsigned spins = 0;; spins++) {
        uint64_t held = GET(bucket->lock);
        bool dead = false;
        if ((uint32_t)held && spins >= SPINS) {
            uint64_t now_ns = clock_mono_ns();
            if (!since_ns) since_ns = now_ns;
            dead = now_ns - since_ns > BURIED_NS && is_dead((pid_t)(uint32_t)held);
            if (!dead && now_ns - since_ns > GIVE_UP_NS) {
                PUT_LAST(bucket->doubt, 1);
                return false;
            }
            if (!dead) sched_yield();
        }
        if ((uint32_t)held && !dead) continue;
        /* The count: the same pid may be another process's by then. */
        uint64_t next = ((held >> 32) + 1) << 32 | own;
        if (!atomic_compare_exchange_strong(&bucket->lock, &held, next)) continue;
        atomic_thread_fence(memory_order_seq_cst);
        if (dead) bucket_mend(bucket, false);
        if (GET(bucket->doubt)) {
            bucket_mend(bucket, true);
            PUT_LAST(bucket->doubt, 0);
        }
        return true;
    }
}

static void unlock(struct pass_bucket *bucket) {
    PUT_LAST(bucket->lock, GET(bucket->lock) & ~(uint64_t)UINT32_MAX);
}

/* --- notes --- */

/* The later of two ends, whatever stage they were noted with: only for choosing who is
 * forgotten. */
static uint64_t stage_word(uint64_t before, uint64_t stage, uint64_t ends_at_ms) {
    uint64_t latest = before >> STAGE_BITS;
    if (ends_at_ms > latest) latest = ends_at_ms;
    return latest << STAGE_BITS | stage;
}

static bool ended(uint64_t stage, uint64_t now_ms) {
    return (stage & STAGE_MASK) > BOARD_PASS_CLAIMED || stage >> STAGE_BITS <= now_ms;
}

/* Of less use: ended, or longer ago, or else ending earlier. */
static bool less_useful(uint64_t a, uint64_t b, uint64_t now_ms) {
    bool ended_a = ended(a, now_ms), ended_b = ended(b, now_ms);
    return ended_a != ended_b ? ended_a : a >> STAGE_BITS < b >> STAGE_BITS;
}

/* Where a new one goes: an empty entry, or that of the one who is of least use; PASS_WAYS: the
 * new one is. */
static unsigned place_for(const struct pass_bucket *bucket, uint64_t stage, uint64_t now_ms) {
    unsigned least = PASS_WAYS;
    for (unsigned i = 0; i < PASS_WAYS; i++) {
        uint64_t there = GET(bucket->entry[i].stage);
        if (!GET(bucket->tag[i])) return i;
        if (!less_useful(there, stage, now_ms)) continue;
        least = i;
        stage = there;
    }
    return least;
}

/* Higher stages win, in the same one the later end. So notes give the same in any order. */
static void entry_merge(struct pass_entry *e, const struct board_pass *pass) {
    uint64_t stage = GET(e->stage), at = stage & STAGE_MASK;
    if (pass->stage > at || (pass->stage == at && pass->ends_at_ms > GET(e->ends_at_ms))) {
        PUT(e->ends_at_ms, pass->ends_at_ms);
        at = pass->stage;
    }
    PUT(e->stage, stage_word(stage, at, pass->ends_at_ms));
    if (pass->joined_at_ms > GET(e->joined_at_ms)) PUT(e->joined_at_ms, pass->joined_at_ms);
    if (!pass->own_performance) return;
    if (pass->own_performance != GET(e->own_performance) || pass->own_seq > GET(e->own_seq))
        PUT(e->own_seq, pass->own_seq);
    PUT(e->own_performance, pass->own_performance);
}

static void entry_begin(struct pass_entry *e) {
    PUT(e->version, GET(e->version) | 1);
    atomic_thread_fence(memory_order_release);
}

static void entry_new(struct pass_bucket *bucket, unsigned i, uint64_t concert, uint64_t number,
                      uint16_t tag) {
    struct pass_entry *e = &bucket->entry[i];
    PUT(e->concert, concert);
    PUT(e->number, number);
    PUT(e->stage, 0);
    PUT(e->ends_at_ms, 0);
    PUT(e->joined_at_ms, 0);
    PUT(e->own_performance, 0);
    PUT(e->own_seq, 0);
    PUT(bucket->tag[i], tag);
}

static unsigned entry_find(const struct pass_bucket *bucket, uint64_t concert, uint64_t number,
                           uint16_t tag) {
    for (unsigned i = 0; i < PASS_WAYS; i++) {
        const struct pass_entry *e = &bucket->entry[i];
        if (GET(bucket->tag[i]) == tag && GET(e->concert) == concert && GET(e->number) == number)
            return i;
    }
    return PASS_WAYS;
}

void board_pass_note(const struct board *board, struct concert_id concert, uint64_t number,
                     const struct board_pass *pass) {
    assert(concert.v > 0 && number > 0 && pass->stage <= BOARD_PASS_EXPIRED);
    uint64_t hash = hash_place(concert.v, number), now_ms = board_now_ms(board);
    struct pass_bucket *bucket = bucket_of(board, hash);
    page_touch((word *)board->pass_touched, page_of(board, bucket));
    if (!lock(bucket)) return;
    unsigned i = entry_find(bucket, concert.v, number, tag_of(hash));
    bool new = i == PASS_WAYS;
    if (new) i = place_for(bucket, stage_word(0, pass->stage, pass->ends_at_ms), now_ms);
    if (i < PASS_WAYS) {
        struct pass_entry *e = &bucket->entry[i];
        entry_begin(e);
        if (new) entry_new(bucket, i, concert.v, number, tag_of(hash));
        entry_merge(e, pass);
        PUT_LAST(e->version, GET(e->version) + 1);
    }
    unlock(bucket);
}

void passes_reset(struct board *board) {
    for (uint64_t i = 0; i < PASS_BUCKETS; i++) {
        struct pass_bucket *bucket = &board->pass[i];
        if (!page_touched(board->pass_touched, page_of(board, bucket))) continue;
        if (!lock(bucket)) continue; /* in doubt from now on */
        bucket_mend(bucket, true);
        unlock(bucket);
    }
}
