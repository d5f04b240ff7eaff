/* SPDX-License-Identifier: 0BSD */
/* Who is in a group, how they come to be there, and what of it is in the rows. */
#include "cast.h"

#include "../tap.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PRICE 1000
#define CHARGED 777 /* an amount that nothing else charges */

#define ALL_ROLES                                                                                  \
    { KEYED, PLAIN, REFUSED, REFUSED_KEYED, REPLAYED, REUSED, STRANGER }
const struct script scripts[] = {
    {"sign up", BATCH_SIGN_UP, 1, {PLAIN}},
    {"charge", BATCH_CHARGE, 1, {PLAIN}},
    {"charge, keyed", BATCH_CHARGE, 1, {KEYED}},
    {"join", BATCH_JOIN, 1, {PLAIN}},
    {"join, keyed", BATCH_JOIN, 1, {KEYED}},
    {"leave", BATCH_LEAVE, 1, {PLAIN}},
    {"hold", BATCH_HOLD, 1, {PLAIN}},
    {"hold, keyed", BATCH_HOLD, 1, {KEYED}},
    {"release", BATCH_RELEASE, 1, {PLAIN}},
    {"pay", BATCH_PAY, 1, {PLAIN}},
    {"pay, keyed", BATCH_PAY, 1, {KEYED}},
    {"cancel", BATCH_CANCEL, 1, {PLAIN}},
    {"cancel, keyed", BATCH_CANCEL, 1, {KEYED}},
    {"tick", BATCH_TICK, 1, {PLAIN}},
    {"expire", BATCH_EXPIRE, 1, {PLAIN}},
    {"six sign up", BATCH_SIGN_UP, 6, {PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN}},
    {"seven charge", BATCH_CHARGE, 7, ALL_ROLES},
    {"six join", BATCH_JOIN, 6, {KEYED, PLAIN, REPLAYED, REUSED, STRANGER, STRANGER_PLAIN}},
    {"six leave", BATCH_LEAVE, 6, {PLAIN, STRANGER_PLAIN, PLAIN, PLAIN, PLAIN, PLAIN}},
    {"seven hold", BATCH_HOLD, 7, ALL_ROLES},
    {"six release", BATCH_RELEASE, 6, {PLAIN, REFUSED, PLAIN, STRANGER_PLAIN, PLAIN, PLAIN}},
    {"seven pay", BATCH_PAY, 7, ALL_ROLES},
    {"seven cancel", BATCH_CANCEL, 7, ALL_ROLES},
};
const size_t script_count = sizeof scripts / sizeof *scripts;

bool cast_repeatable(enum batch_kind kind) {
    return kind == BATCH_SIGN_UP || kind == BATCH_JOIN || kind == BATCH_LEAVE ||
           kind == BATCH_TICK || kind == BATCH_EXPIRE;
}

/* --- getting ready --- */

static bool has_key(enum role role) {
    return role == KEYED || role == REFUSED_KEYED || role == REPLAYED || role == REUSED ||
           role == STRANGER;
}
static bool is_refused(enum role role) { return role == REFUSED || role == REFUSED_KEYED; }
static bool is_stranger(enum role role) { return role == STRANGER || role == STRANGER_PLAIN; }
static bool was_there(enum role role) { return role == REPLAYED || role == REUSED; }

/* One group of what must go well. */
static void go(struct batch_request *r, size_t count) {
    struct batch_request *group[CAST_MAX];
    for (size_t i = 0; i < count; i++) group[i] = &r[i];
    if (!count) return;
    batch_run(db, &conf, group, count, false);
    for (size_t i = 0; i < count; i++) CU_ASSERT_EQUAL_FATAL(r[i].outcome, E_OK);
}

static void sign_up(struct cast *c) {
    struct batch_request r[CAST_MAX];
    char key[ACCESS_KEY_SIZE];
    for (size_t i = 0; i < c->count; i++) {
        account_new(&c->guest[i].cred, key);
        r[i] = request_of(BATCH_SIGN_UP, &c->guest[i].cred, NULL, NULL);
        r[i].name = "fault";
    }
    if (c->kind == BATCH_SIGN_UP) {
        for (size_t i = 0; i < c->count; i++) c->guest[i].r = r[i];
    } else {
        go(r, c->count);
    }
}

