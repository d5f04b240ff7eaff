/* SPDX-License-Identifier: 0BSD */
/* Faults: both statements of every kind of write, cut off before and after, deadlocked, kept
 * waiting for a lock; then every statement within the two procedures, and behind the last; with one
 * request and with mixed groups. After each, what everybody was told is held against the rows, and
 * everybody asks again. */
#include "cast.h"

#include "../tap.h"
#include "base/clock.h"
#include "instrument.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a fault may do to the answers. */
struct harm {
    bool lost;      /* the connection: an answer may be lost, and what it was of done */
    bool in_store;  /* so late that something may be kept */
    bool busy;      /* a lock was not to be had for long */
    bool lock_wait; /* within the procedures: a key's row may be what was waited for */
    int done;       /* what is told as unknown was done so often; -1: one or the other */
};

static unsigned cases, unknowns;

static bool is_kept(enum err must) { return must == E_OK || outcome_is_kept(must); }

/* Whether what one was told goes with the rows. */
static bool told_right(const struct cast *c, const struct guest *g, const struct harm *harm,
                       uint64_t done, uint64_t id) {
    const struct batch_request *r = &g->r;
    enum err e = r->outcome;
    if (e == g->must) {
        bool named = e || !id || id == r->held.id.v || id == r->payment.v || id == r->charged_id;
        return done == g->effects && named;
    }
    if (e == E_REPLAYED)
        return harm->lost && harm->in_store && g->keyed && is_kept(g->must) && done == g->effects &&
               g->idem.status == (g->must ? err_status(g->must) : 201);
    if (e == E_DATABASE_UNAVAILABLE)
        return r->unknown && harm->lost && harm->in_store && !g->keyed &&
               !cast_repeatable(c->kind) &&
               (g->effects ? done <= 1 && (harm->done < 0 || done == (uint64_t)harm->done)
                           : done == 0);
    if (e == E_BUSY) return harm->busy && done == 0;
    /* A key's row that is not to be had in time is told as a first request that still runs. */
    return e == E_IDEMPOTENCY_IN_PROGRESS && harm->lock_wait && g->keyed && c->count == 1 &&
           done == 0;
}

/* The same again, by somebody who has not got an answer, or has; `first` was told before. */
static bool told_right_again(const struct guest *g, enum err first, uint64_t done, uint64_t id) {
    char body[100];
    enum err must =
        g->keyed && is_kept(g->must) && first != E_IDEMPOTENCY_IN_PROGRESS ? E_REPLAYED : g->must;
    snprintf(body, sizeof body, "{\"id\":%" PRIu64 ",\"more\":1}", id);
    if (g->r.outcome != must || done != g->effects) return false;
    if (must == E_REPLAYED && !g->must && strcmp(g->idem.body, body) != 0) return false;
    if (g->keyed && cast_key_kept(g) != (is_kept(g->must) || must == E_REPLAYED ||
                                         must == E_IDEMPOTENCY_KEY_REUSED))
        return false;
    return true;
}

static bool in_transaction(void) {
    char value[24], why[300];
    CU_ASSERT(db_script_value(db, "SELECT @@in_transaction", value, sizeof value, why, sizeof why));
    return *value != '0';
}

static void say_wrong(const struct script *s, size_t i, const char *fault, const char *when,
                      const struct guest *g, uint64_t done) {
    printf("# %s, %s: request %zu (role %d) %s: %s%s, %" PRIu64 " times\n", s->name, fault, i,
           g->role, when, err_name(g->r.outcome), g->r.unknown ? ", unknown" : "", done);
}

