/* The ticker's loop. One statement a tick tells all there is to know; what it says decides what else is run,
 * so that an idle system writes nothing. */
#include "server/ticker.h"

#include "base/clock.h"
#include "store/concert.h"
#include "batch/idem.h"
#include "base/log.h"
#include "board/nginx_errors.h"
#include "batch/queue.h"
#include "board/queue_file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#define RATE_SECONDS 60
#define ROUNDS_MAX 5          /* batches of one queue in one tick */
#define FILE_IDLE_MS 5000     /* the static file is written at least so often */
#define SEATS_BUSY_MS 500     /* seats are counted so often while anything happens, */
#define SEATS_IDLE_MS 5000    /* and so often otherwise, */
#define SEATS_SHARE 50        /* but counting takes at most one part in so many of the time: halls differ */
#define PURGE_EVERY_MS 10000

/* What the ticker remembers of a queue between ticks. */
struct watched {
    struct board_queue queue;  /* as published last */
    bool rebuilt;              /* the board has it whole */
    bool open, overdue;        /* by the last look */
    bool shown_before;
    struct board_queue shown;  /* as written to the file last */
    uint64_t shown_ms;
    uint64_t counted_ms, counting_ms, counted_seq; /* seats: when, how long it took, as of which event */
    uint64_t sample[RATE_SECONDS + 1], samples; /* admitted_total, once a second */
    uint64_t sample_ms;
};

struct ticker {
    const struct conf *conf;
    struct board *board;
    struct stats *stats;
    struct db *db;
    struct watched *watched;
    size_t count, size;
    struct board_queue *row; /* by the last look, in the order of watched */
    bool holds_overdue, board_full_said;
    size_t seen;
    uint64_t *left;
    size_t left_count, left_size;
    uint64_t purge_ms;
};

static volatile sig_atomic_t stop;

static void on_term(int signal) {
    (void)signal;
    stop = 1;
}

static void take_queue(void *ctx, const struct db_row *row) {
    struct ticker *t = ctx;
    struct board_queue q = {
        .concert = db_row_u64(row, 0),
        .tail = db_row_u64(row, 1),
        .admitted_through = db_row_u64(row, 2),
        .waiting = db_row_u64(row, 3),
        .active = db_row_u64(row, 4),
        .admitted_total = db_row_u64(row, 5),
        .no_show_total = db_row_u64(row, 6),
        .max_active = db_row_u64(row, 7),
        .paused = db_row_u64(row, 8),
        .draining = db_row_u64(row, 9),
        .event_seq = db_row_u64(row, 10),
        .updated_at_ms = db_row_u64(row, 11),
    };
    /* Rows come by id, and concerts are only ever added: a known one keeps its index unless an older id
     * appears late, which a sort by id would show as a mismatch; look it up then. */
    size_t i = t->seen;
    if (i >= t->count || t->watched[i].queue.concert != q.concert)
        for (i = 0; i < t->count && t->watched[i].queue.concert != q.concert; i++) continue;
    if (i == t->count) {
        if (t->count == t->size) {
            t->size = t->size ? t->size * 2 : 64;
            t->watched = realloc(t->watched, t->size * sizeof *t->watched);
            t->row = realloc(t->row, t->size * sizeof *t->row);
            if (!t->watched || !t->row) abort();
        }
        t->watched[t->count++] = (struct watched){.queue = {.concert = q.concert}};
    }
    t->seen++;
    t->row[i] = q;
    t->watched[i].open = db_row_u64(row, 12) != 0;
    t->watched[i].overdue = db_row_u64(row, 13) != 0;
    t->holds_overdue = db_row_u64(row, 14) != 0;
}

static enum err look(struct ticker *t) {
    t->seen = 0;
    t->holds_overdue = false;
    enum err e = db_run(t->db, STMT_QUEUE_ALL, 0, NULL, take_queue, t, NULL);
    if (e) return e;
    atomic_store(&t->stats->database_seen_ms, clock_mono_ms());
    atomic_store(&t->stats->queues, t->seen);
    return E_OK;
}

/* A write of the ticker, run through the door that all writes go through. */
struct work {
    struct ticker *t;
    struct concert_id concert;
    uint64_t ended, admitted;
};

static enum err tick_work(void *ctx) {
    struct work *w = ctx;
    return queue_tick(w->t->db, w->t->conf, w->concert, &w->ended, &w->admitted);
}

static void take_ended(void *ctx, const struct db_row *row) { ((struct work *)ctx)->ended = db_row_u64(row, 1); }

