/* The audit. The sale's checks are statements that find what contradicts them; balances and queues are
 * replayed entry by entry. All of it streams: memory is bounded by half a byte for each place of a concert. */
#include "admin/audit.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 20

struct audit {
    struct db *db;
    FILE *out;
    struct json_object *json;
    bool failed;
    /* the check at work */
    uint64_t rows, offending;
    struct json_object *shown;
};

static void begin(struct audit *a) {
    a->rows = a->offending = 0;
    a->shown = json_object_new_array();
}

__attribute__((format(printf, 2, 3))) static void offend(struct audit *a, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (a->offending++ < SHOWN_MAX) json_object_array_add(a->shown, json_object_new_string(text));
}

static void end(struct audit *a, const char *name) {
    a->failed |= a->offending > 0;
    if (a->json) {
        struct json_object *o = json_object_new_object();
        json_add_text(o, "check", name);
        json_add(o, "ok", json_object_new_boolean(a->offending == 0));
        json_add_u64(o, "rows", a->rows);
        json_add_u64(o, "offending", a->offending);
        json_add(o, "shown", a->shown);
        json_object_array_add(a->json, o);
        return;
    }
    fprintf(a->out, "%-4s %-60s %12" PRIu64 " rows\n", a->offending ? "FAIL" : "ok", name, a->rows);
    for (size_t i = 0; i < json_object_array_length(a->shown); i++)
        fprintf(a->out, "     %s\n", json_object_get_string(json_object_array_get_idx(a->shown, i)));
    if (a->offending > SHOWN_MAX) fprintf(a->out, "     and %" PRIu64 " more\n", a->offending - SHOWN_MAX);
    json_object_put(a->shown);
}

/* --- checks that are a statement --- */

static const struct {
    const char *name;
    enum stmt count, offending;
} sale_checks[] = {
    {"a seat has one live hold, one owner, or nobody", STMT_AUDIT_SEATS_COUNT, STMT_AUDIT_SEATS},
    {"a performance has its seats, 1 to N, each once", STMT_AUDIT_HALLS_COUNT, STMT_AUDIT_HALLS},
    {"a paid or live held reservation has all its seats", STMT_AUDIT_OWNED_COUNT, STMT_AUDIT_OWNED},
    {"a paid reservation has one payment and one debit of its amount", STMT_AUDIT_PAID_COUNT, STMT_AUDIT_PAID},
    {"a payment was made by one let in at that time", STMT_AUDIT_PASS_COUNT, STMT_AUDIT_PASS},
    {"a refund gives back what was paid, once", STMT_AUDIT_REFUNDS_COUNT, STMT_AUDIT_REFUNDS},
    {"a reservation's events tell its status", STMT_AUDIT_HISTORY_COUNT, STMT_AUDIT_HISTORY},
    {"an amount is the price of the seats", STMT_AUDIT_AMOUNTS_COUNT, STMT_AUDIT_AMOUNTS},
    {"an idempotency key has its one answer", STMT_AUDIT_KEYS_COUNT, STMT_AUDIT_KEYS},
    {"no row without what it belongs to", STMT_AUDIT_ORPHANS_COUNT, STMT_AUDIT_ORPHANS},
};

static void take_count(void *ctx, const struct db_row *row) { ((struct audit *)ctx)->rows = db_row_u64(row, 0); }

static void take_offending(void *ctx, const struct db_row *row) { offend(ctx, "%s", db_row_text(row, 0, NULL)); }

/* --- balances, entry by entry --- */

struct balances {
    struct audit *a;
    bool any;
    struct user_id user;
    uint64_t balance_minor;
    int64_t sum_minor;
};

static void end_of_user(struct balances *b) {
    char text[UUID_TEXT_SIZE];
    if (!b->any || b->sum_minor == (int64_t)b->balance_minor) return;
    user_id_text(b->user, text);
    offend(b->a, "user %s: balance %" PRIu64 ", sum of entries %" PRId64, text, b->balance_minor, b->sum_minor);
}

static void take_balance_entry(void *ctx, const struct db_row *row) {
    struct balances *b = ctx;
    size_t len;
    const char *user = db_row_text(row, 0, &len);
    if (!b->any || memcmp(user, b->user.v, 16) != 0) {
        end_of_user(b);
        b->any = true;
        memcpy(b->user.v, user, 16);
        b->balance_minor = db_row_u64(row, 1);
        b->sum_minor = 0;
        b->a->rows++;
    }
    if (db_row_null(row, 2)) return;
    b->a->rows++;
    b->sum_minor += db_row_i64(row, 3);
    if (b->sum_minor < 0 || b->sum_minor != (int64_t)db_row_u64(row, 4))
        offend(b->a, "balance entry %" PRIu64 ": sum so far %" PRId64 ", written %" PRIu64, db_row_u64(row, 2), b->sum_minor, db_row_u64(row, 4));
}

