/* SPDX-License-Identifier: 0BSD */
/* Tests of the rules on a private MariaDB, which tests/stack makes and ends. */
#include "../tap.h"
#include "world.h"

#include "admin/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- tests --- */

static void every_statement_prepares(void) {
    for (size_t i = 0; i < STMT_COUNT; i++) {
        enum err e = db_prepare(db, (enum stmt)i);
        if (e) printf("# %s does not prepare\n", stmt_name((enum stmt)i));
        CU_ASSERT_EQUAL(e, E_OK);
    }
}

static void migrating_twice_and_at_once_is_safe(void) {
    struct conf other = conf;
    strcpy(other.database_user, "root");
    *other.database_password_file = 0;
    struct db *root = db_new(&other), *own = db;
    db = root;
    script("CREATE DATABASE boxoffice_twice");
    strcpy(other.database_name, "boxoffice_twice");
    unsigned applied, version;
    static unsigned known[MIGRATIONS_MAX];
    char why[600];
    pid_t pid[3];
    for (int i = 0; i < 3; i++)
        if ((pid[i] = fork()) == 0)
            _exit(migrate(&other, &applied, &version, why, sizeof why) ? 0 : 1);
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CU_ASSERT(migrate(&other, &applied, &version, why, sizeof why) && applied == 0 && version >= 2);
    /* Died after a migration's statements and before its row: it is run again. */
    script("DELETE FROM boxoffice_twice.schema_migration WHERE version > 0");
    CU_ASSERT(migrate(&other, &applied, &version, why, sizeof why) &&
              applied == migrations_in(other.sql_dir, known));
    script("DROP DATABASE boxoffice_twice");
    db = own;
    db_free(root);
}

static void joining_draws_numbers_and_keeps_the_cap(void) {
    struct concert_id c = concert(2);
    struct cred u[5];
    for (int i = 0; i < 5; i++) {
        u[i] = user("j");
        struct place p = join(u[i], c);
        CU_ASSERT_EQUAL(p.number, (uint64_t)i + 1);
        CU_ASSERT_EQUAL(p.state, i < 2 ? PLACE_ACTIVE : PLACE_WAITING);
        CU_ASSERT_EQUAL(p.ahead, i < 2 ? 0 : (uint64_t)i - 2);
    }
    bool already;
    struct place p;
    CU_ASSERT(queue_join(db, board, &conf, &u[4], c, NULL, &p, &already) == E_OK && already &&
              p.number == 5 && p.ahead == 2);
    /* The fourth leaves: those behind move up, those in front don't. */
    struct token fourth = {.user = u[3].user, .concert = c, .number = 4},
                 fifth = {.user = u[4].user, .concert = c, .number = 5, .ahead = 99};
    CU_ASSERT_EQUAL(queue_leave(db, board, &fourth), E_OK);
    CU_ASSERT_EQUAL(queue_leave(db, board, &fourth), E_OK);
    CU_ASSERT(queue_place(db, board, &conf, &fifth, &p) == E_OK && p.ahead == 1);
    CU_ASSERT(queue_place(db, board, &conf, &fourth, &p) == E_OK && p.state == PLACE_LEFT);
    fifth.user = u[0].user;
    CU_ASSERT_EQUAL(queue_place(db, board, &conf, &fifth, &p), E_QUEUE_TOKEN_INVALID);
    struct cred stranger = u[0];
    stranger.access_hash[0] ^= 1;
    CU_ASSERT_EQUAL(queue_join(db, board, &conf, &stranger, c, NULL, &p, &already),
                    E_CREDENTIALS_INVALID);
    CU_ASSERT_EQUAL(
        queue_join(db, board, &conf, &u[0], (struct concert_id){999999}, NULL, &p, &already),
        E_CONCERT_NOT_FOUND);
}