static enum err holds_work(void *ctx) {
    struct work *w = ctx;
    return db_run(w->t->db, STMT_HOLDS_EXPIRE, DB_ARGS(DB_U64(w->t->conf->tick_batch)), take_ended, w, NULL);
}

static enum err purge_work(void *ctx) {
    struct work *w = ctx;
    return idem_purge(w->t->db, w->t->conf->tick_batch, &w->ended);
}

/* For the master: not stuck. In each step that may wait for the database. */
static void turn(struct ticker *t) { atomic_store_explicit(&t->stats->ticker_turned_ms, clock_mono_ms(), memory_order_relaxed); }

/* Ends and lets in where the last look says so. True when anything changed. */
static bool act(struct ticker *t) {
    bool changed = false;
    if (t->holds_overdue) {
        struct work w = {.t = t};
        if (db_transaction(t->db, false, holds_work, &w) == E_OK) {
            stats_add(&t->stats->holds_expired, w.ended);
            changed |= w.ended > 0;
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct board_queue *q = &t->row[i];
        const struct watched *k = &t->watched[i];
        if (!k->overdue && (q->waiting == 0 || q->active >= q->max_active || q->paused || !k->open)) continue;
        for (int round = 0; round < ROUNDS_MAX; round++) {
            struct work w = {.t = t, .concert = {q->concert}};
            turn(t);
            if (db_transaction(t->db, false, tick_work, &w)) break;
            stats_add(&t->stats->ended, w.ended);
            stats_add(&t->stats->admitted, w.admitted);
            changed |= w.ended + w.admitted > 0;
            if (w.ended < t->conf->tick_batch && w.admitted < t->conf->tick_batch) break;
        }
    }
    return changed;
}

static void take_left(void *ctx, const struct db_row *row) {
    struct ticker *t = ctx;
    if (t->left_count == t->left_size) {
        t->left_size = t->left_size ? t->left_size * 2 : 1024;
        t->left = realloc(t->left, t->left_size * sizeof *t->left);
        if (!t->left) abort();
    }
    t->left[t->left_count++] = db_row_u64(row, 0);
}

/* Who left while waiting since the last publication. Events are numbered and committed under the queue
 * row's lock, so the row's event_seq says how far they can be read, and none can come in late below it.
 * Joining moves event_seq and tail alike: when both moved by as much, nothing else happened. */
static enum err feed(struct ticker *t, struct watched *k, const struct board_queue *q) {
    t->left_count = 0;
    if (!k->rebuilt)
        return db_run(t->db, STMT_QUEUE_GONE, DB_ARGS(DB_U64(q->concert), DB_U64(q->admitted_through), DB_U64(q->tail)), take_left, t, NULL);
    if (q->event_seq - k->queue.event_seq == q->tail - k->queue.tail) return E_OK;
    return db_run(t->db, STMT_QUEUE_LEAVES, DB_ARGS(DB_U64(q->concert), DB_U64(k->queue.event_seq), DB_U64(q->event_seq)), take_left, t, NULL);
}

/* People let in per minute, over the last minute or since the ticker began to count. */
static void measure_rate(struct watched *k, struct board_queue *q, uint64_t now_ms) {
    if (now_ms - k->sample_ms >= 1000) {
        k->sample[k->samples++ % (RATE_SECONDS + 1)] = q->admitted_total;
        k->sample_ms = now_ms;
    }
    uint64_t have = k->samples > RATE_SECONDS ? RATE_SECONDS : k->samples - 1;
    uint64_t then = k->sample[(k->samples - 1 - have) % (RATE_SECONDS + 1)];
    uint64_t seconds = have ? have : 1;
    q->admitted_per_minute = (q->admitted_total - then) * 60 / seconds;
    q->rate_known = q->admitted_per_minute > 0;
}

static void take_seats(void *ctx, const struct db_row *row) {
    *(struct board_seats *)ctx = (struct board_seats){
        .total = db_row_u64(row, 0),
        .left = db_row_u64(row, 1),
        .sold = db_row_u64(row, 2),
        .reservations_paid = db_row_u64(row, 3),
        .sales_minor = db_row_u64(row, 4),
    };
}

static void take_title(void *ctx, const struct concert *concert) {
    struct board_concert c = {
        .concert = concert->id.v,
        .sales_open_at_ms = concert->sales_open_at_ms,
        .sales_close_at_ms = concert->sales_close_at_ms,
        .performances = concert->performances,
    };
    snprintf(c.title, sizeof c.title, "%s", concert->title);
    (void)board_concert_set(((struct ticker *)ctx)->board, &c);
}

static enum err publish(struct ticker *t, size_t i) {
    struct watched *k = &t->watched[i];
    struct board_queue *q = &t->row[i];
    uint64_t now_ms = clock_mono_ms();
    enum err e;
    turn(t);
    q->seats = k->queue.seats;
    uint64_t rest_ms = q->active || q->event_seq != k->counted_seq ? SEATS_BUSY_MS : SEATS_IDLE_MS;
    if (rest_ms < k->counting_ms * SEATS_SHARE) rest_ms = k->counting_ms * SEATS_SHARE;
    if (!k->counted_ms || now_ms - k->counted_ms >= rest_ms) {
        if ((e = db_run(t->db, STMT_SEATS_COUNT, DB_ARGS(DB_U64(q->concert)), take_seats, &q->seats, NULL))) return e;
        k->counted_ms = now_ms;
        k->counting_ms = clock_mono_ms() - now_ms;
        k->counted_seq = q->event_seq;
    }
    measure_rate(k, q, now_ms);
    bool same = k->rebuilt && q->event_seq == k->queue.event_seq && q->admitted_per_minute == k->queue.admitted_per_minute &&
                memcmp(&q->seats, &k->queue.seats, sizeof q->seats) == 0;
    if (!same) {
        if (!k->rebuilt && (e = concert_get(t->db, (struct concert_id){q->concert}, take_title, t))) return e;
        if ((e = feed(t, k, q))) return e;
        if (!board_publish(t->board, q, t->left, t->left_count) && !t->board_full_said) {
            log_line(LOG_L_WARNING, "the board has no room for concert %llu: raise board_concerts", (unsigned long long)q->concert);
            t->board_full_said = true;
        }
        k->rebuilt = true;
        k->queue = *q;
    }
    bool news = !k->shown_before || memcmp(&k->shown, &k->queue, sizeof k->shown) != 0;
    if (news || now_ms - k->shown_ms >= FILE_IDLE_MS) {
        if (queue_file_write(t->conf->queue_state_dir, q)) {
            k->shown = k->queue;
            k->shown_ms = now_ms;
            k->shown_before = true;
        }
    }
    return E_OK;
}

static enum err tick(struct ticker *t) {
    uint64_t looked_ms = clock_mono_ms();
    enum err e = look(t);
    if (!e && act(t)) {
        looked_ms = clock_mono_ms();
        e = look(t);
    }
    for (size_t i = 0; !e && i < t->count; i++) e = publish(t, i);
    if (e) return e;
    board_touch(t->board, looked_ms, t->count ? t->row[0].updated_at_ms : 0);
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - t->purge_ms >= PURGE_EVERY_MS) {
        struct work w = {.t = t};
        e = db_transaction(t->db, false, purge_work, &w);
        /* A full batch: there is more. */
        if (w.ended < t->conf->tick_batch) t->purge_ms = now_ms;
    }
    return e;
}

