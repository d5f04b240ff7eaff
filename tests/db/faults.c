/* Faults: every statement of every write, cut off before and after, deadlocked, kept waiting for a lock; first as
 * the program runs them, then those within the procedures. */
#include "world.h"

#include "../tap.h"
#include "instrument.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum op { JOIN, HOLD, PAY, CHARGE, CANCEL, RELEASE, LEAVE, OPS };
static const struct {
    const char *name;
    enum stmt at;
    bool keyed;    /* takes a key */
    bool repeated; /* does no harm when run again without one */
} ops[OPS] = {
    {"join", STMT_BATCH_LOAD, true, true},
    {"hold", STMT_BATCH_LOAD, true, false},
    {"pay", STMT_BATCH_LOAD, true, false},
    {"charge", STMT_BATCH_LOAD, true, false},
    {"cancel", STMT_BATCH_LOAD, true, false},
    {"release", STMT_BATCH_LOAD, false, false},
    {"leave", STMT_BATCH_LOAD, false, true},
};

struct buyer {
    enum op op;
    struct cred cred;
    struct concert_id concert;
    struct performance_id performance;
    uint64_t seat;
    struct token token;
    struct reservation_id reservation;
    struct idem idem;
};

/* The work as a worker does it: the operation, then with a key its answer. */
static enum err work(void *ctx) {
    struct buyer *b = ctx;
    struct idem *idem = b->idem.given ? &b->idem : NULL;
    struct seat_numbers seats = {.count = 1, .number = {b->seat}}, taken;
    struct reservation r;
    struct payment pay;
    struct place p;
    uint64_t id, balance;
    bool already;
    enum err e = E_INTERNAL;
    switch (b->op) {
    case JOIN: e = queue_join(db, board, &conf, &b->cred, b->concert, idem, &p, &already); break;
    case HOLD: e = reservation_hold(db, &conf, &b->token, b->performance, &seats, idem, &r, &taken); break;
    case PAY: e = reservation_pay(db, &b->cred, &b->token, b->reservation, idem, &pay); break;
    case CHARGE: e = account_charge(db, &b->cred, 500, idem, &id, &balance); break;
    case CANCEL: e = reservation_cancel(db, &conf, &b->cred, b->reservation, idem, &r); break;
    case RELEASE: e = reservation_release(db, &b->cred, b->reservation); break;
    case LEAVE: e = queue_leave(db, board, &b->token); break;
    case OPS: break;
    }
    return e;
}

/* Somebody for whom the operation is the next thing to do. */
static struct buyer ready(enum op op, struct concert_id c, struct performance_id f, uint64_t seat, bool keyed) {
    struct buyer b = {.op = op, .cred = user("fault"), .concert = c, .performance = f, .seat = seat};
    if (op != JOIN) {
        struct place p = join(b.cred, c);
        b.token = token_of(&p);
    }
    if (op == PAY || op == CANCEL || op == RELEASE) {
        struct reservation r;
        struct payment pay;
        CU_ASSERT_EQUAL_FATAL(hold(b.token, f, (struct seat_numbers){.count = 1, .number = {seat}}, &r), E_OK);
        b.reservation = r.id;
        charge(b.cred, 2000);
        if (op == CANCEL) CU_ASSERT_EQUAL_FATAL(reservation_pay(db, &b.cred, &b.token, r.id, NULL, &pay), E_OK);
    }
    if (keyed) {
        CU_ASSERT_FATAL(idem_key_parse("the-key", &b.idem));
        idem_hash_request(&b.idem, "POST", "/fault", "", 0);
    }
    return b;
}

