/* SPDX-License-Identifier: 0BSD */
/* The ticker's loop: look, bring the board up to date, then do what time demands. Reading comes
 * first and waits for no lock, so that the board stays fresh whatever is locked; what is locked is
 * left alone for a while. */
#include "server/ticker.h"

#include "base/clock.h"
#include "base/log.h"
#include "batch/idem.h"
#include "batch/queue.h"
#include "batch/reservation.h"
#include "board/nginx_errors.h"
#include "server/feed.h"
#include "server/files.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>

#define ROUNDS_MAX 5 /* batches of one queue in one tick */
#define PURGE_EVERY_MS 10000
#define LOCK_WAIT_S 1        /* others who are to be let in wait for no longer */
#define BACK_OFF_MS 1000     /* a concert that could not be locked is left alone for so long, */
#define BACK_OFF_MS_MAX 8000 /* twice as long each time, up to this */
#define ACT_MS_MAX 300       /* then the board comes first again; the others are next */
#define CLOCK_STEP_MS 2000   /* no clock that is only slewed gets so far between two looks */

struct ticker {
    const struct conf *conf;
    struct conf db_conf; /* with a short wait for locks */
    struct feed feed;
    struct files files;
    bool look_at_all;
    size_t act_at; /* where the last round of admissions ended */
    uint64_t holds_retry_ms, holds_back_off_ms, purge_ms;
    int64_t offset_ms; /* the database's clock less the monotonic one */
    bool offset_known;
};

static volatile sig_atomic_t stop;

static void on_term(int signal) {
    (void)signal;
    stop = 1;
}

/* A write of the ticker. */
struct work {
    struct ticker *t;
    struct concert_id concert;
    uint64_t ended, admitted;
};

static enum err purge_work(void *ctx) {
    struct work *w = ctx;
    return idem_purge(w->t->feed.db, w->t->conf->tick_batch, &w->ended);
}

/* For the master: not stuck. In each step that may wait for the database. */
static void turn(struct ticker *t) {
    atomic_store_explicit(&t->feed.stats->ticker_turned_ms, clock_mono_ms(), memory_order_relaxed);
}

static void back_off(uint64_t *back_off_ms, uint64_t *retry_ms) {
    *back_off_ms = *back_off_ms ? *back_off_ms * 2 : BACK_OFF_MS;
    if (*back_off_ms > BACK_OFF_MS_MAX) *back_off_ms = BACK_OFF_MS_MAX;
    *retry_ms = clock_mono_ms() + *back_off_ms;
}

/* True when anything changed. */
static bool end_holds(struct ticker *t) {
    struct work w = {.t = t};
    if (!t->feed.holds_overdue || clock_mono_ms() < t->holds_retry_ms) return false;
    turn(t);
    /* One performance whose row is locked keeps back its own holds only. */
    if (holds_expire(t->feed.db, t->conf, &w.ended) && !w.ended) {
        back_off(&t->holds_back_off_ms, &t->holds_retry_ms);
        return false;
    }
    t->holds_back_off_ms = 0;
    stats_add(&t->feed.stats->holds_expired, w.ended);
    return w.ended > 0;
}

static bool is_due(const struct ticker *t, const struct known_concert *k) {
    const struct board_queue *q = &k->row;
    if (k->overdue) return true;
    return q->waiting > 0 && q->active < q->max_active && !q->paused &&
           k->sales_open_at_ms <= t->feed.now_ms;
}

static bool let_in(struct ticker *t, struct known_concert *k) {
    bool changed = false;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct work w = {.t = t, .concert = {k->concert}};
        turn(t);
        if (queue_tick(t->feed.db, t->conf, w.concert, &w.ended, &w.admitted)) {
            back_off(&k->back_off_ms, &k->retry_ms);
            return changed;
        }
        k->back_off_ms = 0;
        stats_add(&t->feed.stats->ended, w.ended);
        stats_add(&t->feed.stats->admitted, w.admitted);
        changed |= w.ended + w.admitted > 0;
        if (w.ended < t->conf->tick_batch && w.admitted < t->conf->tick_batch) break;
    }
    return changed;
}

/* Ends and lets in where the last look says so, those that were locked lately last. True when
 * anything changed. */
static bool act(struct ticker *t) {
    struct list *wants = &t->feed.wants;
    uint64_t began_ms = clock_mono_ms();
    bool changed = end_holds(t);
    for (size_t i = 0; i < wants->count;) {
        struct known_concert *k = wants->at[i];
        if (is_due(t, k)) {
            i++;
            continue;
        }
        k->wants = false;
        list_drop(wants, i);
    }
    for (int locked = 0; locked <= 1; locked++)
        for (size_t n = 0; n < wants->count; n++) {
            size_t i = (t->act_at + n) % wants->count;
            struct known_concert *k = wants->at[i];
            if ((k->back_off_ms > 0) != locked || clock_mono_ms() < k->retry_ms) continue;
            changed |= let_in(t, k);
            if (clock_mono_ms() - began_ms < ACT_MS_MAX) continue;
            t->act_at = i + 1;
            return changed;
        }
    return changed;
}