/* Holds against the rows what the faulted run has told, and asks again. */
static void check(const struct script *s, struct cast *c, const char *fault,
                  const struct harm *harm) {
    bool again[CAST_MAX] = {false}, open = in_transaction();
    uint64_t done, id;
    bool unknown = false;
    enum err first[CAST_MAX];
    if (open) printf("# %s, %s: a transaction is left open\n", s->name, fault);
    CU_ASSERT(!open);
    for (size_t i = 0; i < c->count; i++) {
        struct guest *g = &c->guest[i];
        done = cast_effects(c, g, &id);
        bool right = told_right(c, g, harm, done, id);
        if (!right) say_wrong(s, i, fault, "was told", g, done);
        CU_ASSERT(right);
        unknown = unknown || g->r.unknown;
        first[i] = g->r.outcome;
        /* Without a key they look first. */
        again[i] = g->keyed || cast_repeatable(c->kind) || done == 0;
    }
    unknowns += unknown;
    cast_run(c, again);
    for (size_t i = 0; i < c->count; i++) {
        struct guest *g = &c->guest[i];
        done = cast_effects(c, g, &id);
        bool right = again[i] ? told_right_again(g, first[i], done, id) : done == g->effects;
        if (!right) say_wrong(s, i, fault, "asked again and was told", g, done);
        CU_ASSERT(right);
    }
    CU_ASSERT(!in_transaction());
}

/* --- as the program runs them --- */

static const char *const kind_names[DB_FAULT_KINDS] = {"none", "cut before", "cut after", "1213",
                                                       "1205"};

static void one_fault(const struct script *s, enum stmt at, enum db_fault_kind kind) {
    struct cast c;
    char fault[80];
    struct harm harm = {.lost = kind == DB_FAULT_CUT_BEFORE || kind == DB_FAULT_CUT_AFTER,
                        .in_store = at == STMT_BATCH_STORE,
                        .done = kind == DB_FAULT_CUT_AFTER};
    snprintf(fault, sizeof fault, "%s at %s", kind_names[kind], stmt_name(at));
    cast_ready(s, &c);
    db_fault = (struct db_fault){at, kind};
    cast_run(&c, NULL);
    if (db_fault.kind != DB_FAULT_NONE) printf("# %s, %s: did not fire\n", s->name, fault);
    CU_ASSERT_EQUAL(db_fault.kind, DB_FAULT_NONE);
    db_fault.kind = DB_FAULT_NONE;
    /* One that is told nothing but what is known although its answer was cut off would be told by
     * luck. */
    bool must_be_unknown = harm.lost && harm.in_store && !cast_repeatable(c.kind);
    for (size_t i = 0; i < c.count && must_be_unknown; i++)
        CU_ASSERT_EQUAL(c.guest[i].r.unknown, !c.guest[i].keyed);
    check(s, &c, fault, &harm);
    cast_end(&c);
    cases++;
}