static void the_ticker_ends_and_lets_in_by_number(void) {
    struct concert_id c = concert(1);
    struct cred u[4];
    struct place p[4];
    struct conf quick = conf;
    uint64_t ended, admitted;
    quick.active_ttl_ms = 150;
    quick.claim_ttl_ms = 150;
    bool already;
    for (int i = 0; i < 4; i++) {
        u[i] = user("t");
        CU_ASSERT_EQUAL_FATAL(queue_join(db, board, &quick, &u[i], c, NULL, &p[i], &already), E_OK);
    }
    CU_ASSERT(queue_tick(db, &quick, c, &ended, &admitted) == E_OK && ended == 0 && admitted == 0);
    clock_sleep_ms(200);
    CU_ASSERT(queue_tick(db, &quick, c, &ended, &admitted) == E_OK && ended == 1 && admitted == 1);
    /* The second shows up, and so has its pass; after it the third never does. */
    struct token second = token_of(&p[1]), third = token_of(&p[2]), fourth = token_of(&p[3]);
    struct place look;
    CU_ASSERT(queue_place(db, board, &conf, &second, &look) == E_OK && look.state == PLACE_ACTIVE &&
              look.expires_at_ms > now_ms() + 60000);
    clock_sleep_ms(200);
    CU_ASSERT(queue_tick(db, &quick, c, &ended, &admitted) == E_OK && ended == 0 && admitted == 0);
    CU_ASSERT_EQUAL(queue_leave(db, board, &second), E_OK);
    CU_ASSERT(queue_tick(db, &quick, c, &ended, &admitted) == E_OK && admitted == 1);
    clock_sleep_ms(200);
    CU_ASSERT(queue_place(db, board, &conf, &third, &look) == E_OK && look.state == PLACE_EXPIRED);
    CU_ASSERT(queue_tick(db, &quick, c, &ended, &admitted) == E_OK && ended == 1 && admitted == 1);
    CU_ASSERT(queue_place(db, board, &conf, &fourth, &look) == E_OK && look.state == PLACE_ACTIVE);
    CU_ASSERT_EQUAL(audit(true), 0);
}

static void holding_is_all_or_none_and_bounded(void) {
    struct concert_id c = concert(10);
    struct performance_id f = performance(c, 10, 1000);
    struct cred a = user("a"), b = user("b");
    struct place pa = join(a, c), pb = join(b, c);
    struct reservation r;
    struct seat_numbers taken, want = SEATS(3, 5);
    CU_ASSERT(hold(token_of(&pa), f, SEATS(4, 5), &r) == E_OK && r.amount_minor == 2000);
    struct token tb = token_of(&pb);
    CU_ASSERT_EQUAL(reservation_hold(db, &conf, &tb, f, &want, NULL, &r, &taken), E_SEAT_TAKEN);
    CU_ASSERT(taken.count == 1 && taken.number[0] == 5);
    CU_ASSERT_EQUAL(hold(tb, f, SEATS(3), &r), E_OK); /* nothing of the refused one was kept */
    CU_ASSERT_EQUAL(hold(token_of(&pa), f, SEATS(1, 2, 6), &r), E_SEAT_LIMIT_EXCEEDED);
    CU_ASSERT_EQUAL(hold(token_of(&pa), f, SEATS(11), &r), E_SEAT_NOT_FOUND);
    CU_ASSERT_EQUAL(hold(token_of(&pa), (struct performance_id){999999}, SEATS(1), &r),
                    E_PERFORMANCE_NOT_FOUND);
    struct concert_id other = concert(1);
    CU_ASSERT_EQUAL(hold(token_of(&pa), performance(other, 1, 1), SEATS(1), &r),
                    E_QUEUE_TOKEN_WRONG_CONCERT);
}