static struct batch_request join_of(const struct cast *c, const struct guest *g,
                                    struct idem *idem) {
    struct batch_request r = request_of(BATCH_JOIN, &g->cred, NULL, idem);
    r.concert = c->concert;
    return r;
}

static void join_all(struct cast *c) {
    struct batch_request r[CAST_MAX];
    for (size_t i = 0; i < c->count; i++) r[i] = join_of(c, &c->guest[i], NULL);
    go(r, c->count);
    for (size_t i = 0; i < c->count; i++)
        c->guest[i].token =
            (struct token){.user = r[i].user, .concert = c->concert, .number = r[i].place.number};
}

static struct batch_request hold_of(const struct cast *c, const struct guest *g, uint64_t seat,
                                    struct idem *idem) {
    struct batch_request r = request_of(BATCH_HOLD, NULL, &g->token, idem);
    r.performance = c->performance;
    r.seats = (struct seat_numbers){.count = 1, .number = {seat}};
    return r;
}

/* Seats that nobody had before, of a performance made anew when those at hand will not do for
 * another cast. */
static struct concert_id concert_at_hand;
static struct performance_id performance_at_hand;
static uint64_t used = UINT64_MAX;

static void find_hall(struct cast *c) {
    if (used > 2000 - 2 * CAST_MAX) {
        concert_at_hand = concert(100000);
        performance_at_hand = performance(concert_at_hand, 2000, PRICE);
        used = 0;
    }
    c->concert = concert_at_hand;
    c->performance = performance_at_hand;
}

static uint64_t next_seat(void) { return ++used; }

static void charge_all(struct cast *c) {
    struct batch_request r[CAST_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        bool refused = is_refused(c->guest[i].role);
        if (c->kind == BATCH_CHARGE ? !refused : c->kind == BATCH_PAY && refused) continue;
        r[n] = request_of(BATCH_CHARGE, &c->guest[i].cred, NULL, NULL);
        r[n++].amount_minor = c->kind == BATCH_CHARGE ? BALANCE_MINOR_MAX : 2 * PRICE;
    }
    go(r, n);
}

static void pay_all(struct cast *c) {
    struct batch_request r[CAST_MAX];
    for (size_t i = 0; i < c->count; i++) {
        r[i] = request_of(BATCH_PAY, &c->guest[i].cred, &c->guest[i].token, NULL);
        r[i].reservation = c->guest[i].r.reservation;
    }
    go(r, c->count);
}

static void hold_all(struct cast *c, const struct conf *with) {
    struct batch_request r[CAST_MAX], *group[CAST_MAX];
    for (size_t i = 0; i < c->count; i++) {
        r[i] = hold_of(c, &c->guest[i], next_seat(), NULL);
        group[i] = &r[i];
    }
    batch_run(db, with, group, c->count, false);
    for (size_t i = 0; i < c->count; i++) {
        CU_ASSERT_EQUAL_FATAL(r[i].outcome, E_OK);
        c->guest[i].r.reservation = r[i].held.id;
        c->guest[i].overdue = r[i].held.id.v;
    }
}

/* One whose pass has ended, and one who waits behind. */
static void ready_tick(struct cast *c) {
    struct conf quick = conf;
    struct cred first = user("tick"), second = user("tick");
    struct place p;
    bool already;
    quick.active_ttl_ms = 1;
    c->concert = concert(1);
    CU_ASSERT_EQUAL_FATAL(queue_join(db, board, &quick, &first, c->concert, NULL, &p, &already),
                          E_OK);
    c->guest->tick_waits = join(second, c->concert).number;
    clock_sleep_ms(3);
    c->guest->r = (struct batch_request){.kind = BATCH_TICK, .concert = c->concert, .limit = 100};
}

static void ready_expire(struct cast *c) {
    struct conf quick = conf;
    quick.hold_ttl_ms = 1;
    hold_all(c, &quick);
    clock_sleep_ms(3);
    c->guest->r = (struct batch_request){
        .kind = BATCH_EXPIRE, .overdue = &c->guest->overdue, .overdue_count = 1};
}

