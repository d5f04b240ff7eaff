/* SPDX-License-Identifier: 0BSD */
/* A private database, and short hands. */
#include "world.h"

#include "../tap.h"
#include "admin/audit.h"
#include "base/clock.h"

#include <assert.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct conf conf;
struct db *db;
struct board *board;
static char dir[64];
static pid_t stack_pid;

/* --- the private database --- */

void stop_database(void) {
    char command[200];
    if (stack_pid <= 0) return;
    kill(stack_pid, SIGTERM);
    waitpid(stack_pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command)) fprintf(stderr, "# %s is left\n", dir);
}

bool start_database(void) {
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

/* --- requests --- */

const char *kept_answer = "{\"id\":0,\"more\":1}";

static void keep(struct batch_request *r, int *status_r, const char **body_r, size_t *len_r) {
    *status_r = r->outcome ? err_status(r->outcome) : 201;
    *body_r = r->outcome ? "{}" : kept_answer;
    *len_r = strlen(*body_r);
}

struct batch_request request_of(enum batch_kind kind, const struct cred *cred,
                                const struct token *token, struct idem *idem) {
    struct batch_request r = {.kind = kind, .idem = idem, .answer = keep, .by_key = cred != NULL};
    if (cred) r.cred = *cred;
    assert(cred || token);
    r.user = cred ? cred->user : token->user;
    if (token) r.concert = token->concert;
    if (token) r.number = token->number;
    return r;
}

enum err queue_join(struct db *at, const struct board *b, const struct conf *with,
                    const struct cred *cred, struct concert_id c, struct idem *idem,
                    struct place *place_r, bool *already_r) {
    struct batch_request r = request_of(BATCH_JOIN, cred, NULL, idem);
    r.concert = c;
    enum err e = batch_run_one(at, with, &r);
    *place_r =
        (struct place){.concert = c, .user = cred->user, .ahead = r.already ? UINT64_MAX : r.ahead};
    *already_r = r.already;
    if (e) return e;
    queue_joined(b, &r.place, place_r);
    return r.already && place_r->state == PLACE_WAITING ? queue_ahead(at, b, place_r) : E_OK;
}

enum err queue_leave(struct db *at, const struct board *b, const struct token *token) {
    struct batch_request r = request_of(BATCH_LEAVE, NULL, token, NULL);
    (void)b;
    return batch_run_one(at, &conf, &r);
}

enum err reservation_hold(struct db *at, const struct conf *with, const struct token *token,
                          struct performance_id f, const struct seat_numbers *seats,
                          struct idem *idem, struct reservation *reservation_r,
                          struct seat_numbers *taken_r) {
    struct batch_request r = request_of(BATCH_HOLD, NULL, token, idem);
    r.performance = f;
    r.seats = *seats;
    enum err e = batch_run_one(at, with, &r);
    reservation_of(&r.held, reservation_r);
    *taken_r = r.taken;
    return e;
}

enum err reservation_pay(struct db *at, const struct cred *cred, const struct token *token,
                         struct reservation_id id, struct idem *idem, struct payment *payment_r) {
    struct batch_request r = request_of(BATCH_PAY, cred, token, idem);
    r.reservation = id;
    enum err e = batch_run_one(at, &conf, &r);
    *payment_r = (struct payment){.id = r.payment,
                                  .reservation = id,
                                  .amount_minor = r.held.amount_minor,
                                  .balance_minor = r.balance_minor};
    return e;
}

enum err reservation_release(struct db *at, const struct cred *cred, struct reservation_id id) {
    struct batch_request r = request_of(BATCH_RELEASE, cred, NULL, NULL);
    r.reservation = id;
    return batch_run_one(at, &conf, &r);
}

enum err reservation_cancel(struct db *at, const struct conf *with, const struct cred *cred,
                            struct reservation_id id, struct idem *idem,
                            struct reservation *reservation_r) {
    struct batch_request r = request_of(BATCH_CANCEL, cred, NULL, idem);
    r.reservation = id;
    enum err e = batch_run_one(at, with, &r);
    if (!e) reservation_of(&r.held, reservation_r);
    return e;
}

enum err account_charge(struct db *at, const struct cred *cred, uint64_t amount_minor,
                        struct idem *idem, uint64_t *charge_r, uint64_t *balance_minor_r) {
    struct batch_request r = request_of(BATCH_CHARGE, cred, NULL, idem);
    r.amount_minor = amount_minor;
    enum err e = batch_run_one(at, &conf, &r);
    *charge_r = r.charged_id;
    *balance_minor_r = r.balance_minor;
    return e;
}

enum err account_create(struct db *at, const char *name, struct user_id *id_r,
                        char access_key_r[ACCESS_KEY_SIZE]) {
    struct cred cred;
    account_new(&cred, access_key_r);
    *id_r = cred.user;
    struct batch_request r = request_of(BATCH_SIGN_UP, &cred, NULL, NULL);
    r.name = name;
    return batch_run_one(at, &conf, &r);
}

/* --- short hands --- */

struct cred user(const char *name) {
    struct user_id id;
    struct cred cred;
    char key[ACCESS_KEY_SIZE];
    CU_ASSERT_EQUAL_FATAL(account_create(db, name, &id, key), E_OK);
    CU_ASSERT_EQUAL_FATAL(account_key_parse(key, &cred), E_OK);
    return cred;
}

struct concert_id concert(uint64_t max_active) {
    struct concert_id id = {0};
    CU_ASSERT_EQUAL_FATAL(concert_add(db, "시험 concert", max_active, 0, 0, &id), E_OK);
    return id;
}

uint64_t now_ms(void) { return clock_wall_ms(); /* the database is on this host */ }

struct performance_id performance(struct concert_id c, uint64_t seats, uint64_t price) {
    struct performance_id id = {0};
    CU_ASSERT_EQUAL_FATAL(
        performance_add(db, c, now_ms() + 30 * 86400000ull, "hall", price, seats, 0, 0, &id), E_OK);
    return id;
}

struct token token_of(const struct place *p) {
    return (struct token){.user = p->user,
                          .concert = p->concert,
                          .number = p->number,
                          .joined_at_ms = p->joined_at_ms,
                          .ahead = p->ahead};
}

struct place join(struct cred cred, struct concert_id c) {
    struct place p;
    bool already;
    CU_ASSERT_EQUAL_FATAL(queue_join(db, board, &conf, &cred, c, NULL, &p, &already), E_OK);
    return p;
}

enum err hold(struct token token, struct performance_id f, struct seat_numbers seats,
              struct reservation *r) {
    struct seat_numbers taken;
    return reservation_hold(db, &conf, &token, f, &seats, NULL, r, &taken);
}

void charge(struct cred cred, uint64_t amount) {
    uint64_t id, balance;
    CU_ASSERT_EQUAL_FATAL(account_charge(db, &cred, amount, NULL, &id, &balance), E_OK);
}

void script(const char *sql) {
    char why[400];
    if (!db_script(db, sql, why, sizeof why)) {
        printf("# %s\n", why);
        CU_ASSERT_FATAL(false);
    }
}

int audit(bool show) {
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
