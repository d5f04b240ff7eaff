/* SPDX-License-Identifier: 0BSD */
/* The board's memory: the mapping, the arena, the tables with their indexes, and forgetting all. */
#include "board/board_memory.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL_MAX 2048u    /* larger blocks begin at a page */
#define CHUNK (64u * 1024) /* small ones are cut from such */
#define ARENA_LEAST (64ull << 20)
#define ARENA_PER_ROOM (64ull << 10)

static uint64_t pages(uint64_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

static uint64_t index_words(unsigned level_max) {
    return (2ull << level_max) - (1ull << INDEX_LEAST);
}

/* Gives each region its place, behind the head. Returns how many bytes there are in all; with
 * `base` NULL nothing is set. */
static uint64_t lay_out(struct board *board, char *base, uint64_t rooms, uint64_t arena_bytes) {
    uint64_t at = pages(sizeof(struct board));
    struct board none, *b = base ? board : &none;
#define REGION(p, size) ((p) = (void *)((uintptr_t)base + at), at += pages(size))
    REGION(b->told, TOLD_LINES * sizeof *b->told);
    REGION(b->pass, PASS_BUCKETS * sizeof *b->pass);
    REGION(b->concerts.slot, CONCERTS_MAX * sizeof(struct slot));
    REGION(b->concerts.index, index_words(CONCERT_LEVEL_MAX) * sizeof(word));
    REGION(b->order, 2ull * CONCERTS_MAX * sizeof *b->order);
    REGION(b->performances.slot, PERFORMANCES_MAX * sizeof(struct slot));
    REGION(b->performances.index, index_words(PERFORMANCE_LEVEL_MAX) * sizeof(word));
    REGION(b->wanted, PERFORMANCES_MAX / 8);
    REGION(b->room, rooms * sizeof(struct room));
    REGION(b->arena, arena_bytes);
#undef REGION
    return at;
}

struct board *board_create(uint64_t concerts_max) {
    assert(concerts_max > 0 && concerts_max <= CONCERTS_MAX);
    /* A host that counts reserved memory may not have that much. */
    for (uint64_t arena = ARENA_LEAST + concerts_max * ARENA_PER_ROOM; arena >= ARENA_LEAST;
         arena /= 2) {
        uint64_t bytes = lay_out(NULL, NULL, concerts_max, arena);
        struct board *board = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (board == MAP_FAILED) continue;
        lay_out(board, (char *)board, concerts_max, arena);
        board->bytes = bytes;
        board->rooms_max = concerts_max;
        board->arena_bytes = arena;
        board->concerts.max = CONCERTS_MAX;
        board->performances.max = PERFORMANCES_MAX;
        PUT(board->arena_start, PAGE); /* so that no block has the offset 0 */
        PUT(board->arena_next, PAGE);
        return board;
    }
    return NULL;
}

void board_destroy(struct board *board) { munmap(board, board->bytes); }

void board_memory(const struct board *board, uint64_t *used_r, uint64_t *room_r) {
    *used_r = GET(board->arena_used);
    *room_r = board->arena_bytes;
}

void memory_wipe(void *at, uint64_t bytes) {
    assert((uintptr_t)at % PAGE == 0 && bytes % PAGE == 0);
    if (bytes == 0 || madvise(at, bytes, MADV_REMOVE) == 0) return;
    /* A system that can't. */
    word *w = at;
    for (uint64_t i = 0; i < bytes / sizeof *w; i++) PUT(w[i], 0);
}

/* --- the arena --- */

/* Sizes are rounded up to one of four a doubling (and 64, 128, …, 512), so that what was taken
 * back fits the next one. */
static unsigned class_of(uint64_t bytes, uint64_t *size_r) {
    uint64_t lines = (bytes + LINE - 1) / LINE;
    assert(lines > 0);
    if (lines <= 8) {
        *size_r = lines * LINE;
        return (unsigned)lines - 1;
    }
    unsigned log = 63 - (unsigned)__builtin_clzll(lines - 1); /* 2^log < lines <= 2^(log + 1) */
    uint64_t step = 1ull << (log - 2);
    uint64_t steps = (lines - (1ull << log) + step - 1) / step;
    *size_r = ((1ull << log) + steps * step) * LINE;
    if (*size_r > SMALL_MAX) *size_r = pages(*size_r);
    return 7 + (log - 3) * 4 + (unsigned)steps;
}

/* Memory that no block has had before, at a page. */
static uint64_t arena_pages(struct board *board, uint64_t bytes) {
    uint64_t at = pages(GET(board->arena_next)), end = at + bytes;
    if (bytes > board->arena_bytes || end > board->arena_bytes) return 0;
    PUT(board->arena_next, end);
    if (GET(board->again)) memory_wipe(board->arena + at, bytes);
    return at;
}

static uint64_t arena_small(struct board *board, uint64_t bytes) {
    if (GET(board->small_next) + bytes > GET(board->small_end)) {
        uint64_t chunk = arena_pages(board, CHUNK);
        if (!chunk) return 0;
        /* The end first: killed in between, the old chunk's rest is lost, and no more. */
        PUT(board->small_next, board->arena_bytes);
        PUT_LAST(board->small_end, chunk + CHUNK);
        PUT_LAST(board->small_next, chunk);
    }
    uint64_t at = GET(board->small_next);
    PUT(board->small_next, at + bytes);
    return at;
}

uint64_t block_give(struct board *board, uint64_t bytes) {
    uint64_t size, used = GET(board->arena_used);
    unsigned class = class_of(bytes, &size);
    if (class >= CLASSES) return 0;
    uint64_t at = GET(board->free_block[class]);
    PUT(board->arena_used,
        used + size); /* first: who is killed here may lose memory, not find more */
    if (at) {
        word *w = block_at(board, at);
        PUT_LAST(board->free_block[class], GET(w[0]));
        for (uint64_t i = 0; i < size / sizeof *w; i++) PUT(w[i], 0);
    } else {
        at = size > SMALL_MAX ? arena_pages(board, size) : arena_small(board, size);
        if (!at) PUT(board->arena_used, used);
    }
    assert(at % LINE == 0 && at + size <= board->arena_bytes);
    return at;
}

void block_take(struct board *board, uint64_t offset, uint64_t bytes) {
    uint64_t size;
    unsigned class = class_of(bytes, &size);
    assert(offset > 0 && offset + size <= board->arena_bytes && class < CLASSES);
    word *w = block_at(board, offset);
    /* What led to it was cut before; a reader who came by it sees that when it looks again. */
    atomic_thread_fence(memory_order_release);
    PUT(w[0], GET(board->free_block[class]));
    PUT_LAST(board->free_block[class], offset);
    PUT(board->arena_used, GET(board->arena_used) - size);
}

/* --- tables --- */

static word *index_of(const struct table *table, uint64_t level) {
    return table->index + (1ull << level) - (1ull << INDEX_LEAST);
}

/* An entry: 32 bits of the hash, and the slot from 1. */
#define TAG(hash) ((hash)&0xffffffff00000000u)

struct slot *slot_find(const struct table *table, uint64_t id) {
    uint64_t hash = hash64(id);
    for (;;) {
        uint64_t level = GET_FIRST(table->level);
        if (!level) return NULL;
        const word *index = index_of(table, level);
        uint64_t mask = (1ull << level) - 1, entry;
        for (uint64_t i = 0; i <= mask && (entry = GET_FIRST(index[(hash + i) & mask])); i++) {
            struct slot *s = &table->slot[(uint32_t)entry - 1];
            if (TAG(entry) == TAG(hash) && GET(s->id) == id) return s;
        }
        /* A smaller index is emptied once the next one is there. */
        atomic_thread_fence(memory_order_acquire);
        if (GET(table->level) == level) return NULL;
    }
}

static void index_put(struct table *table, uint64_t level, uint64_t id, uint64_t slot) {
    uint64_t hash = hash64(id), mask = (1ull << level) - 1, i = 0;
    word *index = index_of(table, level);
    while (GET(index[(hash + i) & mask])) i++;
    PUT_LAST(index[(hash + i) & mask], TAG(hash) | (slot + 1));
}

/* The index of the next size, made whole before it is used. */
static void index_grow(struct table *table, uint64_t given) {
    uint64_t level = GET(table->level), next = level ? level + 1 : INDEX_LEAST;
    memory_wipe(index_of(table, next), sizeof(word) << next);
    for (uint64_t i = 0; i < given; i++) index_put(table, next, GET(table->slot[i].id), i);
    PUT_LAST(table->level, next);
    if (level) memory_wipe(index_of(table, level), sizeof(word) << level);
}

struct slot *slot_make(struct table *table, uint64_t id) {
    struct slot *s = slot_find(table, id);
    if (s) return s;
    uint64_t given = GET(table->given), level = GET(table->level);
    if (given == table->max) return NULL;
    s = &table->slot[given];
    PUT(s->id, id);
    if (!level || 2 * (given + 1) > 1ull << level) index_grow(table, given);
    /* Found before it counts: killed in between, board_writer takes the id away again. */
    index_put(table, GET(table->level), id, given);
    PUT_LAST(table->given, given + 1);
    return s;
}

static void table_reset(struct table *table) {
    uint64_t level = GET(table->level);
    PUT(table->level, 0);
    uint64_t slots = GET(table->given) + (GET(table->given) < table->max);
    memory_wipe(table->slot, pages(slots * sizeof(struct slot)));
    if (level) memory_wipe(table->index, pages(index_words((unsigned)level) * sizeof(word)));
    PUT(table->given, 0);
}

static void table_mend(struct table *table) {
    uint64_t given = GET(table->given);
    if (given < table->max && GET(table->level)) PUT(table->slot[given].id, 0);
}

/* --- all of it --- */

static void reset(struct board *board) {
    /* Odd: whoever began to look before throws away what it saw. */
    PUT(board->refreshed_ms, 0);
    PUT(board->clock_ms, 0);
    PUT(board->epoch, GET(board->epoch) | 1);
    atomic_thread_fence(memory_order_seq_cst);
    table_reset(&board->concerts);
    table_reset(&board->performances);
    PUT(board->order_word, 0);
    for (uint64_t i = 0; i < PERFORMANCES_MAX / 64 / 64; i++) {
        if (GET(board->wanted_sum[i]))
            memory_wipe((char *)board->wanted + i * 512 / PAGE * PAGE, PAGE);
        PUT(board->wanted_sum[i], 0);
    }
    memory_wipe(board->room, pages(GET(board->rooms_given) * sizeof(struct room)));
    PUT(board->rooms_given, 0);
    PUT(board->rooms_free, 0);
    told_reset(board);
    passes_reset(board);

    uint64_t start = GET(board->arena_start) / PAGE * PAGE, next = pages(GET(board->arena_next));
    memory_wipe(board->arena + start, next - start);
    for (unsigned c = 0; c < CLASSES; c++) PUT(board->free_block[c], 0);
    PUT(board->small_next, 0);
    PUT(board->small_end, 0);
    PUT(board->arena_used, 0);
    if (next > board->arena_bytes / 2) {
        PUT(board->again, 1);
        next = PAGE;
    }
    PUT(board->arena_start, next);
    PUT(board->arena_next, next);
    PUT(board->sweep_slot, 0);
    PUT(board->sweep_seat, 0);
    PUT_LAST(board->epoch, GET(board->epoch) + 1);
}

void board_writer(struct board *board) {
    uint64_t pid = (uint64_t)getpid();
    if (GET(board->epoch) & 1) reset(board);
    if (GET(board->writer) == pid) return;
    table_mend(&board->concerts);
    table_mend(&board->performances);
    rooms_mend(board);
    PUT(board->writer, pid);
}

void board_reset(struct board *board) {
    reset(board);
    assert(!(GET(board->epoch) & 1) && GET(board->arena_used) == 0);
}