static void a_hold_is_free_the_instant_it_runs_out(void) {
    struct concert_id c = concert(10);
    struct performance_id f = performance(c, 3, 1000);
    struct cred a = user("a"), b = user("b");
    struct place pa = join(a, c), pb = join(b, c);
    struct token ta = token_of(&pa);
    struct reservation r, r2;
    struct seat_numbers taken, one = SEATS(1);
    struct payment pay;
    struct conf quick = conf;
    quick.hold_ttl_ms = 150;
    charge(a, 5000);
    CU_ASSERT_EQUAL(reservation_hold(db, &quick, &ta, f, &one, NULL, &r, &taken), E_OK);
    CU_ASSERT_EQUAL(hold(token_of(&pb), f, SEATS(1), &r2), E_SEAT_TAKEN);
    clock_sleep_ms(170);
    /* No ticker runs here. */
    CU_ASSERT_EQUAL(reservation_pay(db, &a, &ta, r.id, NULL, &pay), E_HOLD_EXPIRED);
    CU_ASSERT_EQUAL(hold(token_of(&pb), f, SEATS(1), &r2), E_OK);
    uint64_t ended = 0;
    CU_ASSERT(holds_expire(db, &conf, &ended) == E_OK && ended == 1);
    CU_ASSERT_EQUAL(hold(token_of(&pa), f, SEATS(1), &r),
                    E_SEAT_TAKEN); /* the tidying left the new hold alone */
    CU_ASSERT_EQUAL(reservation_release(db, &a, r2.id), E_RESERVATION_NOT_FOUND);
    CU_ASSERT_EQUAL(reservation_release(db, &b, r2.id), E_OK);
    CU_ASSERT_EQUAL(reservation_release(db, &b, r2.id), E_RESERVATION_ENDED);
    CU_ASSERT_EQUAL(audit(true), 0);
}