/* --- queues, event by event --- */

enum state { NONE, WAITING, ACTIVE, COMPLETED, LEFT, EXPIRED };

struct queue_row {
    uint64_t concert, tail, waiting, active, through, seq;
};

struct replay {
    struct audit *a;
    struct queue_row row;
    uint64_t seq, tail, waiting, active, cap, front; /* nobody below `front` waits */
    uint64_t at_ms;
    bool paused;
    uint8_t *states; /* two numbers a byte */
    uint64_t room;
};

static enum state state_of(const struct replay *r, uint64_t n) {
    return n == 0 || n > r->tail ? NONE : (enum state)(r->states[n / 2] >> n % 2 * 4 & 15);
}

static void set_state(struct replay *r, uint64_t n, enum state s) {
    if (n / 2 >= r->room) {
        uint64_t room = r->room ? r->room * 2 : 4096;
        while (n / 2 >= room) room *= 2;
        r->states = realloc(r->states, room);
        if (!r->states) abort();
        memset(r->states + r->room, 0, room - r->room);
        r->room = room;
    }
    uint8_t *at = &r->states[n / 2];
    *at = (uint8_t)((*at & (n % 2 ? 0x0f : 0xf0)) | (uint8_t)s << n % 2 * 4);
}

#define OFFEND(r, format, ...) offend((r)->a, "concert %" PRIu64 " event %" PRIu64 ": " format, (r)->row.concert, (r)->seq, __VA_ARGS__)

static void join(struct replay *r, uint64_t number, bool active) {
    if (number != r->tail + 1) OFFEND(r, "number %" PRIu64 " drawn after %" PRIu64, number, r->tail);
    if (number > r->tail) r->tail = number;
    set_state(r, number, active ? ACTIVE : WAITING);
    if (!active) {
        r->waiting++;
        return;
    }
    if (r->waiting) OFFEND(r, "number %" PRIu64 " let in at joining past %" PRIu64 " who wait", number, r->waiting);
    if (r->paused) OFFEND(r, "number %" PRIu64 " let in while paused", number);
    if (++r->active > r->cap) OFFEND(r, "number %" PRIu64 " let in as the %" PRIu64 "th of %" PRIu64, number, r->active, r->cap);
}

static void admit(struct replay *r, uint64_t number) {
    while (r->front <= r->tail && state_of(r, r->front) != WAITING) r->front++;
    if (state_of(r, number) != WAITING)
        OFFEND(r, "number %" PRIu64 " let in and did not wait", number);
    else if (number != r->front)
        OFFEND(r, "number %" PRIu64 " let in before %" PRIu64, number, r->front);
    if (state_of(r, number) == WAITING) r->waiting--;
    set_state(r, number, ACTIVE);
    if (r->paused) OFFEND(r, "number %" PRIu64 " let in while paused", number);
    if (++r->active > r->cap) OFFEND(r, "number %" PRIu64 " let in as the %" PRIu64 "th of %" PRIu64, number, r->active, r->cap);
}

static void leave(struct replay *r, uint64_t number, enum state to, bool from_waiting) {
    enum state from = state_of(r, number);
    if (from == ACTIVE)
        r->active--;
    else if (from == WAITING && from_waiting)
        r->waiting--;
    else
        OFFEND(r, "number %" PRIu64 " ended and was not in", number);
    if (from != NONE) set_state(r, number, to);
}

static void take_event(void *ctx, const struct db_row *row) {
    struct replay *r = ctx;
    uint64_t seq = db_row_u64(row, 0), number = db_row_u64(row, 2), value = db_row_u64(row, 3), at_ms = db_row_u64(row, 4);
    const char *kind = db_row_text(row, 1, NULL);
    r->a->rows++;
    uint64_t expected = r->seq + 1;
    r->seq = seq;
    if (seq != expected) OFFEND(r, "expected event %" PRIu64, expected);
    if (strcmp(kind, "JOIN") == 0)
        join(r, number, false);
    else if (strcmp(kind, "JOIN_ACTIVE") == 0)
        join(r, number, true);
    else if (strcmp(kind, "ADMIT") == 0)
        admit(r, number);
    else if (strcmp(kind, "COMPLETE") == 0)
        leave(r, number, COMPLETED, false);
    else if (strcmp(kind, "EXPIRE") == 0 || strcmp(kind, "NO_SHOW") == 0)
        leave(r, number, EXPIRED, false);
    else if (strcmp(kind, "LEAVE") == 0)
        leave(r, number, LEFT, true);
    else if (strcmp(kind, "CAP") == 0)
        r->cap = value;
    else if (strcmp(kind, "PAUSE") == 0 || strcmp(kind, "RESUME") == 0)
        r->paused = *kind == 'P';
    else if (strcmp(kind, "DRAIN") != 0)
        OFFEND(r, "unknown kind %s", kind);
    r->at_ms = at_ms;
}