void every_fault_has_one_outcome(void) {
    static struct db_stats stats;
    cases = unknowns = 0;
    db_count_in(db, &stats);
    for (size_t i = 0; i < script_count; i++)
        for (int store = scripts[i].kind == BATCH_SIGN_UP; store <= 1; store++)
            for (enum db_fault_kind kind = DB_FAULT_CUT_BEFORE; kind < DB_FAULT_KINDS; kind++)
                one_fault(&scripts[i], store ? STMT_BATCH_STORE : STMT_BATCH_LOAD, kind);
    printf("# %u fault cases at the two statements, alone and in groups; %u with an outcome not "
           "known\n",
           cases, unknowns);
    /* Each has been counted for what it was: half of the cases cut the connection. */
    CU_ASSERT(unknowns > 0 && stats.trouble[DB_OUTCOME_UNKNOWN] >= unknowns);
    CU_ASSERT(stats.trouble[DB_RUN_AGAIN] == cases / 2);
    CU_ASSERT(stats.trouble[DB_LOST] + stats.trouble[DB_OUTCOME_UNKNOWN] == cases / 2);
    CU_ASSERT(stats.retries > 0 && stats.connections > 0 && stats.trouble[DB_FAILED] == 0 &&
              stats.trouble[DB_UNREACHABLE] == 0);
    CU_ASSERT(stats.runs[STMT_BATCH_LOAD] > 0 && stats.time_us[STMT_BATCH_LOAD] > 0);
    db_count_in(db, NULL);
    look_end();
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- the same for what the server runs within the procedures --- */

static void plant(enum fault_kind kind, unsigned at) {
    char sql[100];
    snprintf(sql, sizeof sql, "SET @fault_kind = %d, @fault_at = %u, @fault_passed = ''", kind, at);
    script(sql);
}

/* What the server said where a fault was planted; "": it did not come by, or its connection is
 * gone. */
static bool fault_value(const char *sql, char value[2000]) {
    char why[300];
    return db_script_value(db, sql, value, 2000, why, sizeof why);
}

static void one_inner_fault(const struct script *s, enum fault_kind kind, unsigned at,
                            bool in_store) {
    static const char *const names[FAULT_KINDS] = {"none", "none", "1213", "1205", "killed"};
    struct cast c;
    char value[2000], fault[80];
    struct harm harm = {.lost = kind == FAULT_KILLED,
                        .in_store = in_store,
                        .lock_wait = kind == FAULT_LOCK_WAIT && !in_store,
                        .done = -1};
    snprintf(fault, sizeof fault, "%s at point %u", names[kind], at);
    cast_ready(s, &c);
    plant(kind, at);
    cast_run(&c, NULL);
    cases += fault_value("SELECT @fault_at IS NULL", value) && *value == '1';
    plant(FAULT_NONE, 0);
    check(s, &c, fault, &harm);
    cast_end(&c);
}

/* Where it comes by; then each of these points in each way. */
static unsigned inner_faults(const struct script *s, const struct instrumented *with) {
    struct cast c;
    char passed[2000], *next = passed;
    unsigned points = 0;
    cast_ready(s, &c);
    plant(FAULT_RECORD, 0);
    cast_run(&c, NULL);
    CU_ASSERT_FATAL(fault_value("SELECT @fault_passed", passed) && *passed);
    plant(FAULT_NONE, 0);
    check(s, &c, "no fault", &(struct harm){.done = 1});
    cast_end(&c);
    for (unsigned at; (at = (unsigned)strtoul(next, &next, 10)) > 0; points++)
        for (enum fault_kind kind = FAULT_DEADLOCK; kind < FAULT_KINDS; kind++)
            one_inner_fault(s, kind, at, at > with->before_store);
    return points;
}

void every_fault_within_a_write_has_one_outcome(void) {
    struct instrumented with = {0}, without = {0};
    unsigned passed = 0;
    CU_ASSERT_FATAL(instrument(conf.sql_dir, true, &with) &&
                    instrument(conf.sql_dir, false, &without));
    CU_ASSERT_FATAL(with.points > 30 && with.before_store > 10);
    cases = unknowns = 0;
    script("DROP PROCEDURE IF EXISTS fault");
    script(fault_procedure);
    script(with.text);
    for (size_t i = 0; i < script_count; i++) passed += inner_faults(&scripts[i], &with);
    printf("# %u fault cases at %u points within the procedures, passed %u times; %u with an "
           "outcome not known\n",
           cases, with.points, passed, unknowns);
    CU_ASSERT(cases > 485 && unknowns > 0);
    script(without.text);
    script("DROP PROCEDURE fault");
    free(with.text);
    free(without.text);
    look_end();
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- what is one request's own --- */

/* Where the server refuses rows of one user, as if something were wrong with that one. */
static const struct {
    const char *when, *user;
} refusing[] = {
    {"INSERT ON user", "NEW.user_id"},          {"UPDATE ON user", "NEW.user_id"},
    {"INSERT ON place", "NEW.user_id"},         {"UPDATE ON place", "NEW.user_id"},
    {"INSERT ON reservation", "NEW.user_id"},   {"UPDATE ON reservation", "NEW.user_id"},
    {"INSERT ON balance_entry", "NEW.user_id"},
};
#define REFUSING (sizeof refusing / sizeof *refusing)

static void refuse_rows(bool on) {
    char sql[600];
    for (size_t i = 0; i < REFUSING; i++) {
        snprintf(sql, sizeof sql, "DROP TRIGGER IF EXISTS refuse_%zu", i);
        script(sql);
        snprintf(
            sql, sizeof sql,
            "CREATE TRIGGER refuse_%zu BEFORE %s FOR EACH ROW BEGIN\n"
            "  IF %s = @fault_user AND @fault_number = 1213 THEN\n"
            "    SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'planted';\n"
            "  ELSEIF %s = @fault_user THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'planted';\n"
            "  END IF;\n"
            "END",
            i, refusing[i].when, refusing[i].user, refusing[i].user);
        if (on) script(sql);
    }
}

static void refuse_user(const struct guest *g, unsigned number) {
    char sql[120], hex[33] = "";
    for (int i = 0; g && i < 16; i++) sprintf(hex + 2 * i, "%02x", g->cred.user.v[i]);
    snprintf(sql, sizeof sql, "SET @fault_user = NULLIF(UNHEX('%s'), ''), @fault_number = %u", hex,
             number);
    script(sql);
}

/* Whoever is `one`, all others are told what they would be told without. */
static void one_refused(const struct script *s, size_t one, unsigned number) {
    struct cast c;
    uint64_t id;
    cast_ready(s, &c);
    struct guest *culprit = &c.guest[one];
    /* What is refused is not written anyway, except a key. */
    enum err must = culprit->must ? culprit->must : number == 1213 ? E_BUSY : E_INTERNAL;
    refuse_user(culprit, number);
    cast_run(&c, NULL);
    refuse_user(NULL, 0);
    CU_ASSERT(!in_transaction());
    for (size_t i = 0; i < c.count; i++) {
        struct guest *g = &c.guest[i];
        uint64_t done = cast_effects(&c, g, &id);
        bool right =
            i == one ? g->r.outcome == must && !g->r.unknown && done == (g->must ? g->effects : 0)
                     : told_right(&c, g, &(struct harm){0}, done, id);
        if (!right)
            say_wrong(s, i, i == one ? "its own error" : "another's error", "was told", g, done);
        CU_ASSERT(right);
    }
    /* The one who was refused asks once more, when whatever it was is over. */
    bool again[CAST_MAX] = {false};
    again[one] = true;
    cast_run(&c, again);
    uint64_t done = cast_effects(&c, culprit, &id);
    bool kept = culprit->must && culprit->keyed && outcome_is_kept(culprit->must);
    bool right =
        culprit->r.outcome == (kept ? E_REPLAYED : culprit->must) && done == culprit->effects;
    if (!right) say_wrong(s, one, "its own error is over", "was told", culprit, done);
    CU_ASSERT(right);
    cast_end(&c);
    cases++;
}

void an_error_of_ones_own_harms_nobody_else(void) {
    cases = 0;
    refuse_rows(true);
    for (size_t i = 0; i < script_count; i++)
        for (size_t one = 0; scripts[i].count > 1 && one < scripts[i].count; one++) {
            /* The one before whom the seat was asked for is not harmed either: it gets the seat. */
            if (scripts[i].kind == BATCH_HOLD && one == 0) continue;
            one_refused(&scripts[i], one, 1644);
            one_refused(&scripts[i], one, 1213);
        }
    refuse_rows(false);
    printf("# %u cases of an error of one's own in a group\n", cases);
    look_end();
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- locks that are not to be had --- */

/* A group that takes its time, and how many of it were told what. */
static unsigned run_locked(struct cast *c, const char *lock, enum err e, uint64_t *took_ms_r) {
    char why[300];
    struct db *other = db_new(&conf);
    unsigned told = 0;
    CU_ASSERT_FATAL(db_script(other, lock, why, sizeof why));
    uint64_t began_ms = clock_mono_ms();
    cast_run(c, NULL);
    *took_ms_r = clock_mono_ms() - began_ms;
    db_free(other); /* and with it its transaction */
    for (size_t i = 0; i < c->count; i++) told += c->guest[i].r.outcome == e;
    return told;
}

/* The row that all of a group need: they wait for it together, not one after the other. One that
 * one of them needs: the others go on. */
void a_lock_keeps_back_whom_it_must(void) {
    static const struct script
        six = {"six join", BATCH_JOIN, 6, {PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN}},
        rich = {"six charge", BATCH_CHARGE, 6, {PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN}};
    struct cast c;
    char lock[200], hex[33];
    uint64_t took_ms;
    cast_ready(&six, &c);
    snprintf(lock, sizeof lock,
             "START TRANSACTION; SELECT * FROM queue WHERE concert_id = %" PRIu64 " FOR UPDATE",
             c.concert.v);
    CU_ASSERT_EQUAL(run_locked(&c, lock, E_BUSY, &took_ms), 6);
    printf("# six that wait for one row are told so in %" PRIu64 " ms\n", took_ms);
    CU_ASSERT(took_ms < 7500); /* locks are waited for 1 s here */
    check(&six, &c, "the row is free", &(struct harm){.busy = true});
    cast_end(&c);

    cast_ready(&rich, &c);
    for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", c.guest[2].cred.user.v[i]);
    snprintf(lock, sizeof lock,
             "START TRANSACTION; UPDATE user SET name = 'x' WHERE user_id = UNHEX('%s')", hex);
    CU_ASSERT_EQUAL(run_locked(&c, lock, E_OK, &took_ms), 5);
    CU_ASSERT_EQUAL(c.guest[2].r.outcome, E_BUSY);
    CU_ASSERT(took_ms < 7500);
    check(&rich, &c, "the row is free", &(struct harm){.busy = true});
    cast_end(&c);
    look_end();
}

/* --- the connection is lost, and there is no other to be had --- */

static batch_answer_fn *answer_before;
static char socket_before[sizeof conf.database_socket];

/* Called between load and store. */
static void leave_no_way(struct batch_request *r, int *status_r, const char **body_r,
                         size_t *len_r) {
    strcpy(conf.database_socket, "/nowhere");
    answer_before(r, status_r, body_r, len_r);
}

/* Nobody is told more than is known, and a key makes up for it when the database is back. */
static void one_loss_for_good(const struct script *s, enum db_fault_kind kind) {
    struct cast c;
    struct harm harm = {.lost = true, .in_store = true, .done = kind == DB_FAULT_CUT_AFTER};
    uint64_t id;
    cast_ready(s, &c);
    for (size_t i = 0; i < c.count; i++) {
        answer_before = c.guest[i].r.answer;
        c.guest[i].r.answer = leave_no_way;
    }
    strcpy(socket_before, conf.database_socket);
    db_fault = (struct db_fault){STMT_BATCH_STORE, kind};
    cast_run(&c, NULL);
    strcpy(conf.database_socket, socket_before);
    CU_ASSERT_EQUAL(db_fault.kind, DB_FAULT_NONE);
    for (size_t i = 0; i < c.count; i++) {
        struct guest *g = &c.guest[i];
        uint64_t done = cast_effects(&c, g, &id);
        bool there = !g->effects ? done == 0 : g->must ? done == 1 : done == (uint64_t)harm.done;
        if (g->r.outcome != E_DATABASE_UNAVAILABLE || !there)
            say_wrong(s, i, "lost for good", "was told", g, done);
        CU_ASSERT(g->r.outcome == E_DATABASE_UNAVAILABLE && there);
        g->r.answer = answer_before;
        /* They look first, or have a key. */
        if (!g->keyed && !cast_repeatable(c.kind) && done) g->r.outcome = g->must;
    }
    bool again[CAST_MAX];
    for (size_t i = 0; i < c.count; i++)
        again[i] = c.guest[i].keyed || c.guest[i].r.outcome == E_DATABASE_UNAVAILABLE;
    cast_run(&c, again);
    for (size_t i = 0; i < c.count; i++) {
        struct guest *g = &c.guest[i];
        uint64_t done = cast_effects(&c, g, &id);
        bool replayed = g->keyed && is_kept(g->must) && g->r.outcome == E_REPLAYED;
        bool right = done == g->effects && (g->r.outcome == g->must || replayed) &&
                     (!replayed || kind == DB_FAULT_CUT_AFTER || g->must == E_REPLAYED);
        if (!right) say_wrong(s, i, "the database is back", "was told", g, done);
        CU_ASSERT(right);
    }
    cast_end(&c);
    cases++;
}

void a_database_that_stays_away_is_told_as_such(void) {
    cases = 0;
    for (size_t i = 0; i < script_count; i++) {
        if (scripts[i].role[0] != KEYED) continue;
        one_loss_for_good(&scripts[i], DB_FAULT_CUT_BEFORE);
        one_loss_for_good(&scripts[i], DB_FAULT_CUT_AFTER);
    }
    printf("# %u cases of a database lost for good\n", cases);
    look_end();
    CU_ASSERT_EQUAL(audit(true), 0);
}
