/* SPDX-License-Identifier: 0BSD */
/* The audit: what it proves whatever the clock did, and whichever release wrote the rows; and what
 * it must find. Each test leaves behind what passes. */
#include "world.h"

#include "../tap.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 1, 2))) void sql(const char *format, ...) {
    char text[4000];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CU_ASSERT_FATAL(n > 0 && (size_t)n < sizeof text);
    script(text);
}

/* Numbers what has happened to a performance and bears no number, in the order in which it
 * happened. */
static void number_events(struct performance_id f) {
    sql("UPDATE reservation_event e JOIN (SELECT n.reservation_id, n.kind, ROW_NUMBER() OVER"
        "   (ORDER BY n.at_ms, n.reservation_id, n.kind) AS seq FROM reservation_event n JOIN "
        "reservation r"
        "   ON r.reservation_id = n.reservation_id WHERE r.performance_id = %" PRIu64
        " AND n.seq IS NULL) o"
        "   ON o.reservation_id = e.reservation_id AND o.kind = e.kind"
        "   JOIN performance f ON f.performance_id = %" PRIu64
        "   SET e.performance_id = f.performance_id, e.seq = f.event_seq + o.seq;"
        "UPDATE performance SET event_seq = COALESCE((SELECT MAX(seq) FROM reservation_event WHERE "
        "performance_id = %" PRIu64 "), 0) WHERE performance_id = %" PRIu64,
        f.v, f.v, f.v, f.v);
}

