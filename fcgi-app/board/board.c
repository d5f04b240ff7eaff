/* The board. See board.h for how it is read while it is written. */
#include "board/board.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS_PER_BLOCK (BOARD_BLOCK / 64)
#define QUEUE_WORDS (sizeof(struct board_queue) / sizeof(uint64_t))
#define AGE_MAX_MS 1000
#define GONE 256
#define TITLE_WORDS ((BOARD_TITLE_SIZE + 7) / 8)

/* All words are atomic and only ever accessed so; see load_queue and store_queue. */
struct copy {
    _Atomic uint64_t version; /* odd: being written */
    _Atomic uint64_t queue[QUEUE_WORDS];
    _Atomic uint64_t base; /* the bitmap's bit 0 stands for this number; a multiple of BOARD_BLOCK */
    _Atomic uint32_t sum[BOARD_BLOCKS]; /* bits set in the blocks before */
    _Atomic uint64_t bits[BOARD_BLOCKS * WORDS_PER_BLOCK];
};

struct slot {
    _Atomic uint64_t concert; /* 0: free; set once */
    _Atomic uint32_t current; /* the copy to read, 0 or 1 */
    _Atomic uint64_t told;    /* copies with a lower event_seq are passed over */
    _Atomic uint64_t gone[GONE]; /* numbers that left lately, each at its remainder */
    _Atomic uint64_t title[TITLE_WORDS];
    struct copy copy[2];
};

struct board {
    uint64_t slots;
    size_t bytes;
    _Atomic uint64_t refreshed_ms; /* monotonic; 0: nothing to be trusted */
    struct slot slot[];
};

#define GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define PUT(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

_Static_assert(sizeof(struct slot) <= 256 * 1024, "a million numbers take 256 KiB");

size_t board_bytes_per_queue(void) { return sizeof(struct slot); }

struct board *board_create(uint64_t queues_max) {
    size_t bytes = sizeof(struct board) + queues_max * sizeof(struct slot);
    struct board *board = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (board == MAP_FAILED) return NULL;
    board->slots = queues_max;
    board->bytes = bytes;
    return board;
}

void board_destroy(struct board *board) { munmap(board, board->bytes); }

/* Open addressing: concerts are few and never removed while the board lives. */
static struct slot *find(const struct board *board, uint64_t concert, bool make) {
    for (uint64_t i = 0; i < board->slots; i++) {
        struct slot *s = (struct slot *)&board->slot[(concert + i) % board->slots];
        uint64_t there = GET(s->concert);
        if (there == concert) return s;
        if (there == 0) {
            if (!make) return NULL;
            PUT(s->concert, concert);
            return s;
        }
    }
    return NULL;
}

static void load_queue(const struct copy *c, struct board_queue *queue_r) {
    uint64_t words[QUEUE_WORDS];
    for (size_t i = 0; i < QUEUE_WORDS; i++) words[i] = GET(c->queue[i]);
    memcpy(queue_r, words, sizeof words);
}

/* Bits set for numbers in [base, number). */
static uint64_t left_before(const struct copy *c, uint64_t base, uint64_t number) {
    uint64_t bit = number - base;
    uint64_t block = bit / BOARD_BLOCK;
    uint64_t n = GET(c->sum[block]);
    for (uint64_t w = block * WORDS_PER_BLOCK; w < bit / 64; w++) n += (uint64_t)__builtin_popcountll(GET(c->bits[w]));
    if (bit % 64) n += (uint64_t)__builtin_popcountll(GET(c->bits[bit / 64]) & ((1ull << bit % 64) - 1));
    return n;
}