/* The request itself. */
static void ask(struct cast *c, struct guest *g) {
    struct reservation_id reservation = g->r.reservation;
    struct idem *idem = g->keyed ? &g->idem : NULL;
    switch (c->kind) {
    case BATCH_CHARGE:
        g->r = request_of(BATCH_CHARGE, &g->cred, NULL, idem);
        g->r.amount_minor = CHARGED;
        break;
    case BATCH_JOIN: g->r = join_of(c, g, idem); break;
    case BATCH_LEAVE: g->r = request_of(BATCH_LEAVE, NULL, &g->token, idem); break;
    case BATCH_HOLD:
        g->r = hold_of(c, g, is_refused(g->role) ? c->guest->r.seats.number[0] : next_seat(), idem);
        break;
    case BATCH_RELEASE:
    case BATCH_CANCEL: g->r = request_of(c->kind, &g->cred, NULL, idem); break;
    case BATCH_PAY: g->r = request_of(BATCH_PAY, &g->cred, &g->token, idem); break;
    default: return;
    }
    g->r.reservation = reservation;
    /* Another's reservation is none of theirs. */
    if (is_refused(g->role) && (c->kind == BATCH_RELEASE || c->kind == BATCH_CANCEL))
        g->r.reservation = c->guest->r.reservation;
}

static enum err refusal_of(enum batch_kind kind) {
    return kind == BATCH_CHARGE ? E_BALANCE_LIMIT_EXCEEDED
           : kind == BATCH_HOLD ? E_SEAT_TAKEN
           : kind == BATCH_PAY  ? E_INSUFFICIENT_BALANCE
                                : E_RESERVATION_NOT_FOUND;
}

static void make_strange(struct cast *c, struct guest *g) {
    bool by_token = c->kind == BATCH_HOLD || c->kind == BATCH_LEAVE;
    g->must = by_token ? E_QUEUE_TOKEN_INVALID : E_CREDENTIALS_INVALID;
    if (by_token) g->r.number = c->guest->token.number;
    g->r.cred.access_hash[0] ^= 1;
}

static void make_role(struct cast *c, struct guest *g) {
    g->must = is_refused(g->role)   ? refusal_of(c->kind)
              : g->role == REPLAYED ? E_REPLAYED
              : g->role == REUSED   ? E_IDEMPOTENCY_KEY_REUSED
                                    : E_OK;
    g->effects = is_refused(g->role) || is_stranger(g->role) ? 0 : 1;
    if (is_stranger(g->role)) make_strange(c, g);
    if (!was_there(g->role)) return;
    CU_ASSERT_EQUAL_FATAL(batch_run_one(db, &conf, &g->r), E_OK);
    if (g->role == REUSED) idem_hash_request(&g->idem, "POST", "/another", "", 0);
}

void cast_ready(const struct script *s, struct cast *c) {
    *c = (struct cast){.kind = s->kind, .count = s->count};
    find_hall(c);
    for (size_t i = 0; i < c->count; i++) {
        struct guest *g = &c->guest[i];
        g->role = s->role[i];
        g->keyed = has_key(g->role);
        if (!g->keyed) continue;
        CU_ASSERT_FATAL(idem_key_parse("the-key", &g->idem));
        idem_hash_request(&g->idem, "POST", "/fault", "", 0);
    }
    if (c->kind == BATCH_TICK) {
        ready_tick(c);
    } else {
        sign_up(c);
        if (c->kind > BATCH_JOIN) join_all(c);
        if (c->kind == BATCH_EXPIRE) ready_expire(c);
        if (c->kind > BATCH_HOLD && c->kind < BATCH_TICK) hold_all(c, &conf);
        if (c->kind == BATCH_LEAVE) hold_all(c, &conf);
        if (c->kind == BATCH_CHARGE || c->kind == BATCH_PAY || c->kind == BATCH_CANCEL)
            charge_all(c);
        if (c->kind == BATCH_CANCEL) pay_all(c);
    }
    for (size_t i = 0; i < c->count; i++) ask(c, &c->guest[i]);
    for (size_t i = 0; i < c->count; i++) make_role(c, &c->guest[i]);
}

/* Seats of a hold that ran out are anybody's. */
static void take_over(struct cast *c) {
    struct cred other = user("next");
    struct place p = join(other, c->concert);
    struct reservation r;
    CU_ASSERT_EQUAL(
        hold(token_of(&p), c->performance, (struct seat_numbers){.count = 1, .number = {used}}, &r),
        E_OK);
    CU_ASSERT_EQUAL(reservation_release(db, &other, r.id), E_OK);
}