static void paying_ends_the_place_and_cancelling_pays_back_once(void) {
    struct concert_id c = concert(10);
    struct performance_id f = performance(c, 5, 1500);
    struct cred a = user("a");
    struct place p = join(a, c);
    struct token t = token_of(&p);
    struct reservation r;
    struct payment pay;
    uint64_t balance;
    CU_ASSERT_EQUAL_FATAL(hold(t, f, SEATS(1, 2), &r), E_OK);
    CU_ASSERT(reservation_pay(db, &a, &t, r.id, NULL, &pay) == E_INSUFFICIENT_BALANCE &&
              pay.amount_minor == 3000 && pay.balance_minor == 0);
    charge(a, 10000);
    CU_ASSERT(reservation_pay(db, &a, &t, r.id, NULL, &pay) == E_OK && pay.balance_minor == 7000);
    CU_ASSERT_EQUAL(reservation_pay(db, &a, &t, r.id, NULL, &pay), E_QUEUE_TOKEN_EXPIRED);
    CU_ASSERT(queue_place(db, board, &conf, &t, &p) == E_OK && p.state == PLACE_COMPLETED);
    p = join(a, c);
    t = token_of(&p);
    CU_ASSERT_EQUAL(reservation_pay(db, &a, &t, r.id, NULL, &pay), E_ALREADY_PAID);
    CU_ASSERT_EQUAL(reservation_release(db, &a, r.id), E_ALREADY_PAID);
    CU_ASSERT_EQUAL(reservation_cancel(db, &conf, &a, r.id, NULL, &r), E_OK);
    CU_ASSERT(account_balance(db, &a, &balance) == E_OK && balance == 10000);
    CU_ASSERT_EQUAL(reservation_cancel(db, &conf, &a, r.id, NULL, &r), E_RESERVATION_ENDED);
    CU_ASSERT(account_balance(db, &a, &balance) == E_OK && balance == 10000);
    CU_ASSERT_EQUAL(hold(t, f, SEATS(1), &r), E_OK); /* its seats are free again */
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* A charge with a key. */
struct keyed {
    struct cred cred;
    struct idem idem;
    uint64_t amount, id, balance;
};

static enum err keyed_charge(struct keyed *k) {
    return account_charge(db, &k->cred, k->amount, &k->idem, &k->id, &k->balance);
}

static void a_key_has_one_outcome(void) {
    struct keyed k = {.cred = user("k"), .amount = 500};
    uint64_t balance;
    char kept[100];
    CU_ASSERT(idem_key_parse("once", &k.idem));
    idem_hash_request(&k.idem, "POST", "/x", "a", 1);
    CU_ASSERT_EQUAL(keyed_charge(&k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 500 && k.id > 0);
    /* The answer that is kept bears the id that the database gave. */
    snprintf(kept, sizeof kept, "{\"id\":%" PRIu64 ",\"more\":1}", k.id);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(keyed_charge(&k), E_REPLAYED);
        CU_ASSERT(k.idem.status == 201 && strcmp(k.idem.body, kept) == 0);
    }
    idem_hash_request(&k.idem, "POST", "/x", "b", 1);
    CU_ASSERT_EQUAL(keyed_charge(&k), E_IDEMPOTENCY_KEY_REUSED);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 500);
    /* Kept for 24 hours, gone after, a batch at a time. */
    uint64_t purged = 99;
    CU_ASSERT(idem_purge(db, 100, &purged) == E_OK && purged == 0);
    script("UPDATE idempotency_key SET created_at_ms = created_at_ms - 86400000 WHERE idem_key = "
           "'once'");
    CU_ASSERT(idem_purge(db, 0, &purged) == E_OK && purged == 0);
    CU_ASSERT(idem_purge(db, 100, &purged) == E_OK && purged == 1);
    CU_ASSERT_EQUAL(keyed_charge(&k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 1000);
    idem_clear(&k.idem);
}

/* Credentials come before the key: what is refused for them is not kept. */
static void a_claim_that_is_not_kept_can_be_claimed_again(void) {
    struct keyed k = {.cred = user("k"), .amount = 1};
    uint64_t balance;
    CU_ASSERT(idem_key_parse("again", &k.idem));
    k.cred.access_hash[0] ^= 1;
    CU_ASSERT_EQUAL(keyed_charge(&k), E_CREDENTIALS_INVALID);
    k.cred.access_hash[0] ^= 1;
    CU_ASSERT_EQUAL(keyed_charge(&k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 1);
    idem_clear(&k.idem);
}

static void a_lock_not_got_in_time_is_busy(void) {
    struct keyed k = {.cred = user("l"), .amount = 5};
    char sql[200], hex[40], why[200];
    for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", k.cred.user.v[i]);
    struct db *other = db_new(&conf);
    snprintf(sql, sizeof sql,
             "START TRANSACTION; UPDATE user SET name = 'x' WHERE user_id = UNHEX('%s')", hex);
    CU_ASSERT(db_script(other, sql, why, sizeof why));
    uint64_t began = clock_mono_ms(), balance, id;
    CU_ASSERT_EQUAL(account_charge(db, &k.cred, k.amount, NULL, &id, &balance), E_BUSY);
    CU_ASSERT(clock_mono_ms() - began < 7000);
    db_free(other); /* and with it its transaction */
    CU_ASSERT_EQUAL(account_charge(db, &k.cred, k.amount, NULL, &id, &balance), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 5);
}

static void money_stays_in_its_bounds(void) {
    struct cred a = user("m");
    uint64_t id, balance;
    charge(a, BALANCE_MINOR_MAX - 1);
    CU_ASSERT_EQUAL(account_charge(db, &a, 2, NULL, &id, &balance), E_BALANCE_LIMIT_EXCEEDED);
    CU_ASSERT_EQUAL(account_charge(db, &a, 1, NULL, &id, &balance), E_OK);
    CU_ASSERT(account_balance(db, &a, &balance) == E_OK && balance == BALANCE_MINOR_MAX);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* Random operations of two users, held against a model that is a few integers. */
static void money_agrees_with_a_model(void) {
    struct concert_id c = concert(10);
    struct performance_id f = performance(c, 30, 700);
    struct cred u[2] = {user("x"), user("y")};
    uint64_t model[2] = {0}, balance;
    struct {
        struct reservation_id id;
        int owner;
        bool paid, ended;
    } known[200];
    size_t count = 0;
    srand(11);
    for (int step = 0; step < 300; step++) {
        int w = rand() % 2;
        struct place p = join(u[w], c);
        struct token t = token_of(&p);
        struct reservation r;
        struct payment pay;
        uint64_t id, amount = 1 + (uint64_t)rand() % 2000;
        size_t i = count ? (size_t)rand() % count : 0;
        switch (rand() % 5) {
        case 0:
            if (account_charge(db, &u[w], amount, NULL, &id, &balance) == E_OK) model[w] += amount;
            break;
        case 1:
        case 2:
            if (count < 200 && hold(t, f, SEATS(1 + (uint64_t)rand() % 30), &r) == E_OK) {
                known[count].id = r.id;
                known[count].owner = w;
                known[count].paid = known[count].ended = false;
                count++;
            }
            break;
        case 3:
            if (count) {
                enum err e = reservation_pay(db, &u[w], &t, known[i].id, NULL, &pay);
                enum err right = known[i].owner != w ? E_RESERVATION_NOT_FOUND
                                 : known[i].ended    ? E_RESERVATION_ENDED
                                 : known[i].paid     ? E_ALREADY_PAID
                                 : model[w] < 700    ? E_INSUFFICIENT_BALANCE
                                                     : E_OK;
                CU_ASSERT_EQUAL(e, right);
                if (e == E_OK) model[w] -= 700, known[i].paid = true;
            }
            break;
        case 4:
            if (count && rand() % 2) {
                enum err e = reservation_cancel(db, &conf, &u[w], known[i].id, NULL, &r);
                enum err right = known[i].owner != w ? E_RESERVATION_NOT_FOUND
                                 : known[i].ended    ? E_RESERVATION_ENDED
                                                     : E_OK;
                CU_ASSERT_EQUAL(e, right);
                if (e == E_OK) {
                    if (known[i].paid) model[w] += 700;
                    known[i].ended = true;
                }
            }
        }
        for (int k = 0; k < 2; k++)
            CU_ASSERT(account_balance(db, &u[k], &balance) == E_OK && balance == model[k]);
    }
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* Each kind of damage is planted, found, and undone. */
static void the_audit_finds_planted_damage(void) {
    static const struct {
        const char *plant, *undo;
    } damage[] = {
        {"UPDATE user SET balance_minor = balance_minor + 1 ORDER BY user_id LIMIT 1",
         "UPDATE user SET balance_minor = balance_minor - 1 ORDER BY user_id LIMIT 1"},
        {"UPDATE balance_entry SET amount_minor = amount_minor + 1 ORDER BY entry_id LIMIT 1",
         "UPDATE balance_entry SET amount_minor = amount_minor - 1 ORDER BY entry_id LIMIT 1"},
        {"UPDATE seat SET reservation_id = NULL WHERE taken_until_ms = 9223372036854775807 AND (@p "
         ":= performance_id) AND (@s := seat_number) AND (@r := reservation_id) LIMIT 1",
         "UPDATE seat SET reservation_id = @r WHERE performance_id = @p AND seat_number = @s"},
        {"UPDATE seat SET taken_until_ms = 0 WHERE taken_until_ms = 9223372036854775807 AND (@p := "
         "performance_id) AND (@s := seat_number) LIMIT 1",
         "UPDATE seat SET taken_until_ms = 9223372036854775807 WHERE performance_id = @p AND "
         "seat_number = @s"},
        {"UPDATE reservation SET status = 'HELD' WHERE status = 'PAID' AND (@r := reservation_id) "
         "LIMIT 1",
         "UPDATE reservation SET status = 'PAID' WHERE reservation_id = @r"},
        {"UPDATE reservation SET amount_minor = amount_minor + 1 WHERE status = 'PAID' ORDER BY "
         "reservation_id LIMIT 1",
         "UPDATE reservation SET amount_minor = amount_minor - 1 WHERE status = 'PAID' ORDER BY "
         "reservation_id LIMIT 1"},
        {"CREATE TABLE gone AS SELECT * FROM payment ORDER BY payment_id LIMIT 1; DELETE FROM "
         "payment WHERE payment_id = (SELECT payment_id FROM gone)",
         "INSERT INTO payment SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM balance_entry WHERE type = 'REFUND' ORDER BY entry_id "
         "LIMIT 1; DELETE FROM balance_entry WHERE entry_id = (SELECT entry_id FROM gone)",
         "INSERT INTO balance_entry SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM reservation_event ORDER BY reservation_id LIMIT 1; "
         "DELETE e FROM reservation_event e JOIN gone g ON g.reservation_id = e.reservation_id AND "
         "g.kind = e.kind",
         "INSERT INTO reservation_event SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE place SET ended_at_ms = ended_at_ms + 1 WHERE state = 'COMPLETED'",
         "UPDATE place SET ended_at_ms = ended_at_ms - 1 WHERE state = 'COMPLETED'"},
        {"INSERT INTO idempotency_key (user_id, idem_key, request_hash, created_at_ms) SELECT "
         "user_id, 'bad', REPEAT('x', 32), 1 FROM user LIMIT 1",
         "DELETE FROM idempotency_key WHERE idem_key = 'bad'"},
        {"INSERT INTO idempotency_key (user_id, idem_key, request_hash, status, body, "
         "created_at_ms) SELECT user_id, 'bad', REPEAT('x', 32), 0, '', 1 FROM user LIMIT 1",
         "DELETE FROM idempotency_key WHERE idem_key = 'bad'"},
        {"CREATE TABLE gone AS SELECT * FROM seat ORDER BY performance_id, seat_number LIMIT 1; "
         "DELETE s FROM seat s JOIN gone g ON g.performance_id = s.performance_id AND "
         "g.seat_number = s.seat_number",
         "INSERT INTO seat SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE reservation SET seat_numbers = CONCAT(seat_numbers, ',,') WHERE status = 'PAID' "
         "ORDER BY reservation_id LIMIT 1",
         "UPDATE reservation SET seat_numbers = REPLACE(seat_numbers, ',,', '')"},
        {"UPDATE reservation SET place_number = place_number + 100000 ORDER BY reservation_id "
         "LIMIT 1",
         "UPDATE reservation SET place_number = place_number - 100000 ORDER BY reservation_id "
         "LIMIT 1"},
        /* queues */
        {"UPDATE queue SET tail = tail + 1 WHERE tail > 0 ORDER BY concert_id LIMIT 1",
         "UPDATE queue SET tail = tail - 1 WHERE tail > 0 ORDER BY concert_id LIMIT 1"},
        {"UPDATE queue SET active = active + 1 ORDER BY concert_id LIMIT 1",
         "UPDATE queue SET active = active - 1 ORDER BY concert_id LIMIT 1"},
        {"UPDATE place SET state = 'LEFT', live = NULL WHERE state = 'ACTIVE' AND (@c := "
         "concert_id) AND (@n := number) LIMIT 1",
         "UPDATE place SET state = 'ACTIVE', live = 1 WHERE concert_id = @c AND number = @n"},
        {"CREATE TABLE gone AS SELECT * FROM queue_event WHERE kind = 'ADMIT' LIMIT 1; DELETE e "
         "FROM queue_event e JOIN gone g ON g.concert_id = e.concert_id AND g.seq = e.seq",
         "INSERT INTO queue_event SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM place ORDER BY concert_id, number LIMIT 1; DELETE p "
         "FROM place p JOIN gone g ON g.concert_id = p.concert_id AND g.number = p.number",
         "INSERT INTO place SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE queue_event SET value = 0 WHERE kind = 'CAP' AND value = 10",
         "UPDATE queue_event SET value = 10 WHERE kind = 'CAP' AND value = 0"},
        {"UPDATE queue_event SET number = number + 1 WHERE kind = 'ADMIT' ORDER BY concert_id, seq "
         "LIMIT 1",
         "UPDATE queue_event SET number = number - 1 WHERE kind = 'ADMIT' ORDER BY concert_id, seq "
         "LIMIT 1"},
    };
    CU_ASSERT_EQUAL_FATAL(audit(true), 0);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        script(damage[i].plant);
        int found = audit(false);
        if (found != 1) printf("# not found (%d): %s\n", found, damage[i].plant);
        CU_ASSERT_EQUAL(found, 1);
        script(damage[i].undo);
    }
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* A person let in out of turn, as events would have it. */
static void the_audit_finds_one_let_in_out_of_turn(void) {
    struct concert_id c = concert(0);
    char sql[900];
    for (int i = 0; i < 3; i++) (void)join(user("f"), c);
    CU_ASSERT_EQUAL(queue_command(db, c, "CAP", 2), E_OK);
    snprintf(sql, sizeof sql,
             "UPDATE place SET state = 'ACTIVE', admitted_at_ms = 1, expires_at_ms = 9e12 WHERE "
             "concert_id = %" PRIu64 " AND number = 2;"
             "UPDATE queue SET event_seq = event_seq + 1, waiting = waiting - 1, active = active + "
             "1 WHERE concert_id = %" PRIu64 ";"
             "INSERT INTO queue_event SELECT concert_id, event_seq, 'ADMIT', 2, 0, 1 FROM queue "
             "WHERE concert_id = %" PRIu64,
             c.v, c.v, c.v);
    script(sql);
    CU_ASSERT_EQUAL(audit(false), 1);
    snprintf(sql, sizeof sql,
             "UPDATE queue_event SET number = 1 WHERE concert_id = %" PRIu64 " AND kind = 'ADMIT';"
             "UPDATE place SET state = IF(number = 1, 'ACTIVE', 'WAITING'), admitted_at_ms = "
             "IF(number = 1, 1, NULL) WHERE concert_id = %" PRIu64,
             c.v, c.v);
    script(sql);
    CU_ASSERT_EQUAL(audit(true), 0);
}

int main(int argc, char **argv) {
    static const struct tap_test tests[] = {
        {"every statement prepares against the schema", every_statement_prepares},
        {"migrating twice, and on hosts at once, is safe", migrating_twice_and_at_once_is_safe},
        {"joining draws numbers and keeps the cap", joining_draws_numbers_and_keeps_the_cap},
        {"the ticker ends what is overdue and lets in by number",
         the_ticker_ends_and_lets_in_by_number},
        {"holding is all or none, and bounded", holding_is_all_or_none_and_bounded},
        {"a hold is free for others the instant it runs out",
         a_hold_is_free_the_instant_it_runs_out},
        {"paying ends the place; cancelling pays back once",
         paying_ends_the_place_and_cancelling_pays_back_once},
        {"a key has one outcome", a_key_has_one_outcome},
        {"a claim that is not kept can be claimed again",
         a_claim_that_is_not_kept_can_be_claimed_again},
        {"a lock not got in time is BUSY and loses nothing", a_lock_not_got_in_time_is_busy},
        {"money stays in its bounds", money_stays_in_its_bounds},
        {"money agrees with a model over random operations", money_agrees_with_a_model},
        {"every fault at every statement of a write has one outcome", every_fault_has_one_outcome},
        {"every fault at every statement within a write has one outcome",
         every_fault_within_a_write_has_one_outcome},
        {"an error of one's own harms nobody else in the group",
         an_error_of_ones_own_harms_nobody_else},
        {"a lock that is not to be had keeps back whom it must", a_lock_keeps_back_whom_it_must},
        {"a database that stays away is told as such", a_database_that_stays_away_is_told_as_such},
        {"names, keys and bodies stay as they are, byte for byte",
         names_keys_and_bodies_stay_as_they_are},
        {"the audit finds planted damage", the_audit_finds_planted_damage},
        {"the audit finds one let in out of turn", the_audit_finds_one_let_in_out_of_turn},
        AUDIT_TESTS,
    };
    char why[600];
    unsigned applied, version;
    if (!start_database() || !migrate(&conf, &applied, &version, why, sizeof why)) {
        puts("Bail out! no database");
        stop_database();
        return 1;
    }
    log_init("test", LOG_L_ERROR);
    db = db_new(&conf);
    board = board_create(1);
    /* One test alone, by its number: what follows from another is not there then. */
    size_t one = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    int status = one > 0 && one <= sizeof tests / sizeof *tests
                     ? tap_run("db", &tests[one - 1], 1)
                     : tap_run("db", tests, sizeof tests / sizeof *tests);
    db_free(db);
    stop_database();
    return status;
}