/* How often the operation's effect is there. */
static uint64_t effects(const struct buyer *b) {
    static const char *const counts[OPS] = {
        [JOIN] = "SELECT COUNT(*) FROM place WHERE user_id = UNHEX('%s')",
        [HOLD] = "SELECT COUNT(*) FROM reservation WHERE user_id = UNHEX('%s')",
        [PAY] = "SELECT COUNT(*) FROM balance_entry e JOIN payment p ON p.reservation_id = e.reservation_id WHERE e.type = 'PAYMENT' AND e.user_id = UNHEX('%s')",
        [CHARGE] = "SELECT COUNT(*) FROM balance_entry WHERE user_id = UNHEX('%s')",
        [CANCEL] = "SELECT COUNT(*) FROM balance_entry WHERE type = 'REFUND' AND user_id = UNHEX('%s')",
        [RELEASE] = "SELECT COUNT(*) FROM reservation WHERE status = 'RELEASED' AND user_id = UNHEX('%s')",
        [LEAVE] = "SELECT COUNT(*) FROM place WHERE state = 'LEFT' AND user_id = UNHEX('%s')",
    };
    char sql[400], hex[40], value[24], why[300];
    for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", b->cred.user.v[i]);
    snprintf(sql, sizeof sql, counts[b->op], hex);
    CU_ASSERT(db_script_value(db, sql, value, sizeof value, why, sizeof why));
    return strtoull(value, NULL, 10);
}

static bool in_transaction(void) {
    char value[24], why[300];
    CU_ASSERT(db_script_value(db, "SELECT @@in_transaction", value, sizeof value, why, sizeof why));
    return *value != '0';
}

static uint64_t unknowns;

static void one_fault(enum op op, bool keyed, enum stmt at, enum db_fault_kind kind, struct concert_id c, struct performance_id f, uint64_t seat) {
    struct buyer b = ready(op, c, f, seat, keyed);
    bool cut = kind == DB_FAULT_CUT_BEFORE || kind == DB_FAULT_CUT_AFTER;
    db_fault = (struct db_fault){at, kind};
    enum err first = db_transaction(db, keyed, work, &b);
    bool unknown = first == E_DATABASE_UNAVAILABLE && db_outcome_unknown(db);
    bool fired = db_fault.kind == DB_FAULT_NONE;
    db_fault.kind = DB_FAULT_NONE;
    unknowns += db_outcome_unknown(db);
    /* With a key, or where repeating does no harm, the client never notices. Otherwise only a lost connection
     * is told, as an outcome that is not known. */
    bool right = first == E_OK || (keyed && first == E_REPLAYED) || (cut && !keyed && !ops[op].repeated && unknown);
    if (unknown) CU_ASSERT(effects(&b) == (kind == DB_FAULT_CUT_AFTER ? 1 : 0));
    /* The client, not having got an answer, or having: it asks again. Without a key it looks first. */
    enum err again = E_OK;
    if (keyed || ops[op].repeated || effects(&b) == 0) again = db_transaction(db, keyed, work, &b);
    right = right && fired && again == (keyed ? E_REPLAYED : E_OK) && effects(&b) == 1 && !in_transaction();
    if (!right)
        printf("# %s, %s, fault %d at %s%s: %s, then %s, %d times\n", ops[op].name, keyed ? "keyed" : "without a key", kind, stmt_name(at),
               fired ? "" : " did not fire", err_name(first), err_name(again), (int)effects(&b));
    CU_ASSERT(right);
    idem_clear(&b.idem);
}