void cast_end(struct cast *c) {
    if (c->kind == BATCH_EXPIRE) take_over(c);
    for (size_t i = 0; i < c->count; i++) idem_clear(&c->guest[i].idem);
}

void cast_run(struct cast *c, const bool only[CAST_MAX]) {
    struct batch_request *group[CAST_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        if (!only || only[i]) group[n++] = &c->guest[i].r;
    if (n) batch_run(db, &conf, group, n, false);
}

/* --- looking --- */

/* A connection of its own: it sees what was committed, and nothing else. */
static struct db *eyes;

static void look(const char *sql, char *value_r, size_t size) {
    char why[300];
    if (!eyes) eyes = db_new(&conf);
    bool told = db_script_value(eyes, sql, value_r, size, why, sizeof why);
    if (!told) printf("# %s: %s\n", sql, why);
    CU_ASSERT_FATAL(told);
}

uint64_t look_at(const char *sql) {
    char value[64];
    look(sql, value, sizeof value);
    return strtoull(value, NULL, 10);
}

void look_end(void) {
    db_free(eyes);
    eyes = NULL;
}

static void hex_of(const struct guest *g, char hex_r[33]) {
    for (int i = 0; i < 16; i++) sprintf(hex_r + 2 * i, "%02x", g->cred.user.v[i]);
}

#define COUNT_AND(id) "SELECT CONCAT(COUNT(*), ' ', COALESCE(MAX(" id "), 0)) FROM "
uint64_t cast_effects(const struct cast *c, const struct guest *g, uint64_t *id_r) {
    static const char *const counts[BATCH_KINDS] = {
        [BATCH_SIGN_UP] = COUNT_AND("0") "user WHERE user_id = UNHEX('%s')",
        [BATCH_CHARGE] = COUNT_AND(
            "entry_id") "balance_entry WHERE amount_minor = 777 AND user_id = UNHEX('%s')",
        [BATCH_JOIN] = COUNT_AND("0") "place WHERE user_id = UNHEX('%s')",
        [BATCH_LEAVE] = COUNT_AND("0") "place p JOIN reservation r USING (user_id) WHERE p.state = "
                                       "'LEFT' AND r.status = 'RELEASED'"
                                       " AND user_id = UNHEX('%s')",
        [BATCH_HOLD] = COUNT_AND("reservation_id") "reservation r JOIN seat s USING "
                                                   "(reservation_id) WHERE user_id = UNHEX('%s')",
        [BATCH_RELEASE] =
            COUNT_AND("0") "reservation WHERE status = 'RELEASED' AND user_id = UNHEX('%s')",
        [BATCH_PAY] = COUNT_AND("payment_id") "balance_entry e JOIN payment p USING "
                                              "(reservation_id) WHERE e.type = 'PAYMENT'"
                                              " AND e.user_id = UNHEX('%s')",
        [BATCH_CANCEL] =
            COUNT_AND("0") "balance_entry WHERE type = 'REFUND' AND user_id = UNHEX('%s')",
        [BATCH_EXPIRE] = COUNT_AND("0") "reservation_event e JOIN reservation r USING "
                                        "(reservation_id) WHERE kind = 'EXPIRED'"
                                        " AND r.status = 'EXPIRED' AND user_id = UNHEX('%s')",
    };
    char sql[400], hex[33], value[64], *end;
    hex_of(g, hex);
    if (c->kind == BATCH_TICK)
        snprintf(sql, sizeof sql,
                 COUNT_AND("0") "queue_event WHERE kind = 'ADMIT' AND concert_id = %" PRIu64
                                " AND number = %" PRIu64,
                 c->concert.v, g->tick_waits);
    else
        snprintf(sql, sizeof sql, counts[c->kind], hex);
    look(sql, value, sizeof value);
    uint64_t count = strtoull(value, &end, 10);
    *id_r = strtoull(end, NULL, 10);
    return count;
}

bool cast_key_kept(const struct guest *g) {
    char sql[200], hex[33];
    hex_of(g, hex);
    snprintf(
        sql, sizeof sql,
        "SELECT COUNT(*) FROM idempotency_key WHERE status IS NOT NULL AND user_id = UNHEX('%s')",
        hex);
    return look_at(sql) == 1;
}
