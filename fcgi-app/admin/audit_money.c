/* SPDX-License-Identifier: 0BSD */
/* Balances, entry by entry: each moves its user's balance as the rules say, and says what was left.
 *
 * Users are read a stretch at a time, and for each stretch all entries by id, of which the server
 * sends those of its users: so that entries are read where they lie. A look for the entries of each
 * user would jump to and fro among them, and takes three times as long. */
#include "admin/audit_check.h"

#include "base/money.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STRETCH 524288 /* users read at a time; 32 bytes each */

/* A user, and the balance that the entries up to now come to. */
struct account {
    struct user_id user;
    uint64_t stored_minor, balance_minor;
};

struct money {
    struct check check;
    struct sale sale; /* its one user: whose entry is at hand */
    struct account *accounts;
    size_t count, size;
};

struct stored_entry {
    uint64_t id;
    struct user_id user;
    enum entry_type type;
    bool type_ok;
    int64_t amount_minor;
    uint64_t balance_after_minor, reservation; /* 0: of none */
};

static struct stored_entry read_entry(const struct db_row *row) {
    struct stored_entry e = {
        .id = DB_ROW_U64(row, "entry_id"),
        .amount_minor = DB_ROW_I64(row, "amount_minor"),
        .balance_after_minor = DB_ROW_U64(row, "balance_after_minor"),
        .reservation = DB_ROW_U64(row, "reservation_id"),
    };
    e.type_ok = audit_entry_type(DB_ROW_U64(row, "type_number"), &e.type);
    memcpy(e.user.v, DB_ROW_TEXT(row, "user_id"), sizeof e.user.v);
    return e;
}

static void take_user(void *ctx, const struct db_row *row) {
    struct money *m = ctx;
    if (m->count == m->size) {
        m->size = m->size ? m->size * 2 : 1024;
        m->accounts = realloc(m->accounts, m->size * sizeof *m->accounts);
        if (!m->accounts) abort();
    }
    struct account *a = &m->accounts[m->count++];
    *a = (struct account){.stored_minor = DB_ROW_U64(row, "balance_minor")};
    memcpy(a->user.v, DB_ROW_TEXT(row, "user_id"), sizeof a->user.v);
    m->check.rows++;
}

static int compare_user(const void *key, const void *account) {
    return memcmp(key, ((const struct account *)account)->user.v, sizeof(struct user_id));
}

/* What the entry says is taken on when the rules say otherwise, so that one fault is told once. */
static void replay(struct money *m, struct account *a, const struct stored_entry *e) {
    struct user_row *u = &m->sale.users[0];
    bool sign = e->type == ENTRY_PAYMENT ? e->amount_minor <= 0 : e->amount_minor >= 0;
    if (!e->type_ok || !sign || (e->type == ENTRY_CHARGE) != (e->reservation == 0))
        check_offend(&m->check,
                     "balance entry %" PRIu64 " is a %s of %" PRId64 " for reservation %" PRIu64,
                     e->id, entry_type_name(e->type), e->amount_minor, e->reservation);
    m->sale.entries_count = 0;
    u->id = e->user;
    u->balance_minor = a->balance_minor;
    enum err refused = sale_book(&m->sale, u, e->type, e->amount_minor, 0);
    if (refused || u->balance_minor != e->balance_after_minor)
        check_offend(&m->check,
                     "balance entry %" PRIu64 ": %" PRId64 " on %" PRIu64 " leaves %" PRIu64
                     ", written %" PRIu64 "%s%s",
                     e->id, e->amount_minor, a->balance_minor, u->balance_minor,
                     e->balance_after_minor, refused ? ": " : "", refused ? err_name(refused) : "");
    a->balance_minor =
        e->balance_after_minor <= BALANCE_MINOR_MAX ? e->balance_after_minor : BALANCE_MINOR_MAX;
}

static void take_entry(void *ctx, const struct db_row *row) {
    struct money *m = ctx;
    struct stored_entry e = read_entry(row);
    struct account *a = bsearch(e.user.v, m->accounts, m->count, sizeof *a, compare_user);
    m->check.rows++;
    if (a)
        replay(m, a, &e);
    else
        check_offend(&m->check, "balance entry %" PRIu64 " without its user", e.id);
}

static void compare_balances(struct money *m) {
    char text[UUID_TEXT_SIZE];
    for (size_t i = 0; i < m->count; i++) {
        const struct account *a = &m->accounts[i];
        if (a->balance_minor == a->stored_minor) continue;
        user_id_text(a->user, text);
        check_offend(&m->check, "user %s: balance %" PRIu64 ", sum of entries %" PRIu64, text,
                     a->stored_minor, a->balance_minor);
    }
}

/* Stretches leave nothing out between them: an entry of nobody is in one, too. */
enum err audit_money(struct audit *a) {
    struct money m = {0};
    uint8_t from[16] = {0}, to[16];
    bool first = true, last = false;
    enum err e = E_OK;
    (void)sale_add_user(&m.sale);
    for (; !last && !e; first = false) {
        m.count = 0;
        e = db_run(a->db, STMT_AUDIT_USERS,
                   DB_ARGS(DB_BYTES(from, first ? 0 : sizeof from), DB_U64(STRETCH)), take_user, &m,
                   NULL);
        last = m.count < STRETCH;
        memset(to, 0xff, sizeof to);
        if (!last) memcpy(to, m.accounts[m.count - 1].user.v, sizeof to);
        if (!e)
            e = db_run(a->db, STMT_AUDIT_USERS_ENTRIES,
                       DB_ARGS(DB_BYTES(from, first ? 0 : sizeof from), DB_BYTES(to, sizeof to)),
                       take_entry, &m, NULL);
        compare_balances(&m);
        memcpy(from, to, sizeof from);
    }
    free(m.accounts);
    sale_free(&m.sale);
    if (!e) check_end(&m.check, a, "a balance is the sum of its entries, never below zero");
    return e;
}
