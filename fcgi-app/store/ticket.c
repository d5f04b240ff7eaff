/* SPDX-License-Identifier: 0BSD */
/* Tickets: their codes, and their rows. Drawing is in ticket_svg.c. */
#include "store/ticket.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A row of TICKET_COLUMNS of stmt.def. */
static void take(void *ctx, const struct db_row *row) {
    struct ticket *t = ctx;
    if (DB_ROW_NULL(row, "payment_id")) return;
    *t = (struct ticket){
        .payment = {DB_ROW_U64(row, "payment_id")},
        .reservation = {DB_ROW_U64(row, "reservation_id")},
        .concert = {DB_ROW_U64(row, "concert_id")},
        .performance = {DB_ROW_U64(row, "performance_id")},
        .amount_minor = DB_ROW_U64(row, "amount_minor"),
        .paid_at_ms = DB_ROW_U64(row, "paid_at_ms"),
        .starts_at_ms = DB_ROW_U64(row, "starts_at_ms"),
    };
    seat_numbers_parse(DB_ROW_TEXT(row, "seat_numbers"), &t->seats);
    snprintf(t->status, sizeof t->status, "%s", DB_ROW_TEXT(row, "status"));
    snprintf(t->title, sizeof t->title, "%s", DB_ROW_TEXT(row, "title"));
    snprintf(t->venue, sizeof t->venue, "%s", DB_ROW_TEXT(row, "venue"));
}

struct mine {
    struct ticket *ticket;
    bool user;
};

static void take_mine(void *ctx, const struct db_row *row) {
    struct mine *m = ctx;
    m->user = true;
    take(m->ticket, row);
}

static enum err live(const struct ticket *t) {
    return t->payment.v == 0                ? E_PAYMENT_NOT_FOUND
           : strcmp(t->status, "PAID") != 0 ? E_RESERVATION_ENDED
                                            : E_OK;
}

enum err ticket_get(struct db *db, const struct cred *cred, struct payment_id id,
                    struct ticket *ticket_r) {
    assert(db && cred && ticket_r);
    struct mine m = {.ticket = ticket_r};
    *ticket_r = (struct ticket){0};
    enum err e = db_run(
        db, STMT_TICKET_GET,
        DB_ARGS(DB_U64(id.v), DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES)),
        take_mine, &m, NULL);
    return e ? e : !m.user ? E_CREDENTIALS_INVALID : live(ticket_r);
}

void ticket_code(const struct token_keys *keys, const struct ticket *ticket,
                 char code_r[TOKEN_TEXT_MAX]) {
    assert(keys && code_r && ticket->payment.v && ticket->reservation.v);
    token_sign_pair(keys, (uint64_t[2]){ticket->payment.v, ticket->reservation.v}, code_r);
}

enum err ticket_verify(struct db *db, const struct token_keys *keys, const char *code,
                       struct ticket *ticket_r) {
    assert(db && keys && code && ticket_r);
    uint64_t pair[2];
    *ticket_r = (struct ticket){0};
    if (token_verify_pair(keys, code, pair)) return E_PAYMENT_NOT_FOUND;
    enum err e = db_run(db, STMT_TICKET_SHOW, DB_ARGS(DB_U64(pair[0]), DB_U64(pair[1])), take,
                        ticket_r, NULL);
    return e ? e : live(ticket_r);
}