/* What is wrong in `damage` is found, and after `undo` all is well. */
static void found(const char *damage, const char *undo) {
    script(damage);
    int status = audit(false);
    if (status != 1) printf("# not found (%d): %s\n", status, damage);
    CU_ASSERT_EQUAL(status, 1);
    script(undo);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- a clock that steps --- */

/* As if the clock had stepped at `since_ms`: all that was written since then says another time. */
static void step_clock(uint64_t since_ms, int64_t by_ms) {
    static const char *const columns[][2] = {
        {"place", "joined_at_ms"},          {"place", "admitted_at_ms"},
        {"place", "claimed_at_ms"},         {"place", "ended_at_ms"},
        {"queue_event", "at_ms"},           {"reservation_event", "at_ms"},
        {"reservation", "paid_at_ms"},      {"payment", "paid_at_ms"},
        {"balance_entry", "created_at_ms"},
    };
    sql("UPDATE seat s JOIN reservation r ON r.reservation_id = s.reservation_id AND "
        "r.created_at_ms >= %" PRIu64 "   SET s.taken_until_ms = s.taken_until_ms + %" PRId64
        " WHERE s.taken_until_ms BETWEEN 1 AND 4000000000000;"
        "UPDATE reservation SET held_until_ms = held_until_ms + %" PRId64
        ", sweep_at_ms = sweep_at_ms + %" PRId64 ", created_at_ms = created_at_ms + %" PRId64
        " WHERE created_at_ms >= %" PRIu64,
        since_ms, by_ms, by_ms, by_ms, by_ms, since_ms);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        sql("UPDATE %s SET %s = %s + %" PRId64 " WHERE %s >= %" PRIu64, columns[i][0],
            columns[i][1], columns[i][1], by_ms, columns[i][1], since_ms);
}

struct stage {
    struct concert_id concert;
    struct performance_id performance;
    struct cred u[4];
    struct place p[4];
    struct reservation r[4];
};

/* Two are in, one of whom has paid and stands in line again; one waits in between. The first has a
 * hold of `ttl_ms`. */
static struct stage first_half(uint64_t ttl_ms) {
    struct stage s = {.concert = concert(2)};
    struct conf quick = conf;
    struct seat_numbers one = SEATS(1), taken;
    struct payment pay;
    s.performance = performance(s.concert, 5, 1000);
    for (int i = 0; i < 3; i++) {
        s.u[i] = user("s");
        charge(s.u[i], 5000);
        s.p[i] = join(s.u[i], s.concert);
    }
    quick.hold_ttl_ms = ttl_ms;
    struct token first = token_of(&s.p[0]), second = token_of(&s.p[1]);
    CU_ASSERT_EQUAL_FATAL(
        reservation_hold(db, &quick, &first, s.performance, &one, NULL, &s.r[0], &taken), E_OK);
    CU_ASSERT_EQUAL_FATAL(hold(second, s.performance, SEATS(2), &s.r[1]), E_OK);
    CU_ASSERT_EQUAL_FATAL(reservation_pay(db, &s.u[1], &second, s.r[1].id, NULL, &pay), E_OK);
    s.p[3] = join(s.u[1], s.concert);
    clock_sleep_ms(3);
    return s;
}

static void let_in(struct concert_id c) {
    uint64_t ended, admitted;
    CU_ASSERT_EQUAL_FATAL(queue_tick(db, &conf, c, &ended, &admitted), E_OK);
}

void a_clock_that_steps_back_breaks_nothing(void) {
    struct stage s = first_half(60000);
    uint64_t since_ms = now_ms();
    struct token first = token_of(&s.p[0]), third = token_of(&s.p[2]);
    struct payment pay;
    struct reservation r;
    /* Paid before it was held, refunded before it was paid, by what the clock says. */
    CU_ASSERT_EQUAL(reservation_pay(db, &s.u[0], &first, s.r[0].id, NULL, &pay), E_OK);
    CU_ASSERT_EQUAL(reservation_cancel(db, &conf, &s.u[1], s.r[1].id, NULL, &r), E_OK);
    let_in(s.concert);
    CU_ASSERT_EQUAL(hold(third, s.performance, SEATS(2, 3), &s.r[2]), E_OK);
    number_events(s.performance);
    CU_ASSERT_EQUAL(audit(true), 0);
    step_clock(since_ms, -3600000);
    CU_ASSERT_EQUAL(audit(true), 0);
    /* What is wrong is wrong by order. */
    char swap[300];
    snprintf(swap, sizeof swap,
             "UPDATE queue_event SET number = 7 - number WHERE concert_id = %" PRIu64
             " AND kind = 'ADMIT'",
             s.concert.v);
    found(swap, swap);
}

void a_clock_that_steps_forward_breaks_nothing(void) {
    struct stage s = first_half(100);
    clock_sleep_ms(120);
    uint64_t since_ms = now_ms();
    struct token first = token_of(&s.p[0]), third = token_of(&s.p[2]);
    struct reservation r;
    CU_ASSERT_EQUAL(queue_leave(db, board, &first), E_OK);
    let_in(s.concert);
    CU_ASSERT_EQUAL(hold(third, s.performance, SEATS(1, 3), &s.r[2]),
                    E_OK); /* over the first one's, which ran out */
    CU_ASSERT_EQUAL(reservation_cancel(db, &conf, &s.u[1], s.r[1].id, NULL, &r), E_OK);
    number_events(s.performance);
    CU_ASSERT_EQUAL(audit(true), 0);
    step_clock(since_ms, 3600000);
    CU_ASSERT_EQUAL(audit(true), 0);
    /* A live hold without its seat: only its events know of it. */
    char lost[300], back[300];
    snprintf(
        lost, sizeof lost,
        "UPDATE seat SET reservation_id = NULL, taken_until_ms = 0 WHERE performance_id = %" PRIu64
        " AND seat_number = 3",
        s.performance.v);
    snprintf(back, sizeof back,
             "UPDATE seat s JOIN reservation r ON r.reservation_id = %" PRIu64
             " SET s.reservation_id = r.reservation_id,"
             " s.taken_until_ms = r.held_until_ms WHERE s.performance_id = %" PRIu64
             " AND s.seat_number = 3",
             s.r[2].id.v, s.performance.v);
    found(lost, back);
    /* Taken while the first hold lasted: one instant too early. */
    char early[300], undo[300];
    snprintf(early, sizeof early,
             "UPDATE reservation r JOIN reservation h ON h.reservation_id = %" PRIu64
             " SET h.held_until_ms = r.created_at_ms + 1"
             " WHERE r.reservation_id = %" PRIu64,
             s.r[0].id.v, s.r[2].id.v);
    snprintf(undo, sizeof undo,
             "UPDATE reservation SET held_until_ms = created_at_ms + 100 WHERE reservation_id = "
             "%" PRIu64,
             s.r[0].id.v);
    found(early, undo);
}

/* --- order --- */

/* One gives a seat back, another takes and pays it: the rows are right in the end whatever the
 * order was. */
void a_seat_that_passes_on_out_of_order_is_found(void) {
    struct stage s = {.concert = concert(10)};
    struct payment pay;
    char damage[600], undo[600];
    s.performance = performance(s.concert, 5, 1000);
    for (int i = 0; i < 2; i++) {
        s.u[i] = user("o");
        charge(s.u[i], 5000);
        s.p[i] = join(s.u[i], s.concert);
    }
    struct token first = token_of(&s.p[0]), second = token_of(&s.p[1]);
    CU_ASSERT_EQUAL_FATAL(hold(first, s.performance, SEATS(1), &s.r[0]), E_OK);
    CU_ASSERT_EQUAL_FATAL(reservation_release(db, &s.u[0], s.r[0].id), E_OK);
    CU_ASSERT_EQUAL_FATAL(hold(second, s.performance, SEATS(1, 2), &s.r[1]), E_OK);
    CU_ASSERT_EQUAL_FATAL(reservation_pay(db, &s.u[1], &second, s.r[1].id, NULL, &pay), E_OK);
    CU_ASSERT_EQUAL_FATAL(hold(first, s.performance, SEATS(3), &s.r[2]), E_OK);
    CU_ASSERT_EQUAL_FATAL(reservation_release(db, &s.u[0], s.r[2].id), E_OK);
    number_events(s.performance);
    CU_ASSERT_EQUAL(audit(true), 0);
    uint64_t f = s.performance.v;

    /* Events 2 and 3 in the other order: the second one held what the first one had. */
    const char *turn =
        "UPDATE reservation_event SET seq = IF(seq = %d, 99, seq) WHERE performance_id = %" PRIu64
        ";"
        "UPDATE reservation_event SET seq = %d WHERE performance_id = %" PRIu64 " AND seq = %d;"
        "UPDATE reservation_event SET seq = %d WHERE performance_id = %" PRIu64 " AND seq = 99";
    snprintf(damage, sizeof damage, turn, 2, f, 2, f, 3, 3, f);
    found(damage, damage);
    /* Events 1 and 2: given back before it was taken. */
    snprintf(damage, sizeof damage, turn, 1, f, 1, f, 2, 2, f);
    found(damage, damage);

    /* A reservation that left no trace but a gap; a last one that left none but the number that was
     * given. */
    snprintf(damage, sizeof damage,
             "CREATE TABLE gone AS SELECT * FROM reservation WHERE reservation_id = %" PRIu64
             "; CREATE TABLE gone_events AS SELECT * FROM reservation_event WHERE reservation_id = "
             "%" PRIu64 "; DELETE FROM reservation WHERE reservation_id = %" PRIu64
             "; DELETE FROM reservation_event WHERE reservation_id = %" PRIu64,
             s.r[0].id.v, s.r[0].id.v, s.r[0].id.v, s.r[0].id.v);
    const char *back = "INSERT INTO reservation SELECT * FROM gone; INSERT INTO reservation_event "
                       "SELECT * FROM gone_events;"
                       "DROP TABLE gone; DROP TABLE gone_events";
    found(damage, back);
    snprintf(damage, sizeof damage,
             "UPDATE performance SET event_seq = event_seq + 1 WHERE performance_id = %" PRIu64, f);
    snprintf(undo, sizeof undo,
             "UPDATE performance SET event_seq = event_seq - 1 WHERE performance_id = %" PRIu64, f);
    found(damage, undo);

    /* Seats that are not what their events say, with rows that are sound by themselves: sold ones
     * are counted, and a free one that nobody lacks is told by its events alone. */
    snprintf(
        damage, sizeof damage,
        "UPDATE seat SET reservation_id = NULL, taken_until_ms = 0 WHERE performance_id = %" PRIu64
        " AND seat_number = 2",
        f);
    snprintf(undo, sizeof undo,
             "UPDATE seat SET reservation_id = %" PRIu64
             ", taken_until_ms = 9223372036854775807 WHERE performance_id = %" PRIu64
             " AND seat_number = 2",
             s.r[1].id.v, f);
    found(damage, undo);

    /* An event of another performance; an event twice as old as its reservation. */
    snprintf(damage, sizeof damage,
             "UPDATE reservation_event SET at_ms = at_ms - 1 WHERE kind = 'HELD' AND "
             "reservation_id = %" PRIu64,
             s.r[2].id.v);
    snprintf(undo, sizeof undo,
             "UPDATE reservation_event SET at_ms = at_ms + 1 WHERE kind = 'HELD' AND "
             "reservation_id = %" PRIu64,
             s.r[2].id.v);
    found(damage, undo);
}

static void expire_holds(void) {
    uint64_t ended;
    CU_ASSERT_EQUAL(holds_expire(db, &conf, &ended), E_OK);
}

/* Marking a hold that ran out leaves the seat as it is: nobody need lock it. */
void a_hold_that_ran_out_may_stay_in_its_seat(void) {
    struct stage s = first_half(20);
    char damage[300], undo[300];
    clock_sleep_ms(30);
    expire_holds();
    number_events(s.performance);
    sql("UPDATE seat s JOIN reservation r ON r.reservation_id = %" PRIu64
        " SET s.reservation_id = r.reservation_id, s.taken_until_ms = r.held_until_ms"
        " WHERE s.performance_id = %" PRIu64 " AND s.seat_number = 1",
        s.r[0].id.v, s.performance.v);
    CU_ASSERT_EQUAL(audit(true), 0);
    snprintf(damage, sizeof damage,
             "UPDATE seat SET taken_until_ms = taken_until_ms + 1 WHERE performance_id = %" PRIu64
             " AND seat_number = 1",
             s.performance.v);
    snprintf(undo, sizeof undo,
             "UPDATE seat SET taken_until_ms = taken_until_ms - 1 WHERE performance_id = %" PRIu64
             " AND seat_number = 1",
             s.performance.v);
    found(damage, undo);
}

/* What only the order of a seat's events tells: each reservation by itself, and all rows in the
 * end, would be right. */
void a_seat_taken_too_early_is_found(void) {
    struct stage s = first_half(20);
    struct token first = token_of(&s.p[0]);
    char damage[700], undo[700];
    clock_sleep_ms(30);
    CU_ASSERT_EQUAL_FATAL(hold(first, s.performance, SEATS(1, 3), &s.r[2]), E_OK);
    clock_sleep_ms(10);
    expire_holds();
    number_events(s.performance);
    CU_ASSERT_EQUAL(audit(true), 0);
    uint64_t lapsed = s.r[0].id.v, taken = s.r[2].id.v;
    /* One instant before the other hold ended. */
    snprintf(damage, sizeof damage,
             "UPDATE reservation r JOIN reservation h ON h.reservation_id = %" PRIu64
             " SET h.held_until_ms = r.created_at_ms + 1"
             " WHERE r.reservation_id = %" PRIu64,
             lapsed, taken);
    snprintf(
        undo, sizeof undo,
        "UPDATE reservation SET held_until_ms = created_at_ms + 20 WHERE reservation_id = %" PRIu64,
        lapsed);
    found(damage, undo);
    /* Given back by one whose seat it was no more. */
    snprintf(damage, sizeof damage,
             "CREATE TABLE gone AS SELECT * FROM reservation_event WHERE reservation_id = %" PRIu64
             ";"
             "UPDATE reservation SET status = 'RELEASED' WHERE reservation_id = %" PRIu64 ";"
             "UPDATE reservation_event e JOIN reservation r ON r.reservation_id = e.reservation_id"
             "   SET e.kind = 'RELEASED', e.at_ms = r.held_until_ms - 1 WHERE r.reservation_id = "
             "%" PRIu64 " AND e.kind = 'EXPIRED'",
             lapsed, lapsed, lapsed);
    snprintf(undo, sizeof undo,
             "UPDATE reservation SET status = 'EXPIRED' WHERE reservation_id = %" PRIu64 ";"
             "DELETE FROM reservation_event WHERE reservation_id = %" PRIu64
             "; INSERT INTO reservation_event SELECT * FROM gone; DROP TABLE gone",
             lapsed, lapsed);
    found(damage, undo);
}

/* Marked as run out, it is free for others, also when the clock has stepped back to before its end.
 */
void a_hold_that_was_marked_is_free_after_a_step_back(void) {
    struct stage s = first_half(20);
    struct token first = token_of(&s.p[0]);
    clock_sleep_ms(30);
    expire_holds();
    clock_sleep_ms(3);
    uint64_t since_ms = now_ms();
    CU_ASSERT_EQUAL_FATAL(hold(first, s.performance, SEATS(1, 3), &s.r[2]), E_OK);
    number_events(s.performance);
    step_clock(since_ms, -3600000);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- queues --- */

static void swap_events(struct concert_id c, uint64_t seq) {
    char swap[600];
    snprintf(swap, sizeof swap,
             "UPDATE queue_event SET seq = 99 WHERE concert_id = %" PRIu64 " AND seq = %" PRIu64 ";"
             "UPDATE queue_event SET seq = %" PRIu64 " WHERE concert_id = %" PRIu64
             " AND seq = %" PRIu64 ";"
             "UPDATE queue_event SET seq = %" PRIu64 " WHERE concert_id = %" PRIu64 " AND seq = 99",
             c.v, seq, seq, c.v, seq + 1, seq + 1, c.v);
    found(swap, swap);
}

/* Rows that are right in the end, whatever the order was. */
void one_let_in_past_the_cap_or_a_pause_is_found(void) {
    struct concert_id c = concert(1); /* event 1: the cap */
    struct place p[3];
    for (int i = 0; i < 3; i++) p[i] = join(user("c"), c); /* 2, 3, 4 */
    struct token first = token_of(&p[0]), second = token_of(&p[1]);
    CU_ASSERT_EQUAL(queue_leave(db, board, &first), E_OK);    /* 5 */
    let_in(c);                                                /* 6 */
    CU_ASSERT_EQUAL(queue_command(db, c, "PAUSE", 0), E_OK);  /* 7 */
    CU_ASSERT_EQUAL(queue_leave(db, board, &second), E_OK);   /* 8 */
    CU_ASSERT_EQUAL(queue_command(db, c, "RESUME", 0), E_OK); /* 9 */
    let_in(c);                                                /* 10 */
    CU_ASSERT_EQUAL(audit(true), 0);
    swap_events(c, 5);
    swap_events(c, 9);
}

/* --- any damage --- */

/* Whatever a column says, the audit comes to its end, and says so or not; it must never break by
 * it. */
void no_damage_breaks_the_audit(void) {
    static const char *const where[][2] = {
        {"queue", "tail"},
        {"queue", "waiting"},
        {"queue", "active"},
        {"queue", "admitted_through"},
        {"queue", "event_seq"},
        {"place", "state"},
        {"place", "join_seq"},
        {"place", "joined_active"},
        {"place", "number"},
        {"place", "joined_at_ms"},
        {"queue_event", "kind"},
        {"queue_event", "number"},
        {"queue_event", "value"},
        {"queue_event", "seq"},
        {"performance", "price_minor"},
        {"performance", "event_seq"},
        {"performance", "concert_id"},
        {"seat", "reservation_id"},
        {"seat", "taken_until_ms"},
        {"user", "balance_minor"},
        {"reservation", "seat_numbers"},
        {"reservation", "seat_count"},
        {"reservation", "amount_minor"},
        {"reservation", "status"},
        {"reservation", "held_until_ms"},
        {"reservation", "created_at_ms"},
        {"reservation", "performance_id"},
        {"reservation", "concert_id"},
        {"reservation", "place_number"},
        {"reservation_event", "kind"},
        {"reservation_event", "seq"},
        {"reservation_event", "performance_id"},
        {"reservation_event", "at_ms"},
        {"payment", "balance_minor"},
        {"payment", "amount_minor"},
        {"payment", "reservation_id"},
        {"balance_entry", "amount_minor"},
        {"balance_entry", "balance_after_minor"},
        {"balance_entry", "type"},
        {"balance_entry", "reservation_id"},
    };
    static const char *const what[] = {"0", "1", "2", "3", "4000000000", "9000000000000000000"};
    unsigned told = 0, tried = 0;
    for (size_t i = 0; i < sizeof where / sizeof *where; i++)
        for (size_t k = 0; k < sizeof what / sizeof *what; k++) {
            const char *table = where[i][0];
            sql("CREATE TABLE gone AS SELECT * FROM %s", table);
            sql("UPDATE IGNORE %s SET %s = %s ORDER BY MD5(CONCAT_WS(',', %s, %zu)) LIMIT 2", table,
                where[i][1], what[k], where[i][1], i + k);
            int status = audit(false);
            CU_ASSERT(status == 0 || status == 1);
            told += status == 1;
            tried++;
            sql("DELETE FROM %s; INSERT INTO %s SELECT * FROM gone; DROP TABLE gone", table, table);
        }
    printf("# %u of %u damaged columns told\n", told, tried);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- an older release --- */

/* By the procedures of release 1.0, which a database that it has filled keeps. Who: a user's id in
 * hex. */
#define WHO "UNHEX('%s'), (SELECT access_hash FROM user WHERE user_id = UNHEX('%s'))"

static void hex_of(const struct cred *c, char hex_r[33]) {
    for (int i = 0; i < 16; i++) snprintf(hex_r + 2 * i, 3, "%02x", c->user.v[i]);
}

static void old_join(const struct cred *c, struct concert_id in) {
    char hex[33];
    hex_of(c, hex);
    sql("SET @access = (SELECT access_hash FROM user WHERE user_id = UNHEX('%s'));"
        "CALL queue_join(UNHEX('%s'), @access, %" PRIu64 ", 600000, 1000000, NULL, NULL)",
        hex, hex, in.v);
}

static void old_hold(const struct cred *c, struct concert_id in, uint64_t number,
                     struct performance_id f, const char *seats, unsigned count, unsigned ttl_ms) {
    char hex[33];
    hex_of(c, hex);
    sql("CALL reservation_hold(UNHEX('%s'), %" PRIu64 ", %" PRIu64 ", %" PRIu64
        ", '%s', %u, 4, %u, 600000, NULL, NULL);"
        "SET @held = (SELECT MAX(reservation_id) FROM reservation)",
        hex, in.v, number, f.v, seats, count, ttl_ms);
}

static void old_pay(const struct cred *c, struct concert_id in, uint64_t number) {
    char hex[33];
    hex_of(c, hex);
    sql("SET @access = (SELECT access_hash FROM user WHERE user_id = UNHEX('%s'));"
        "CALL reservation_pay(UNHEX('%s'), @access, %" PRIu64 ", %" PRIu64 ", @held, NULL, NULL)",
        hex, hex, in.v, number);
}

static void old_end(const struct cred *c, const char *procedure, const char *more) {
    char hex[33];
    hex_of(c, hex);
    sql("SET @access = (SELECT access_hash FROM user WHERE user_id = UNHEX('%s'));"
        "CALL %s(UNHEX('%s'), @access, @held%s)",
        hex, procedure, hex, more);
}

/* As they stood in its migrations 002 and 003. */
static void old_procedures(void) {
    static const char *const files[] = {"002_procedures.sql", "003_hold_pay_key.sql"};
    const char *top = getenv("top_srcdir") ? getenv("top_srcdir") : ".";
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/tests/db/release-1.0/%s", top, files[i]);
        FILE *f = fopen(path, "re");
        CU_ASSERT_FATAL(f != NULL);
        static char text[65536];
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
        script(text);
    }
}

/* All that release 1.0 does: joins, ticks, leavings, holds that end in every way, payments, a
 * refund. */
static void old_sale(struct stage *s) {
    char hex[33];
    old_procedures();
    s->concert = concert(2);
    s->performance = performance(s->concert, 6, 1000);
    for (int i = 0; i < 4; i++) {
        s->u[i] = user("old");
        charge(s->u[i], 5000);
        old_join(&s->u[i], s->concert);
    }
    old_hold(&s->u[0], s->concert, 1, s->performance, "1,2", 2, 60000);
    old_pay(&s->u[0], s->concert, 1);
    old_end(&s->u[0], "reservation_cancel", ", 0, 1000000000000, NULL, NULL");
    old_hold(&s->u[1], s->concert, 2, s->performance, "1", 1, 60000);
    old_end(&s->u[1], "reservation_release", "");
    old_hold(&s->u[1], s->concert, 2, s->performance, "1,3", 2, 60000);
    old_pay(&s->u[1], s->concert, 2);
    sql("CALL queue_tick(%" PRIu64 ", 60000, 100)", s->concert.v);
    sql("UPDATE place SET claimed_at_ms = admitted_at_ms WHERE concert_id = %" PRIu64
        " AND number = 3",
        s->concert.v);
    old_hold(&s->u[2], s->concert, 3, s->performance, "4", 1, 1);
    clock_sleep_ms(5);
    old_hold(&s->u[3], s->concert, 4, s->performance, "4,5", 2, 60000); /* over one that ran out */
    old_hold(&s->u[2], s->concert, 3, s->performance, "6", 1, 1);
    clock_sleep_ms(5);
    sql("CALL holds_expire(100)");
    hex_of(&s->u[3], hex);
    sql("CALL queue_leave(UNHEX('%s'), %" PRIu64 ", 4)", hex, s->concert.v);
    old_join(&s->u[3], s->concert);
}

void what_an_older_release_wrote_is_proved(void) {
    struct stage s = {0};
    char damage[300], undo[300];
    old_sale(&s);
    CU_ASSERT_EQUAL(audit(true), 0);
    snprintf(
        damage, sizeof damage,
        "UPDATE seat SET reservation_id = NULL, taken_until_ms = 0 WHERE performance_id = %" PRIu64
        " AND seat_number = 3",
        s.performance.v);
    snprintf(undo, sizeof undo,
             "UPDATE seat SET reservation_id = (SELECT reservation_id FROM reservation WHERE "
             "performance_id = %" PRIu64 " AND status = 'PAID'), taken_until_ms = "
             "9223372036854775807 WHERE performance_id = %" PRIu64 " AND seat_number = 3",
             s.performance.v, s.performance.v);
    found(damage, undo);
}

/* Workers of two releases at once, while one replaces the other: what has no number stands between
 * what has one. */
void two_releases_at_once_are_proved(void) {
    struct stage s = {0};
    struct reservation r;
    old_sale(&s); /* leaves seats 1 and 3 sold, the rest free, and user 4 in with number 5 */
    struct token t = {.user = s.u[3].user, .concert = s.concert, .number = 5};
    CU_ASSERT_EQUAL_FATAL(hold(t, s.performance, SEATS(2, 4), &r), E_OK);
    CU_ASSERT_EQUAL_FATAL(reservation_release(db, &s.u[3], r.id), E_OK);
    sql("SET @n = (SELECT event_seq FROM performance WHERE performance_id = %" PRIu64 ");"
        "UPDATE reservation_event SET performance_id = %" PRIu64
        ", seq = @n + IF(kind = 'HELD', 1, 2)"
        " WHERE reservation_id = %" PRIu64 " AND seq IS NULL;"
        "UPDATE performance SET event_seq = (SELECT MAX(seq) FROM reservation_event WHERE "
        "performance_id = %" PRIu64 ") WHERE performance_id = %" PRIu64,
        s.performance.v, s.performance.v, r.id.v, s.performance.v, s.performance.v);
    CU_ASSERT_EQUAL(audit(true), 0);
    /* A worker of the old release comes by once more. */
    old_hold(&s.u[3], s.concert, 5, s.performance, "2,4", 2, 60000);
    CU_ASSERT_EQUAL(audit(true), 0);
    old_pay(&s.u[3], s.concert, 5);
    CU_ASSERT_EQUAL(audit(true), 0);
    /* And the new one gives back what the old one sold. */
    struct reservation last;
    char id[40], why[200];
    CU_ASSERT(db_script_value(db, "SELECT @held", id, sizeof id, why, sizeof why));
    CU_ASSERT_EQUAL(reservation_cancel(db, &conf, &s.u[3],
                                       (struct reservation_id){ids_parse_u64(id, strlen(id))}, NULL,
                                       &last),
                    E_OK);
    sql("UPDATE performance SET event_seq = event_seq + 1 WHERE performance_id = %" PRIu64
        " AND EXISTS"
        " (SELECT 1 FROM reservation_event WHERE reservation_id = %s AND kind = 'CANCELLED' AND "
        "seq IS NULL);"
        "UPDATE reservation_event SET performance_id = %" PRIu64
        ", seq = (SELECT event_seq FROM performance WHERE performance_id = %" PRIu64
        ") WHERE reservation_id = %s AND kind = 'CANCELLED' AND seq IS NULL",
        s.performance.v, id, s.performance.v, s.performance.v, id);
    CU_ASSERT_EQUAL(audit(true), 0);
}
