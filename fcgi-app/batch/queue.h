/* SPDX-License-Identifier: 0BSD */
/* The waiting queue: looking, showing up, and what operators do to it. The rules that change a
 * queue are in sale/queue.c; joining, leaving and what the ticker does are groups like all writes
 * (batch.h). */
#ifndef BOXOFFICE_QUEUE_H
#define BOXOFFICE_QUEUE_H

#include "base/ids.h"
#include "base/token.h"
#include "batch/idem.h"
#include "board/board.h"
#include "sale/sale.h"
#include "store/db.h"

struct place {
    struct concert_id concert;
    struct user_id user;
    uint64_t number;
    enum place_state state;
    uint64_t ahead;
    uint64_t joined_at_ms;
    uint64_t expires_at_ms; /* 0: none */
    bool eta_known;
    uint64_t eta_s, poll_after_s;
};

/* A place of `concert`, as a rule has left it, with what it is advised; `ahead` is the caller's to
 * have set. */
void queue_joined(const struct board *board, const struct place_row *row, struct place *place_r);
/* The place a token names. While it waits that is answered from the board, without the database; to
 * be looked up when let in counts as showing up. Errors: QUEUE_TOKEN_INVALID. */
enum err queue_place(struct db *db, const struct board *board, const struct conf *conf,
                     const struct token *token, struct place *place_r) MUST_USE;
/* The same from memory only: true when the board knows that it waits. */
bool queue_place_waiting(const struct board *board, const struct token *token,
                         struct place *place_r);
/* The board is at most a tick and this much old: what it says of seats and passes may be answered.
 */
#define BOARD_STALE_MS 100
bool board_is_fresh(const struct board *board, const struct conf *conf);
/* Whether the token's pass is good now, from the board as far as that can tell for sure, else from
 * the database; the first request of one let in claims it. Errors: QUEUE_NOT_ADMITTED,
 * QUEUE_TOKEN_EXPIRED, QUEUE_TOKEN_INVALID. */
enum err queue_pass(struct db *db, const struct board *board, const struct conf *conf,
                    const struct token *token, struct board_pass *pass_r) MUST_USE;
/* A queue as its row says, with the seats left; the rates are not told. Errors: CONCERT_NOT_FOUND.
 */
enum err queue_get(struct db *db, struct concert_id concert, struct board_queue *queue_r) MUST_USE;
/* What the columns state, claimed_at_ms, expires_at_ms, now_ms of a place's row mean for a request
 * that needs an active pass: OK, QUEUE_NOT_ADMITTED or QUEUE_TOKEN_EXPIRED; *claim_r when it is yet
 * to show up. */
enum err queue_pass_check(const struct db_row *row, bool *claim_r) MUST_USE;
/* Shows up. */
enum err queue_claim(struct db *db, const struct conf *conf, const struct token *token) MUST_USE;
/* Fills ahead, eta and poll advice of one who waits, for QUEUE_NOT_ADMITTED. */
enum err queue_ahead(struct db *db, const struct board *board, struct place *place) MUST_USE;

/* One tick of one queue. */
enum err queue_tick(struct db *db, const struct conf *conf, struct concert_id concert,
                    uint64_t *ended_r, uint64_t *admitted_r) MUST_USE;

/* CAP with the cap, PAUSE, RESUME, DRAIN with 1 or 0. Errors: CONCERT_NOT_FOUND. */
enum err queue_command(struct db *db, struct concert_id concert, const char *kind,
                       uint64_t value) MUST_USE;

/* Seconds until one with `ahead` people in front is let in, by the measured rate. */
uint64_t queue_eta_s(uint64_t ahead, uint64_t admitted_per_minute);
/* When to ask again: sooner near the front, jittered, so that a million who wait don't come at
 * once. */
uint64_t queue_poll_after_s(bool eta_known, uint64_t eta_s, uint64_t ahead, uint64_t random);

#endif
