/* SPDX-License-Identifier: 0BSD */
/* Copying a concert, and draining the copy. */
#include "admin/rehearse_copy.h"

#include "base/clock.h"
#include "batch/queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_CHARS_MAX 200
#define PREFIX "Rehearsal of "
#define LOOK_MS 100
#define LATE_MS 10000 /* what is under way at the end is not refused */

/* Cuts a text to so many characters of UTF-8. */
static void cut(char *text, size_t chars) {
    for (char *at = text; *at; at++)
        if (((unsigned char)*at & 0xc0) != 0x80 && chars-- == 0) {
            *at = 0;
            return;
        }
}

static void take_title(void *ctx, const struct concert *c) {
    struct copy *copy = ctx;
    bool rehearsal = strncmp(c->title, PREFIX, strlen(PREFIX)) == 0;
    snprintf(copy->source_title, sizeof copy->source_title, "%s", c->title);
    snprintf(copy->title, sizeof copy->title, "%s%.780s", rehearsal ? "" : PREFIX, c->title);
    cut(copy->title, TITLE_CHARS_MAX);
}

struct dates {
    struct copy *copy;
    uint64_t end_ms;
};

static void take_date(void *ctx, const struct performance *p) {
    struct dates *d = ctx;
    struct copy *copy = d->copy;
    if (p->starts_at_ms <= d->end_ms) {
        copy->passed++;
        return;
    }
    copy->date = realloc(copy->date, (copy->dates + 1) * sizeof *copy->date);
    if (!copy->date) abort(); /* no memory for a list of dates */
    struct copy_date *date = &copy->date[copy->dates++];
    *date = (struct copy_date){p->starts_at_ms, p->price_minor, p->total_seats, ""};
    snprintf(date->venue, sizeof date->venue, "%s", p->venue);
    copy->seats += p->total_seats;
}

static void take_queue(void *ctx, const struct db_row *row) {
    struct copy *copy = ctx;
    if (DB_ROW_U64(row, "concert_id") == copy->source.v)
        copy->max_active = DB_ROW_U64(row, "max_active");
}

static void take_now(void *ctx, const struct db_row *row) {
    *(uint64_t *)ctx = DB_ROW_U64(row, "now_ms");
}

/* The database's clock is the only one. */
static enum err now_ms(struct db *db, uint64_t *ms_r) {
    *ms_r = 0;
    return db_run(db, STMT_CHECK_SERVER, 0, NULL, take_now, ms_r, NULL);
}

enum err copy_look(struct db *db, struct concert_id source, uint64_t length_ms,
                   struct copy *copy_r) {
    assert(db && copy_r);
    *copy_r = (struct copy){.source = source};
    struct dates d = {copy_r, 0};
    enum err e = concert_get(db, source, take_title, copy_r);
    if (!e) e = now_ms(db, &d.end_ms);
    d.end_ms += length_ms;
    if (!e) e = performance_dates(db, source, take_date, &d);
    if (!e) e = db_run(db, STMT_QUEUE_ALL, 0, NULL, take_queue, copy_r, NULL);
    return e;
}

enum err copy_make(struct db *db, struct copy *copy, uint64_t lead_ms, uint64_t length_ms) {
    assert(db && copy->dates > 0 && copy->id.v == 0);
    uint64_t now = 0;
    db_begin(db, -1); /* its connection has been idle while people signed up */
    enum err e = now_ms(db, &now);
    if (!e)
        e = concert_add(db, copy->title, copy->max_active, now + lead_ms, now + lead_ms + length_ms,
                        &copy->id);
    for (size_t i = 0; i < copy->dates && !e; i++) {
        const struct copy_date *d = &copy->date[i];
        struct performance_id id;
        e = performance_add(db, copy->id, d->starts_at_ms, d->venue, d->price_minor, d->seats, 0, 0,
                            &id);
    }
    return e;
}

struct left {
    uint64_t concert, count;
};

static void take_left(void *ctx, const struct db_row *row) {
    struct left *l = ctx;
    if (DB_ROW_U64(row, "concert_id") == l->concert)
        l->count = DB_ROW_U64(row, "waiting") + DB_ROW_U64(row, "active");
}

enum err copy_drain(struct db *db, const struct copy *copy, uint64_t wait_ms, uint64_t *left_r) {
    assert(db && copy->id.v);
    uint64_t until_ms = clock_mono_ms() + wait_ms;
    struct left l = {copy->id.v, 0};
    *left_r = 0;
    db_begin(db, -1);
    enum err e = queue_command(db, copy->id, "DRAIN", 1);
    while (!e) {
        e = db_run(db, STMT_QUEUE_ALL, 0, NULL, take_left, &l, NULL);
        *left_r = l.count;
        if (e || l.count == 0 || clock_mono_ms() >= until_ms) return e;
        clock_sleep_ms(LOOK_MS);
    }
    return e;
}

void copy_free(struct copy *copy) {
    free(copy->date);
    copy->date = NULL;
}
