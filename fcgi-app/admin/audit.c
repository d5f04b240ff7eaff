/* SPDX-License-Identifier: 0BSD */
/* The audit: what is stored is replayed through the rules in sale/, which say what each thing that
 * happened had to do; and what they say is held against the rows.
 *
 * It judges by order, never by what a clock said: order is that of events, given under the lock of
 * the row they belong to, and of the ids of what one user did, whose own row is locked then. Two
 * times are compared only where one transaction read the clock once (they are equal), or where a
 * rule compared them when it ran (a hold's end with the moment of paying): both as they were read
 * then. So a clock that stepped breaks nothing.
 *
 * All of it streams. Memory is half a byte for each place of a queue, 16 bytes for each seat of a
 * performance, and about a hundred for each performance. */
#include "admin/audit.h"

#include "admin/audit_check.h"

#include <stdlib.h>

static enum err audit_sale(struct audit *a) {
    struct halls halls = {0};
    enum err e = audit_reservations(a, &halls);
    if (!e) e = audit_seats(a, &halls);
    free(halls.list);
    if (!e)
        e = check_statement(a, "an idempotency key has its one answer", STMT_AUDIT_KEYS_COUNT,
                            STMT_AUDIT_KEYS);
    if (!e)
        e = check_statement(a, "no date without its concert, no concert without its queue",
                            STMT_AUDIT_ORPHANS_COUNT, STMT_AUDIT_ORPHANS);
    return e ? e : audit_money(a);
}

int audit_run(struct db *db, bool sale, bool fifo, FILE *out, struct json_object *json) {
    struct audit a = {.db = db, .out = out, .json = json};
    char why[400];
    if (!db_script(db,
                   "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
                   "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                   why, sizeof why)) {
        fprintf(stderr, "boxofficectl: %s\n", why);
        return 2;
    }
    enum err e = sale ? audit_sale(&a) : E_OK;
    if (!e && fifo) e = audit_queues(&a);
    if (e) {
        fprintf(stderr, "boxofficectl: the audit could not run: %s\n", err_text(e));
        return 2;
    }
    return a.failed ? 1 : 0;
}
