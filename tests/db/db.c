/* Tests of the rules on a private MariaDB, which tests/stack makes and ends. */
#include "../tap.h"
#include "instrument.h"

#include "account.h"
#include "audit.h"
#include "board.h"
#include "clock.h"
#include "concert.h"
#include "log.h"
#include "migrate.h"
#include "queue.h"
#include "reservation.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct conf conf;
static struct db *db;
static struct board *board; /* empty: places are told from the database */
static char dir[64];
static pid_t stack_pid;

/* --- the private database --- */

static void stop_database(void) {
    char command[200];
    kill(stack_pid, SIGTERM);
    waitpid(stack_pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command)) fprintf(stderr, "# %s is left\n", dir);
}

static bool start_database(void) {
    const char *top = getenv("top_srcdir") ? getenv("top_srcdir") : ".";
    char stack[512], path[128], line[256], why[600];
    int out[2];
    snprintf(stack, sizeof stack, "%s/tests/stack", top);
    strcpy(dir, "/tmp/boxoffice-db.XXXXXX");
    if (!mkdtemp(dir) || pipe(out)) return false;
    pid_t parent = getpid();
    if ((stack_pid = fork()) == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(STDOUT_FILENO, STDERR_FILENO);
        setenv("STACK_FAST", "1", 1);
        setenv("BOXOFFICE_LOCK_WAIT_S", "1", 1);
        if (getppid() != parent) _exit(1);
        execl(stack, stack, "database", dir, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    bool ready = false;
    while (!ready && fgets(line, sizeof line, f)) {
        printf("# %s", line);
        ready = strncmp(line, "database ready", 14) == 0;
    }
    snprintf(path, sizeof path, "%s/boxoffice.conf", dir);
    return ready && conf_load(path, &conf, why, sizeof why);
}

/* --- short hands --- */

static struct cred user(const char *name) {
    struct user_id id;
    struct cred cred;
    char key[ACCESS_KEY_SIZE];
    CU_ASSERT_EQUAL_FATAL(account_create(db, name, &id, key), E_OK);
    CU_ASSERT_EQUAL_FATAL(account_key_parse(key, &cred), E_OK);
    return cred;
}

static struct concert_id concert(uint64_t max_active) {
    struct concert_id id = {0};
    CU_ASSERT_EQUAL_FATAL(concert_add(db, "시험 concert", max_active, 0, 0, &id), E_OK);
    return id;
}

static uint64_t now_ms(void) { return clock_wall_ms(); /* the database is on this host */ }

static struct performance_id performance(struct concert_id c, uint64_t seats, uint64_t price) {
    struct performance_id id = {0};
    CU_ASSERT_EQUAL_FATAL(performance_add(db, c, now_ms() + 30 * 86400000ull, "hall", price, seats, 0, 0, &id), E_OK);
    return id;
}

static struct token token_of(const struct place *p) {
    return (struct token){.user = p->user, .concert = p->concert, .number = p->number, .joined_at_ms = p->joined_at_ms, .ahead = p->ahead};
}

static struct place join(struct cred cred, struct concert_id c) {
    struct place p;
    bool already;
    CU_ASSERT_EQUAL_FATAL(queue_join(db, board, &conf, &cred, c, NULL, &p, &already), E_OK);
    return p;
}

static enum err hold(struct token token, struct performance_id f, struct seat_numbers seats, struct reservation *r) {
    struct seat_numbers taken;
    return reservation_hold(db, &conf, &token, f, &seats, NULL, r, &taken);
}

static void charge(struct cred cred, uint64_t amount) {
    uint64_t id, balance;
    CU_ASSERT_EQUAL_FATAL(account_charge(db, &cred, amount, NULL, &id, &balance), E_OK);
}

static void script(const char *sql) {
    char why[400];
    if (!db_script(db, sql, why, sizeof why)) {
        printf("# %s\n", why);
        CU_ASSERT_FATAL(false);
    }
}

static int audit(bool show) {
    struct json_object *checks = json_object_new_array();
    struct db *own = db_new(&conf);
    int status = audit_run(own, true, true, stdout, checks);
    for (size_t i = 0; show && i < json_object_array_length(checks); i++) {
        struct json_object *row = json_object_array_get_idx(checks, i), *ok;
        json_object_object_get_ex(row, "ok", &ok);
        if (!json_object_get_boolean(ok)) printf("# %s\n", json_object_get_string(row));
    }
    json_object_put(checks);
    db_free(own);
    return status;
}

#define SEATS(...) (struct seat_numbers){.count = sizeof((uint64_t[]){__VA_ARGS__}) / 8, .number = {__VA_ARGS__}}

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
    char why[600];
    pid_t pid[3];
    for (int i = 0; i < 3; i++)
        if ((pid[i] = fork()) == 0) _exit(migrate(&other, &applied, &version, why, sizeof why) ? 0 : 1);
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CU_ASSERT(migrate(&other, &applied, &version, why, sizeof why) && applied == 0 && version >= 2);
    /* Died after a migration's statements and before its row: it is run again. */
    script("DELETE FROM boxoffice_twice.schema_migration WHERE version > 0");
    CU_ASSERT(migrate(&other, &applied, &version, why, sizeof why) && applied == version);
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
    CU_ASSERT(queue_join(db, board, &conf, &u[4], c, NULL, &p, &already) == E_OK && already && p.number == 5 && p.ahead == 2);
    /* The fourth leaves: those behind move up, those in front don't. */
    struct token fourth = {.user = u[3].user, .concert = c, .number = 4}, fifth = {.user = u[4].user, .concert = c, .number = 5, .ahead = 99};
    CU_ASSERT_EQUAL(queue_leave(db, board, &fourth), E_OK);
    CU_ASSERT_EQUAL(queue_leave(db, board, &fourth), E_OK);
    CU_ASSERT(queue_place(db, board, &conf, &fifth, &p) == E_OK && p.ahead == 1);
    CU_ASSERT(queue_place(db, board, &conf, &fourth, &p) == E_OK && p.state == PLACE_LEFT);
    fifth.user = u[0].user;
    CU_ASSERT_EQUAL(queue_place(db, board, &conf, &fifth, &p), E_QUEUE_TOKEN_INVALID);
    struct cred stranger = u[0];
    stranger.access_hash[0] ^= 1;
    CU_ASSERT_EQUAL(queue_join(db, board, &conf, &stranger, c, NULL, &p, &already), E_CREDENTIALS_INVALID);
    CU_ASSERT_EQUAL(queue_join(db, board, &conf, &u[0], (struct concert_id){999999}, NULL, &p, &already), E_CONCERT_NOT_FOUND);
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
    CU_ASSERT(queue_place(db, board, &conf, &second, &look) == E_OK && look.state == PLACE_ACTIVE && look.expires_at_ms > now_ms() + 60000);
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
    CU_ASSERT_EQUAL(hold(token_of(&pa), (struct performance_id){999999}, SEATS(1), &r), E_PERFORMANCE_NOT_FOUND);
    struct concert_id other = concert(1);
    CU_ASSERT_EQUAL(hold(token_of(&pa), performance(other, 1, 1), SEATS(1), &r), E_QUEUE_TOKEN_WRONG_CONCERT);
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
    (void)ended;
    CU_ASSERT_EQUAL(db_run(db, STMT_HOLDS_EXPIRE, DB_ARGS(DB_U64(100)), NULL, NULL, NULL), E_OK);
    CU_ASSERT_EQUAL(hold(token_of(&pa), f, SEATS(1), &r), E_SEAT_TAKEN); /* the tidying left the new hold alone */
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
    CU_ASSERT(reservation_pay(db, &a, &t, r.id, NULL, &pay) == E_INSUFFICIENT_BALANCE && pay.amount_minor == 3000 && pay.balance_minor == 0);
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

/* A keyed charge as a worker runs it: the work, then its answer, in one transaction. */
struct keyed {
    struct cred cred;
    struct idem idem;
    uint64_t amount;
    int fail_first; /* lose the connection so many times before the answer is stored */
};

static enum err keyed_charge(void *ctx) {
    struct keyed *k = ctx;
    uint64_t id, balance;
    char body[64];
    enum err e = account_charge(db, &k->cred, k->amount, &k->idem, &id, &balance);
    if (e) return e;
    if (k->fail_first-- > 0) {
        char why[200], kill_self[64];
        CU_ASSERT(db_script_value(db, "SELECT CONNECTION_ID()", kill_self, sizeof kill_self, why, sizeof why));
        struct db *other = db_new(&conf);
        char sql[100];
        snprintf(sql, sizeof sql, "KILL %s", kill_self);
        CU_ASSERT(db_script(other, sql, why, sizeof why));
        db_free(other);
    }
    snprintf(body, sizeof body, "{\"balance\":%" PRIu64 "}", balance);
    return idem_store(db, k->cred.user, &k->idem, 201, body, strlen(body));
}

static void a_key_has_one_outcome(void) {
    struct keyed k = {.cred = user("k"), .amount = 500};
    uint64_t balance;
    CU_ASSERT(idem_key_parse("once", &k.idem));
    idem_hash_request(&k.idem, "POST", "/x", "a", 1);
    k.fail_first = 2;
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 500);
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_REPLAYED);
    CU_ASSERT(k.idem.status == 201 && strcmp(k.idem.body, "{\"balance\":500}") == 0);
    CU_ASSERT_EQUAL(idem_store(db, k.cred.user, &k.idem, 200, "{}", 2), E_INTERNAL); /* a stored answer stays */
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_REPLAYED);
    CU_ASSERT(k.idem.status == 201 && strcmp(k.idem.body, "{\"balance\":500}") == 0);
    idem_hash_request(&k.idem, "POST", "/x", "b", 1);
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_IDEMPOTENCY_KEY_REUSED);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 500);
    /* Kept for 24 hours, gone after, a batch at a time. */
    uint64_t purged = 99;
    CU_ASSERT(idem_purge(db, 100, &purged) == E_OK && purged == 0);
    script("UPDATE idempotency_key SET created_at_ms = created_at_ms - 86400000 WHERE idem_key = 'once'");
    CU_ASSERT(idem_purge(db, 0, &purged) == E_OK && purged == 0);
    CU_ASSERT(idem_purge(db, 100, &purged) == E_OK && purged == 1);
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 1000);
    idem_clear(&k.idem);
}