/* One look at a slot: the queue, and when number is not 0, the place. */
static bool look(const struct slot *s, uint64_t number, struct board_queue *queue_r, enum board_says *says_r, uint64_t *ahead_r) {
    for (;;) {
        const struct copy *c = &s->copy[atomic_load_explicit(&s->current, memory_order_acquire)];
        uint64_t version = atomic_load_explicit(&c->version, memory_order_acquire);
        if (version == 0) return false; /* never written */
        if (!(version & 1)) {
            load_queue(c, queue_r);
            uint64_t base = GET(c->base);
            if (number && queue_r->event_seq < GET(s->told)) {
                *says_r = BOARD_UNKNOWN;
            } else if (number > queue_r->tail) {
                /* All who waited then, and all numbers drawn since: never less than what a later copy says,
                 * which a count from the database could be. So `ahead` does not grow from one to the other. */
                *says_r = BOARD_NEWER;
                *ahead_r = queue_r->waiting + (number - 1 - queue_r->tail);
            } else if (number <= queue_r->admitted_through) {
                *says_r = BOARD_NOT_WAITING;
            } else if (number - base < BOARD_BLOCKS * BOARD_BLOCK) {
                bool left = GET(c->bits[(number - base) / 64]) >> (number - base) % 64 & 1;
                if (GET(s->gone[number % GONE]) == number) left = true;
                *says_r = left ? BOARD_NOT_WAITING : BOARD_WAITING;
                /* Bits at or below admitted_through are never set. */
                *ahead_r = number - 1 - queue_r->admitted_through - left_before(c, base, number);
            } else {
                *says_r = BOARD_UNKNOWN;
            }
            atomic_thread_fence(memory_order_acquire);
            if (GET(c->version) == version) return true;
        }
        /* Overtaken by two refreshes: the other copy is the current one by now. */
    }
}

enum board_says board_place(const struct board *board, struct concert_id concert, uint64_t number, uint64_t *ahead_r,
                            struct board_queue *queue_r) {
    struct board_queue queue;
    enum board_says says = BOARD_UNKNOWN;
    const struct slot *s = find(board, concert.v, false);
    if (!s || !look(s, number, &queue, &says, ahead_r)) return BOARD_UNKNOWN;
    if (queue_r) *queue_r = queue;
    return board_age_ms(board) > AGE_MAX_MS ? BOARD_UNKNOWN : says;
}

bool board_queue(const struct board *board, struct concert_id concert, struct board_queue *queue_r) {
    enum board_says says;
    uint64_t ahead;
    const struct slot *s = find(board, concert.v, false);
    return s && look(s, 0, queue_r, &says, &ahead);
}

bool board_next(const struct board *board, uint64_t *at, struct board_queue *queue_r) {
    enum board_says says;
    uint64_t ahead;
    while (*at < board->slots) {
        const struct slot *s = &board->slot[(*at)++];
        if (GET(s->concert) && look(s, 0, queue_r, &says, &ahead) && queue_r->concert) return true;
    }
    return false;
}

void board_title(const struct board *board, struct concert_id concert, char title_r[BOARD_TITLE_SIZE]) {
    uint64_t words[TITLE_WORDS] = {0};
    const struct slot *s = find(board, concert.v, false);
    for (size_t i = 0; s && i < TITLE_WORDS; i++) words[i] = GET(s->title[i]);
    memcpy(title_r, words, BOARD_TITLE_SIZE);
    title_r[BOARD_TITLE_SIZE - 1] = 0;
}

bool board_set_title(struct board *board, struct concert_id concert, const char *title) {
    uint64_t words[TITLE_WORDS] = {0};
    struct slot *s = find(board, concert.v, true);
    if (!s) return false;
    strncpy((char *)words, title, BOARD_TITLE_SIZE - 1);
    for (size_t i = 0; i < TITLE_WORDS; i++) PUT(s->title[i], words[i]);
    return true;
}

uint64_t board_age_ms(const struct board *board) {
    uint64_t at_ms = atomic_load_explicit(&board->refreshed_ms, memory_order_acquire);
    uint64_t now_ms = clock_mono_ms();
    return at_ms == 0 ? UINT64_MAX : now_ms > at_ms ? now_ms - at_ms : 0;
}

void board_touch(struct board *board, uint64_t looked_ms) {
    atomic_store_explicit(&board->refreshed_ms, looked_ms, memory_order_release);
}