void every_fault_has_one_outcome(void) {
    struct concert_id c = concert(100000);
    struct performance_id f = performance(c, 200, 1000);
    static struct db_stats stats;
    unsigned cases = 0;
    db_count_in(db, &stats);
    for (enum op op = 0; op < OPS; op++)
        for (int keyed = 0; keyed <= ops[op].keyed; keyed++)
            for (int store = 0; store <= keyed; store++)
                for (enum db_fault_kind kind = DB_FAULT_CUT_BEFORE; kind < DB_FAULT_KINDS; kind++)
                    one_fault(op, keyed, store ? STMT_BATCH_STORE : ops[op].at, kind, c, f, ++cases);
    printf("# %u fault cases\n", cases);
    /* Each has been counted for what it was: half of the cases cut the connection. */
    CU_ASSERT(unknowns > 0 && stats.trouble[DB_OUTCOME_UNKNOWN] == unknowns);
    CU_ASSERT(stats.trouble[DB_RUN_AGAIN] >= cases / 2 && stats.trouble[DB_LOST] + unknowns >= cases / 2);
    CU_ASSERT(stats.retries > 0 && stats.connections > 0 && stats.trouble[DB_FAILED] == 0 && stats.trouble[DB_UNREACHABLE] == 0);
    CU_ASSERT(stats.runs[STMT_BATCH_LOAD] > 0 && stats.time_us[STMT_BATCH_LOAD] > 0);
    db_count_in(db, NULL);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- the same for what the server runs within a procedure --- */

static void plant(enum fault_kind kind, unsigned at) {
    char sql[100];
    snprintf(sql, sizeof sql, "SET @fault_kind = %d, @fault_at = %u, @fault_passed = ''", kind, at);
    script(sql);
}

/* What the server said where a fault was planted; "": it did not come by, or its connection is gone. */
static bool fault_value(const char *sql, char value[2000]) {
    char why[300];
    return db_script_value(db, sql, value, 2000, why, sizeof why);
}

static bool one_inner_fault(enum op op, bool keyed, enum fault_kind kind, unsigned at, struct concert_id c, struct performance_id f, uint64_t seat) {
    char value[2000];
    struct buyer b = ready(op, c, f, seat, keyed);
    plant(kind, at);
    enum err first = db_transaction(db, keyed, work, &b);
    bool fired = fault_value("SELECT @fault_at IS NULL", value) && *value == '1';
    plant(FAULT_NONE, 0);
    bool unknown = first == E_DATABASE_UNAVAILABLE && db_outcome_unknown(db);
    /* A key's row that is not to be had in time is told as a first request that still runs. */
    bool right = first == E_OK || (keyed && first == E_REPLAYED) || (kind == FAULT_LOCK_WAIT && keyed && first == E_IDEMPOTENCY_IN_PROGRESS) ||
                 (kind == FAULT_KILLED && !keyed && !ops[op].repeated && unknown);
    uint64_t done = effects(&b);
    enum err again = done && !keyed && !ops[op].repeated ? E_OK : db_transaction(db, keyed, work, &b);
    right = right && (done == 1 || first != E_OK) && (again == E_OK || again == E_REPLAYED) && effects(&b) == 1 && !in_transaction();
    if (!right)
        printf("# %s, %s, fault %d at point %u: %s, then %s, %d times\n", ops[op].name, keyed ? "keyed" : "without a key", kind, at, err_name(first),
               err_name(again), (int)effects(&b));
    CU_ASSERT(right);
    idem_clear(&b.idem);
    return fired;
}

void every_fault_within_a_write_has_one_outcome(void) {
    unsigned points, cases = 0, none;
    uint64_t seat = 0;
    char *with = instrument(conf.sql_dir, true, &points), *without = instrument(conf.sql_dir, false, &none);
    CU_ASSERT_FATAL(with && without && points > 50);
    struct concert_id c = concert(100000);
    struct performance_id f = performance(c, 2000, 1000);
    script("DROP PROCEDURE IF EXISTS fault");
    script(fault_procedure);
    script(with);
    for (enum op op = 0; op < OPS; op++)
        for (int keyed = 0; keyed <= ops[op].keyed; keyed++) {
            /* Where it comes by; then each of these points in each way. */
            char passed[2000], *next = passed;
            struct buyer b = ready(op, c, f, ++seat, keyed);
            plant(FAULT_RECORD, 0);
            CU_ASSERT_EQUAL(db_transaction(db, keyed, work, &b), E_OK);
            CU_ASSERT_FATAL(fault_value("SELECT @fault_passed", passed) && *passed);
            idem_clear(&b.idem);
            for (unsigned at; (at = (unsigned)strtoul(next, &next, 10)) > 0;)
                for (enum fault_kind kind = FAULT_DEADLOCK; kind < FAULT_KINDS; kind++) cases += one_inner_fault(op, keyed, kind, at, c, f, ++seat);
        }
    printf("# %u fault cases at %u points within the procedures\n", cases, points);
    CU_ASSERT(cases > 150);
    script(without);
    script("DROP PROCEDURE fault");
    free(with);
    free(without);
    CU_ASSERT_EQUAL(audit(true), 0);
}