static void a_claim_that_is_rolled_back_can_be_claimed_again(void) {
    struct keyed k = {.cred = user("k"), .amount = 1};
    uint64_t id, balance;
    CU_ASSERT(idem_key_parse("again", &k.idem));
    CU_ASSERT_EQUAL(account_charge(db, &k.cred, 1, &k.idem, &id, &balance), E_OK);
    db_rollback(db);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 0);
    CU_ASSERT_EQUAL(db_transaction(db, true, keyed_charge, &k), E_OK);
    CU_ASSERT(account_balance(db, &k.cred, &balance) == E_OK && balance == 1);
    idem_clear(&k.idem);
}

static enum err plain_charge(void *ctx) {
    struct keyed *k = ctx;
    uint64_t id, balance;
    return account_charge(db, &k->cred, k->amount, NULL, &id, &balance);
}

static void a_lock_not_got_in_time_is_busy(void) {
    struct keyed k = {.cred = user("l"), .amount = 5};
    char sql[200], hex[40], why[200];
    for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", k.cred.user.v[i]);
    struct db *other = db_new(&conf);
    snprintf(sql, sizeof sql, "START TRANSACTION; UPDATE user SET name = 'x' WHERE user_id = UNHEX('%s')", hex);
    CU_ASSERT(db_script(other, sql, why, sizeof why));
    uint64_t began = clock_mono_ms(), balance;
    CU_ASSERT_EQUAL(db_transaction(db, false, plain_charge, &k), E_BUSY);
    CU_ASSERT(clock_mono_ms() - began < 7000);
    db_free(other); /* and with it its transaction */
    CU_ASSERT_EQUAL(db_transaction(db, false, plain_charge, &k), E_OK);
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
                enum err right = known[i].owner != w ? E_RESERVATION_NOT_FOUND : known[i].ended ? E_RESERVATION_ENDED : known[i].paid ? E_ALREADY_PAID : model[w] < 700 ? E_INSUFFICIENT_BALANCE : E_OK;
                CU_ASSERT_EQUAL(e, right);
                if (e == E_OK) model[w] -= 700, known[i].paid = true;
            }
            break;
        case 4:
            if (count && rand() % 2) {
                enum err e = reservation_cancel(db, &conf, &u[w], known[i].id, NULL, &r);
                enum err right = known[i].owner != w ? E_RESERVATION_NOT_FOUND : known[i].ended ? E_RESERVATION_ENDED : E_OK;
                CU_ASSERT_EQUAL(e, right);
                if (e == E_OK) {
                    if (known[i].paid) model[w] += 700;
                    known[i].ended = true;
                }
            }
        }
        for (int k = 0; k < 2; k++) CU_ASSERT(account_balance(db, &u[k], &balance) == E_OK && balance == model[k]);
    }
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* Each kind of damage is planted, found, and undone. */
static void the_audit_finds_planted_damage(void) {
    static const struct {
        const char *plant, *undo;
    } damage[] = {
        {"UPDATE user SET balance_minor = balance_minor + 1 ORDER BY user_id LIMIT 1", "UPDATE user SET balance_minor = balance_minor - 1 ORDER BY user_id LIMIT 1"},
        {"UPDATE balance_entry SET amount_minor = amount_minor + 1 ORDER BY entry_id LIMIT 1", "UPDATE balance_entry SET amount_minor = amount_minor - 1 ORDER BY entry_id LIMIT 1"},
        {"UPDATE seat SET reservation_id = NULL WHERE taken_until_ms = 9223372036854775807 AND (@p := performance_id) AND (@s := seat_number) AND (@r := reservation_id) LIMIT 1",
         "UPDATE seat SET reservation_id = @r WHERE performance_id = @p AND seat_number = @s"},
        {"UPDATE seat SET taken_until_ms = 0 WHERE taken_until_ms = 9223372036854775807 AND (@p := performance_id) AND (@s := seat_number) LIMIT 1",
         "UPDATE seat SET taken_until_ms = 9223372036854775807 WHERE performance_id = @p AND seat_number = @s"},
        {"UPDATE reservation SET status = 'HELD' WHERE status = 'PAID' AND (@r := reservation_id) LIMIT 1", "UPDATE reservation SET status = 'PAID' WHERE reservation_id = @r"},
        {"UPDATE reservation SET amount_minor = amount_minor + 1 WHERE status = 'PAID' ORDER BY reservation_id LIMIT 1",
         "UPDATE reservation SET amount_minor = amount_minor - 1 WHERE status = 'PAID' ORDER BY reservation_id LIMIT 1"},
        {"CREATE TABLE gone AS SELECT * FROM payment ORDER BY payment_id LIMIT 1; DELETE FROM payment WHERE payment_id = (SELECT payment_id FROM gone)",
         "INSERT INTO payment SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM balance_entry WHERE type = 'REFUND' ORDER BY entry_id LIMIT 1; DELETE FROM balance_entry WHERE entry_id = (SELECT entry_id FROM gone)",
         "INSERT INTO balance_entry SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM reservation_event ORDER BY reservation_id LIMIT 1; DELETE e FROM reservation_event e JOIN gone g ON g.reservation_id = e.reservation_id AND g.kind = e.kind",
         "INSERT INTO reservation_event SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE place SET ended_at_ms = ended_at_ms + 1 WHERE state = 'COMPLETED'", "UPDATE place SET ended_at_ms = ended_at_ms - 1 WHERE state = 'COMPLETED'"},
        {"INSERT INTO idempotency_key (user_id, idem_key, request_hash, created_at_ms) SELECT user_id, 'bad', REPEAT('x', 32), 1 FROM user LIMIT 1", "DELETE FROM idempotency_key WHERE idem_key = 'bad'"},
        {"INSERT INTO idempotency_key (user_id, idem_key, request_hash, status, body, created_at_ms) SELECT user_id, 'bad', REPEAT('x', 32), 0, '', 1 FROM user LIMIT 1", "DELETE FROM idempotency_key WHERE idem_key = 'bad'"},
        {"CREATE TABLE gone AS SELECT * FROM seat ORDER BY performance_id, seat_number LIMIT 1; DELETE s FROM seat s JOIN gone g ON g.performance_id = s.performance_id AND g.seat_number = s.seat_number",
         "INSERT INTO seat SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE reservation SET seat_numbers = CONCAT(seat_numbers, ',,') WHERE status = 'PAID' ORDER BY reservation_id LIMIT 1",
         "UPDATE reservation SET seat_numbers = REPLACE(seat_numbers, ',,', '')"},
        {"UPDATE reservation SET place_number = place_number + 100000 ORDER BY reservation_id LIMIT 1", "UPDATE reservation SET place_number = place_number - 100000 ORDER BY reservation_id LIMIT 1"},
        /* queues */
        {"UPDATE queue SET tail = tail + 1 WHERE tail > 0 ORDER BY concert_id LIMIT 1", "UPDATE queue SET tail = tail - 1 WHERE tail > 0 ORDER BY concert_id LIMIT 1"},
        {"UPDATE queue SET active = active + 1 ORDER BY concert_id LIMIT 1", "UPDATE queue SET active = active - 1 ORDER BY concert_id LIMIT 1"},
        {"UPDATE place SET state = 'LEFT', live = NULL WHERE state = 'ACTIVE' AND (@c := concert_id) AND (@n := number) LIMIT 1", "UPDATE place SET state = 'ACTIVE', live = 1 WHERE concert_id = @c AND number = @n"},
        {"CREATE TABLE gone AS SELECT * FROM queue_event WHERE kind = 'ADMIT' LIMIT 1; DELETE e FROM queue_event e JOIN gone g ON g.concert_id = e.concert_id AND g.seq = e.seq",
         "INSERT INTO queue_event SELECT * FROM gone; DROP TABLE gone"},
        {"CREATE TABLE gone AS SELECT * FROM place ORDER BY concert_id, number LIMIT 1; DELETE p FROM place p JOIN gone g ON g.concert_id = p.concert_id AND g.number = p.number",
         "INSERT INTO place SELECT * FROM gone; DROP TABLE gone"},
        {"UPDATE queue_event SET value = 0 WHERE kind = 'CAP' AND value = 10", "UPDATE queue_event SET value = 10 WHERE kind = 'CAP' AND value = 0"},
        {"UPDATE queue_event SET number = number + 1 WHERE kind = 'ADMIT' ORDER BY concert_id, seq LIMIT 1", "UPDATE queue_event SET number = number - 1 WHERE kind = 'ADMIT' ORDER BY concert_id, seq LIMIT 1"},
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
             "UPDATE place SET state = 'ACTIVE', admitted_at_ms = 1, expires_at_ms = 9e12 WHERE concert_id = %" PRIu64 " AND number = 2;"
             "UPDATE queue SET event_seq = event_seq + 1, waiting = waiting - 1, active = active + 1 WHERE concert_id = %" PRIu64 ";"
             "INSERT INTO queue_event SELECT concert_id, event_seq, 'ADMIT', 2, 0, 1 FROM queue WHERE concert_id = %" PRIu64,
             c.v, c.v, c.v);
    script(sql);
    CU_ASSERT_EQUAL(audit(false), 1);
    snprintf(sql, sizeof sql, "UPDATE queue_event SET number = 1 WHERE concert_id = %" PRIu64 " AND kind = 'ADMIT';"
             "UPDATE place SET state = IF(number = 1, 'ACTIVE', 'WAITING'), admitted_at_ms = IF(number = 1, 1, NULL) WHERE concert_id = %" PRIu64, c.v, c.v);
    script(sql);
    CU_ASSERT_EQUAL(audit(true), 0);
}