/* The database's clock went by as much as ours since the last look, or somebody has set it. All
 * that ends by time would end at once, or never: nothing does for a while, so that it can be put
 * right. */
static void watch_clock(struct ticker *t) {
    struct stats *stats = t->feed.stats;
    int64_t least = (int64_t)t->feed.now_ms - (int64_t)t->feed.seen_ms,
            most = (int64_t)t->feed.now_ms - (int64_t)t->feed.looked_ms;
    uint64_t board_ms = board_now_ms(t->feed.board); /* as a ticker before this one knew it */
    if (!t->offset_known)
        t->offset_ms = board_ms ? (int64_t)board_ms - (int64_t)clock_mono_ms() : least;
    t->offset_known = true;
    int64_t step_ms = least > t->offset_ms + CLOCK_STEP_MS  ? least - t->offset_ms
                      : most < t->offset_ms - CLOCK_STEP_MS ? most - t->offset_ms
                                                            : 0;
    if (t->offset_ms < least) t->offset_ms = least;
    if (t->offset_ms > most) t->offset_ms = most;
    if (step_ms == 0) return;
    log_line(LOG_L_WARNING,
             "the database's clock stepped by %+" PRId64
             " ms: nothing ends and nobody is let in for %" PRIu64
             " ms; put it right if it is wrong",
             step_ms, t->conf->clock_pause_ms);
    stats_add(&stats->clock_steps, 1);
    atomic_store(&stats->clock_step_ms, (uint64_t)step_ms);
    atomic_store(&stats->clock_paused_until_ms, clock_mono_ms() + t->conf->clock_pause_ms);
    t->look_at_all = true;
}

static bool is_paused(const struct ticker *t) {
    return clock_mono_ms() < stats_get(&t->feed.stats->clock_paused_until_ms);
}

/* Looks, and publishes what it saw. */
static enum err see(struct ticker *t) {
    struct feed *f = &t->feed;
    bool all = t->look_at_all;
    t->look_at_all = true; /* should any of it fail */
    turn(t);
    enum err e = feed_look(f, all);
    if (!e) turn(t);
    if (!e) e = feed_take(f);
    if (e) return e;
    t->look_at_all = false;
    watch_clock(t);
    board_touch(f->board, f->looked_ms, f->now_ms);
    files_tick(&t->files, f);
    return E_OK;
}

static enum err tick(struct ticker *t) {
    enum err e = see(t);
    if (!e && !is_paused(t) && act(t)) e = see(t);
    if (e) return e;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - t->purge_ms >= PURGE_EVERY_MS) {
        struct work w = {.t = t};
        e = db_once(t->feed.db, purge_work, &w);
        /* A full batch: there is more. */
        if (e || w.ended < t->conf->tick_batch) t->purge_ms = now_ms;
    }
    return e;
}

static void prepare_signals(sigset_t *none_r) {
    struct sigaction term = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(none_r);
}

int ticker_run(const struct conf *conf, struct board *board, struct stats *stats) {
    struct ticker t = {.conf = conf, .db_conf = *conf, .look_at_all = true};
    sigset_t none;
    if (t.db_conf.lock_wait_s > LOCK_WAIT_S) t.db_conf.lock_wait_s = LOCK_WAIT_S;
    t.feed = (struct feed){.conf = conf, .board = board, .stats = stats, .db = db_new(&t.db_conf)};
    if (!t.feed.db) return 1;
    db_count_in(t.feed.db, &stats->ticker_database);
    prepare_signals(&none);
    /* Another ticker may have died before. Its last board is whole, and serves until this one has
     * read the rows: going by way of the database in between could make `ahead` grow again. */
    while (!stop) {
        uint64_t began_ns = clock_mono_ns();
        turn(&t);
        db_begin(t.feed.db, -1);
        enum err e = tick(&t);
        uint64_t took_us = (clock_mono_ns() - began_ns) / 1000;
        stats_add(&stats->ticks, 1);
        stats_add(&stats->tick_us, took_us);
        atomic_store(&stats->last_tick_us, took_us);
        nginx_errors_read(conf->nginx_errors_file, stats);
        if (e) clock_sleep_ms(100); /* said in the log; the board grows old until it is back */
        uint64_t took_ms = (clock_mono_ns() - began_ns) / 1000000;
        uint64_t rest_ms = took_ms < conf->tick_ms ? conf->tick_ms - took_ms : 1;
        struct timespec rest = {.tv_sec = (time_t)(rest_ms / 1000),
                                .tv_nsec = (long)(rest_ms % 1000) * 1000000};
        pselect(0, NULL, NULL, NULL, &rest, &none); /* TERM is let in here only */
    }
    db_free(t.feed.db);
    feed_free(&t.feed);
    files_free(&t.files);
    return 0;
}
