/* SPDX-License-Identifier: 0BSD */
/* Static queue files: the lively ones, and the shelf of idle ones. */
#include "server/files.h"

#include "base/clock.h"
#include "board/queue_file.h"

#define FRESH_MS 4500    /* written again after so long: they may be 5 s old */
#define NEWS_MS 250      /* and not more often than that */
#define QUIET_MS 3000    /* a concert is lively for so long after something happened */
#define IDLE_A_SECOND 60 /* idle files written a second, at most */
#define IDLE_MAX (IDLE_A_SECOND * FRESH_MS / 1000)

static bool is_counted(const struct known_concert *k) {
    return k->performances_count == 0 || k->queue.seats.total > 0;
}

static void write_file(struct feed *f, struct known_concert *k, uint64_t now_ms) {
    if (!is_counted(k) || !queue_file_write(f->conf->queue_state_dir, &k->queue, f->now_ms)) return;
    k->file_ms = now_ms;
    k->file_news = false;
}

/* The one in which nothing has happened for longest gives up its place. */
static void shelve(struct files *files, struct feed *f, struct known_concert *k) {
    k->file = FILE_IDLE;
    list_add(&files->idle, k);
    if (files->idle.count <= IDLE_MAX) return;
    size_t oldest = 0;
    for (size_t i = 0; i < files->idle.count; i++) {
        const struct known_concert *a = files->idle.at[i], *b = files->idle.at[oldest];
        if (a->active_ms < b->active_ms) oldest = i;
    }
    struct known_concert *out = files->idle.at[oldest];
    list_drop(&files->idle, oldest);
    out->file = FILE_NONE;
    queue_file_remove(f->conf->queue_state_dir, (struct concert_id){out->concert});
    out->file_ms = 0;
}

static bool is_quiet(const struct known_concert *k, uint64_t now_ms) {
    const struct board_queue *q = &k->queue;
    if (q->waiting || q->active || k->row.waiting || k->row.active || k->changed ||
        q->admitted_per_minute)
        return false;
    for (const struct known_performance *p = k->performances; p; p = p->next)
        if (!p->counted || p->stale || p->until_ms) return false;
    return now_ms - k->active_ms >= QUIET_MS;
}

static void write_lively(struct files *files, struct feed *f, uint64_t now_ms) {
    for (size_t i = 0; i < f->lively.count;) {
        struct known_concert *k = f->lively.at[i];
        uint64_t age_ms = now_ms - k->file_ms;
        if (k->file_ms == 0 || age_ms >= FRESH_MS || (k->file_news && age_ms >= NEWS_MS))
            write_file(f, k, now_ms);
        if (!is_quiet(k, now_ms)) {
            i++;
            continue;
        }
        list_drop(&f->lively, i);
        shelve(files, f, k);
    }
}

static void write_idle(struct files *files, struct feed *f, uint64_t now_ms) {
    uint64_t most = IDLE_A_SECOND * f->conf->tick_ms / 1000 + 1;
    for (size_t i = 0; i < files->idle.count;) {
        struct known_concert *k = files->idle.at[i];
        if (k->file == FILE_LIVELY) { /* again */
            list_drop(&files->idle, i);
            continue;
        }
        if (most > 0 && (k->file_ms == 0 || now_ms - k->file_ms >= FRESH_MS)) {
            write_file(f, k, now_ms);
            most--;
        }
        i++;
    }
}

/* Left by an earlier ticker: nobody would keep it fresh. */
static void sweep(void *ctx, struct concert_id concert) {
    struct feed *f = ctx;
    const struct known_concert *k = known_concert(&f->known, concert.v);
    if (!k || k->file == FILE_NONE) queue_file_remove(f->conf->queue_state_dir, concert);
}

/* At the start nothing is known of who was active when: the newest ones. */
static void begin(struct files *files, struct feed *f) {
    const struct list *all = &f->known.concerts;
    for (size_t i = all->count; i > 0 && files->idle.count < IDLE_MAX; i--) {
        struct known_concert *k = all->at[i - 1];
        if (k->file == FILE_NONE) shelve(files, f, k);
    }
    queue_file_list(f->conf->queue_state_dir, sweep, f);
    files->begun = true;
}

void files_tick(struct files *files, struct feed *f) {
    uint64_t now_ms = clock_mono_ms();
    if (!files->begun) begin(files, f);
    write_lively(files, f, now_ms);
    write_idle(files, f, now_ms);
    atomic_store(&f->stats->queue_files, f->lively.count + files->idle.count);
}

void files_free(struct files *files) { list_free(&files->idle); }