void board_told(const struct board *board, struct concert_id concert, uint64_t event_seq) {
    struct slot *s = find(board, concert.v, false);
    if (!s) return;
    uint64_t told = GET(s->told);
    while (told < event_seq && !atomic_compare_exchange_weak(&s->told, &told, event_seq)) continue;
}

void board_gone(const struct board *board, struct concert_id concert, uint64_t number) {
    struct slot *s = find(board, concert.v, false);
    if (s) PUT(s->gone[number % GONE], number);
}

void board_reset(struct board *board) {
    atomic_store(&board->refreshed_ms, 0);
    for (uint64_t i = 0; i < board->slots; i++) {
        struct slot *s = &board->slot[i];
        if (!GET(s->concert)) continue;
        for (int k = 0; k < 2; k++) {
            /* Odd, so that a reader on it starts over; then empty, which is no state of any queue's. */
            struct copy *c = &s->copy[k];
            PUT(c->version, GET(c->version) | 1);
            atomic_thread_fence(memory_order_release);
            for (size_t w = 0; w < QUEUE_WORDS; w++) PUT(c->queue[w], 0);
            PUT(c->base, 0);
            for (size_t b = 0; b < BOARD_BLOCKS; b++) PUT(c->sum[b], 0);
            for (size_t w = 0; w < BOARD_BLOCKS * WORDS_PER_BLOCK; w++) PUT(c->bits[w], 0);
            atomic_store_explicit(&c->version, GET(c->version) + 1, memory_order_release);
        }
    }
}

bool board_publish(struct board *board, const struct board_queue *queue, const uint64_t *left, size_t left_count) {
    struct slot *s = find(board, queue->concert, true);
    if (!s) return false;
    uint32_t now = GET(s->current);
    const struct copy *from = &s->copy[now];
    struct copy *to = &s->copy[1 - now];

    PUT(to->version, GET(to->version) | 1);
    atomic_thread_fence(memory_order_release);

    uint64_t words[QUEUE_WORDS];
    memcpy(words, queue, sizeof words);
    for (size_t i = 0; i < QUEUE_WORDS; i++) PUT(to->queue[i], words[i]);

    /* The other copy's bits, moved down by what has been let in since, without those below the line. */
    uint64_t base = (queue->admitted_through + 1) / BOARD_BLOCK * BOARD_BLOCK;
    uint64_t shift = base > GET(from->base) ? (base - GET(from->base)) / 64 : 0;
    uint64_t used = queue->tail >= base ? (queue->tail - base) / 64 + 1 : 0;
    const uint64_t all = BOARD_BLOCKS * WORDS_PER_BLOCK;
    for (uint64_t w = 0; w < all; w++) {
        uint64_t v = w < used && w + shift < all ? GET(from->bits[w + shift]) : 0;
        if (GET(to->bits[w]) != v) PUT(to->bits[w], v);
    }
    uint64_t line = queue->admitted_through + 1 - base; /* the first bit that counts */
    for (uint64_t w = 0; w < line / 64; w++) PUT(to->bits[w], 0);
    if (line % 64) PUT(to->bits[line / 64], GET(to->bits[line / 64]) & ~((1ull << line % 64) - 1));

    for (size_t i = 0; i < left_count; i++) {
        uint64_t bit = left[i] - base;
        if (left[i] <= queue->admitted_through || bit >= BOARD_BLOCKS * BOARD_BLOCK) continue;
        PUT(to->bits[bit / 64], GET(to->bits[bit / 64]) | 1ull << bit % 64);
    }
    uint32_t sum = 0;
    for (uint64_t b = 0; b < BOARD_BLOCKS; b++) {
        PUT(to->sum[b], sum);
        for (uint64_t w = b * WORDS_PER_BLOCK; w < (b + 1) * WORDS_PER_BLOCK; w++) sum += (uint32_t)__builtin_popcountll(GET(to->bits[w]));
    }
    PUT(to->base, base);
    atomic_store_explicit(&to->version, GET(to->version) + 1, memory_order_release);
    atomic_store_explicit(&s->current, 1 - now, memory_order_release);
    return true;
}