int ticker_run(const struct conf *conf, struct board *board, struct stats *stats) {
    struct ticker t = {.conf = conf, .board = board, .stats = stats, .db = db_new(conf)};
    struct sigaction term = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked, none;
    if (!t.db) return 1;
    db_count_in(t.db, &stats->ticker_database);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(&none);
    /* Another ticker may have died before. Its last board is whole, and serves until this one has read the
     * rows: going by way of the database in between could make `ahead` grow again. */
    while (!stop) {
        uint64_t began_ns = clock_mono_ns();
        turn(&t);
        db_begin(t.db, -1);
        enum err e = tick(&t);
        uint64_t took_us = (clock_mono_ns() - began_ns) / 1000;
        stats_add(&stats->ticks, 1);
        stats_add(&stats->tick_us, took_us);
        atomic_store(&stats->last_tick_us, took_us);
        nginx_errors_read(conf->nginx_errors_file, stats);
        if (e) clock_sleep_ms(100); /* said in the log; the board grows old until it is back */
        uint64_t took_ms = (clock_mono_ns() - began_ns) / 1000000;
        uint64_t rest_ms = took_ms < conf->tick_ms ? conf->tick_ms - took_ms : 1;
        struct timespec rest = {.tv_sec = (time_t)(rest_ms / 1000), .tv_nsec = (long)(rest_ms % 1000) * 1000000};
        pselect(0, NULL, NULL, NULL, &rest, &none); /* TERM is let in here only */
    }
    db_free(t.db);
    free(t.watched);
    free(t.row);
    free(t.left);
    return 0;
}
