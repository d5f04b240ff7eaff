/* SPDX-License-Identifier: 0BSD */
/* Tickets: their codes, and their rows. Drawing is in ticket_svg.c. */
#include "store/ticket.h"

#include <stdio.h>
#include <string.h>

/* A row that begins with TICKET_COLUMNS of stmt.def. */
static void take(void *ctx, const struct db_row *row) {
    struct ticket *t = ctx;
    if (db_row_null(row, 0)) return;
    *t = (struct ticket){
        .payment = {db_row_u64(row, 0)},
        .reservation = {db_row_u64(row, 1)},
        .concert = {db_row_u64(row, 2)},
        .performance = {db_row_u64(row, 3)},
        .amount_minor = db_row_u64(row, 5),
        .paid_at_ms = db_row_u64(row, 6),
        .starts_at_ms = db_row_u64(row, 8),
    };
    seat_numbers_parse(db_row_text(row, 4, NULL), &t->seats);
    snprintf(t->status, sizeof t->status, "%s", db_row_text(row, 7, NULL));
    snprintf(t->title, sizeof t->title, "%s", db_row_text(row, 9, NULL));
    snprintf(t->venue, sizeof t->venue, "%s", db_row_text(row, 10, NULL));
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
    token_sign_pair(keys, (uint64_t[2]){ticket->payment.v, ticket->reservation.v}, code_r);
}

enum err ticket_verify(struct db *db, const struct token_keys *keys, const char *code,
                       struct ticket *ticket_r) {
    uint64_t pair[2];
    *ticket_r = (struct ticket){0};
    if (token_verify_pair(keys, code, pair)) return E_PAYMENT_NOT_FOUND;
    enum err e = db_run(db, STMT_TICKET_SHOW, DB_ARGS(DB_U64(pair[0]), DB_U64(pair[1])), take,
                        ticket_r, NULL);
    return e ? e : live(ticket_r);
}