/* --- faults: every statement of every write, cut off before and after, deadlocked, kept waiting for a lock --- */

enum op { JOIN, HOLD, PAY, CHARGE, CANCEL, RELEASE, LEAVE, OPS };
static const struct {
    const char *name;
    enum stmt at;
    bool keyed;    /* takes a key */
    bool repeated; /* does no harm when run again without one */
} ops[OPS] = {
    {"join", STMT_QUEUE_JOIN, true, true},
    {"hold", STMT_RESERVATION_HOLD, true, false},
    {"pay", STMT_RESERVATION_PAY, true, false},
    {"charge", STMT_ACCOUNT_CHARGE, true, false},
    {"cancel", STMT_RESERVATION_CANCEL, true, false},
    {"release", STMT_RESERVATION_RELEASE, false, false},
    {"leave", STMT_QUEUE_LEAVE, false, true},
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
    return e || !idem ? e : idem_store(db, b->cred.user, idem, 201, "{}", 2);
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

static void every_fault_has_one_outcome(void) {
    struct concert_id c = concert(100000);
    struct performance_id f = performance(c, 200, 1000);
    static struct db_stats stats;
    unsigned cases = 0;
    db_count_in(db, &stats);
    for (enum op op = 0; op < OPS; op++)
        for (int keyed = 0; keyed <= ops[op].keyed; keyed++)
            for (int store = 0; store <= keyed; store++)
                for (enum db_fault_kind kind = DB_FAULT_CUT_BEFORE; kind < DB_FAULT_KINDS; kind++)
                    one_fault(op, keyed, store ? STMT_IDEM_STORE : ops[op].at, kind, c, f, ++cases);
    printf("# %u fault cases\n", cases);
    /* Each has been counted for what it was: half of the cases cut the connection. */
    CU_ASSERT(unknowns > 0 && stats.trouble[DB_OUTCOME_UNKNOWN] == unknowns);
    CU_ASSERT(stats.trouble[DB_RUN_AGAIN] >= cases / 2 && stats.trouble[DB_LOST] + unknowns >= cases / 2);
    CU_ASSERT(stats.retries > 0 && stats.connections > 0 && stats.trouble[DB_FAILED] == 0 && stats.trouble[DB_UNREACHABLE] == 0);
    CU_ASSERT(stats.runs[STMT_QUEUE_JOIN] > 0 && stats.time_us[STMT_QUEUE_JOIN] > 0);
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

static void every_fault_within_a_write_has_one_outcome(void) {
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

int main(void) {
    static const struct tap_test tests[] = {
        {"every statement prepares against the schema", every_statement_prepares},
        {"migrating twice, and on hosts at once, is safe", migrating_twice_and_at_once_is_safe},
        {"joining draws numbers and keeps the cap", joining_draws_numbers_and_keeps_the_cap},
        {"the ticker ends what is overdue and lets in by number", the_ticker_ends_and_lets_in_by_number},
        {"holding is all or none, and bounded", holding_is_all_or_none_and_bounded},
        {"a hold is free for others the instant it runs out", a_hold_is_free_the_instant_it_runs_out},
        {"paying ends the place; cancelling pays back once", paying_ends_the_place_and_cancelling_pays_back_once},
        {"a key has one outcome, with the connection lost in between", a_key_has_one_outcome},
        {"a claim that was rolled back can be claimed again", a_claim_that_is_rolled_back_can_be_claimed_again},
        {"a lock not got in time is BUSY and loses nothing", a_lock_not_got_in_time_is_busy},
        {"money stays in its bounds", money_stays_in_its_bounds},
        {"money agrees with a model over random operations", money_agrees_with_a_model},
        {"every fault at every statement of a write has one outcome", every_fault_has_one_outcome},
        {"every fault at every statement within a write has one outcome", every_fault_within_a_write_has_one_outcome},
        {"the audit finds planted damage", the_audit_finds_planted_damage},
        {"the audit finds one let in out of turn", the_audit_finds_one_let_in_out_of_turn},
    };
    char why[600];
    unsigned applied, version;
    if (!start_database() || !migrate(&conf, &applied, &version, why, sizeof why)) {
        puts("Bail out! no database");
        if (stack_pid) stop_database();
        return 1;
    }
    log_init("test", LOG_L_ERROR);
    db = db_new(&conf);
    board = board_create(1);
    int status = tap_run("db", tests, sizeof tests / sizeof *tests);
    db_free(db);
    stop_database();
    return status;
}
