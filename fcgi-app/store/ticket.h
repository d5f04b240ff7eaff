/* SPDX-License-Identifier: 0BSD */
/* Tickets: what a paid reservation is shown as at the door. A ticket's code is signed like a queue
 * token (token.h), so one that nobody sold is known without the database; whether it was cancelled,
 * only the rows know.
 *
 * Fetching a ticket signs it with the first key of today; a code verifies as long as its key is in
 * the file. */
#ifndef BOXOFFICE_TICKET_H
#define BOXOFFICE_TICKET_H

#include "base/token.h"
#include "batch/reservation.h"
#include "store/db.h"

#define TICKET_TEXT_SIZE 601 /* UTF-8 of a title or venue */

struct ticket {
    struct payment_id payment;
    struct reservation_id reservation;
    struct concert_id concert;
    struct performance_id performance;
    struct seat_numbers seats;
    uint64_t amount_minor, starts_at_ms, paid_at_ms;
    char status[12]; /* of the reservation: PAID, or CANCELLED */
    char title[TICKET_TEXT_SIZE], venue[TICKET_TEXT_SIZE];
};

/* The caller's ticket. Errors: CREDENTIALS_INVALID, PAYMENT_NOT_FOUND, RESERVATION_ENDED
 * (cancelled). */
enum err ticket_get(struct db *db, const struct cred *cred, struct payment_id id,
                    struct ticket *ticket_r) MUST_USE;

/* The code to show. */
void ticket_code(const struct token_keys *keys, const struct ticket *ticket,
                 char code_r[TOKEN_TEXT_MAX]);
/* What a code stands for, with the rows of today. Errors: PAYMENT_NOT_FOUND when it is forged or
 * nothing is stored for it; RESERVATION_ENDED when it was cancelled, with ticket_r filled in. */
enum err ticket_verify(struct db *db, const struct token_keys *keys, const char *code,
                       struct ticket *ticket_r) MUST_USE;

/* The ticket as an SVG document: the code as a QR code (ISO/IEC 18004, by libqrencode), and what
 * people read. Times are in the machine's time zone. NULL when there is no memory; else to be
 * freed. */
char *ticket_svg(const struct ticket *ticket, const char *code, const char *currency,
                 size_t *len_r) MUST_USE;

#endif