static void take_place(void *ctx, const struct db_row *row) {
    static const char *const names[] = {"none", "WAITING", "ACTIVE", "COMPLETED", "LEFT", "EXPIRED"};
    struct replay *r = ctx;
    uint64_t number = db_row_u64(row, 0);
    const char *state = db_row_text(row, 1, NULL), *told = names[state_of(r, number)];
    bool in = strcmp(state, "WAITING") == 0 || strcmp(state, "ACTIVE") == 0;
    r->a->rows++;
    if (strcmp(state, told) != 0) OFFEND(r, "number %" PRIu64 " is %s, its events say %s", number, state, told);
    if (in == db_row_null(row, 2)) OFFEND(r, "number %" PRIu64 " is %s and %slive", number, state, in ? "not " : "");
    if ((strcmp(state, "WAITING") == 0) != db_row_null(row, 3) && strcmp(state, "LEFT") != 0)
        OFFEND(r, "number %" PRIu64 " is %s, and its time of admission does not fit", number, state);
}

static void take_queue(void *ctx, const struct db_row *row) {
    struct {
        struct queue_row *rows;
        size_t count;
    } *list = ctx;
    list->rows = realloc(list->rows, (list->count + 1) * sizeof *list->rows);
    if (!list->rows) abort();
    list->rows[list->count++] = (struct queue_row){db_row_u64(row, 0), db_row_u64(row, 1), db_row_u64(row, 2),
                                                   db_row_u64(row, 3), db_row_u64(row, 4), db_row_u64(row, 5)};
}

static enum err replay_queue(struct audit *a, const struct queue_row *row) {
    struct replay r = {.a = a, .row = *row, .front = 1};
    enum err e = db_run(a->db, STMT_AUDIT_EVENTS, DB_ARGS(DB_U64(row->concert), DB_U64(row->concert)), take_event, &r, NULL);
    if (!e) {
        if (r.seq != row->seq || r.tail != row->tail || r.waiting != row->waiting || r.active != row->active)
            OFFEND(&r, "the row says seq %" PRIu64 " tail %" PRIu64 " waiting %" PRIu64 " active %" PRIu64 ", the events tail %" PRIu64 " waiting %" PRIu64 " active %" PRIu64,
                   row->seq, row->tail, row->waiting, row->active, r.tail, r.waiting, r.active);
        for (uint64_t n = r.front; n <= row->through && n <= r.tail; n++)
            if (state_of(&r, n) == WAITING) OFFEND(&r, "number %" PRIu64 " waits at or below admittedThrough %" PRIu64, n, row->through);
        e = db_run(a->db, STMT_AUDIT_PLACES, DB_ARGS(DB_U64(row->concert)), take_place, &r, NULL);
    }
    free(r.states);
    return e;
}

static enum err audit_sale(struct audit *a) {
    for (size_t i = 0; i < sizeof sale_checks / sizeof sale_checks[0]; i++) {
        begin(a);
        enum err e = db_run(a->db, sale_checks[i].count, 0, NULL, take_count, a, NULL);
        if (!e) e = db_run(a->db, sale_checks[i].offending, 0, NULL, take_offending, a, NULL);
        if (e) return e;
        end(a, sale_checks[i].name);
    }
    begin(a);
    struct balances b = {.a = a};
    enum err e = db_run(a->db, STMT_AUDIT_BALANCES, 0, NULL, take_balance_entry, &b, NULL);
    if (e) return e;
    end_of_user(&b);
    end(a, "a balance is the sum of its entries, never below zero");
    return E_OK;
}

static enum err audit_fifo(struct audit *a) {
    struct {
        struct queue_row *rows;
        size_t count;
    } list = {0};
    begin(a);
    enum err e = db_run(a->db, STMT_AUDIT_QUEUES, 0, NULL, take_queue, &list, NULL);
    for (size_t i = 0; !e && i < list.count; i++) e = replay_queue(a, &list.rows[i]);
    free(list.rows);
    if (!e) end(a, "numbers without gap, let in by number, under the cap");
    return e;
}

int audit_run(struct db *db, bool sale, bool fifo, FILE *out, struct json_object *json) {
    struct audit a = {.db = db, .out = out, .json = json};
    char why[400];
    if (!db_script(db, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", why, sizeof why)) {
        fprintf(stderr, "boxofficectl: %s\n", why);
        return 2;
    }
    enum err e = sale ? audit_sale(&a) : E_OK;
    if (!e && fifo) e = audit_fifo(&a);
    if (e) {
        fprintf(stderr, "boxofficectl: the audit could not run: %s\n", err_text(e));
        return 2;
    }
    return a.failed ? 1 : 0;
}
