/* SPDX-License-Identifier: 0BSD */
/* The waiting queue as it is looked at: how a place and a pass are told from memory, and when the
 * database is asked. */
#include "batch/queue.h"

#include "base/clock.h"
#include "batch/batch.h"

#include <assert.h>
#include <string.h>

uint64_t queue_eta_s(uint64_t ahead, uint64_t admitted_per_minute) {
    return admitted_per_minute ? ((ahead + 1) * 60 + admitted_per_minute - 1) / admitted_per_minute
                               : 0;
}

uint64_t queue_poll_after_s(bool eta_known, uint64_t eta_s, uint64_t ahead, uint64_t random) {
    /* A tenth of the wait: the place is told ten times on the way, whatever its length. */
    uint64_t s = eta_known ? eta_s / 10 : ahead / 100;
    if (s < 2) s = 2;
    if (s > 60) s = 60;
    /* up to a half more; at the very front everybody may look each second or two */
    uint64_t jitter = s / 2 + 1;
    return ahead == 0 ? 1 : s + random % (jitter + 1);
}

static void advise(struct place *place, const struct board_queue *queue) {
    place->eta_known = queue && queue->rate_known && queue->admitted_per_minute > 0;
    place->eta_s = place->eta_known ? queue_eta_s(place->ahead, queue->admitted_per_minute) : 0;
    place->poll_after_s =
        queue_poll_after_s(place->eta_known, place->eta_s, place->ahead,
                           (clock_mono_ns() >> 6) ^ place->number * 0x9e3779b97f4a7c15u);
}

static void from_token(struct place *place_r, const struct token *token) {
    *place_r = (struct place){.concert = token->concert,
                              .user = token->user,
                              .number = token->number,
                              .joined_at_ms = token->joined_at_ms};
}

/* Fills in a place that the board knows to wait. */
static enum board_says from_board(const struct board *board, const struct token *token,
                                  struct place *place_r) {
    struct board_queue queue;
    uint64_t ahead;
    enum board_says says = board_place(board, token->concert, token->number, &ahead, &queue);
    if (says != BOARD_WAITING) return says;
    from_token(place_r, token);
    place_r->state = PLACE_WAITING;
    /* The board may be a little older than the token; what was said at joining is never taken back.
     */
    place_r->ahead = ahead < token->ahead ? ahead : token->ahead;
    advise(place_r, &queue);
    return says;
}

bool queue_place_waiting(const struct board *board, const struct token *token,
                         struct place *place_r) {
    assert(board && token && place_r);
    return from_board(board, token, place_r) == BOARD_WAITING;
}

struct count {
    uint64_t ahead, event_seq;
};

static void take_count(void *ctx, const struct db_row *row) {
    *(struct count *)ctx = (struct count){DB_ROW_U64(row, "ahead"), DB_ROW_U64(row, "event_seq")};
}

enum err queue_ahead(struct db *db, const struct board *board, struct place *place) {
    assert(db && board && place);
    struct board_queue queue;
    bool known = board_queue(board, place->concert, &queue);
    uint64_t ahead = 0;
    if (place->state == PLACE_WAITING) {
        enum board_says says = board_place(board, place->concert, place->number, &ahead, NULL);
        if (says != BOARD_WAITING && says != BOARD_NEWER) {
            struct count count = {0};
            enum err e = db_run(db, STMT_PLACE_AHEAD,
                                DB_ARGS(DB_U64(place->number), DB_U64(place->concert.v)),
                                take_count, &count, NULL);
            if (e) return e;
            board_told(board, place->concert, place->number, count.event_seq);
            ahead = count.ahead;
        }
        if (ahead < place->ahead) place->ahead = ahead;
    }
    advise(place, known ? &queue : NULL);
    return E_OK;
}

void queue_joined(const struct board *board, const struct place_row *row, struct place *place_r) {
    assert(board && row && place_r);
    struct board_queue queue;
    place_r->user = row->user;
    place_r->number = row->number;
    place_r->state = row->state;
    place_r->joined_at_ms = row->joined_at_ms;
    place_r->expires_at_ms = row->expires_at_ms;
    if (row->state == PLACE_WAITING) {
        advise(place_r, board_queue(board, place_r->concert, &queue) ? &queue : NULL);
        return;
    }
    place_r->ahead = 0;
    place_r->eta_known = true;
    place_r->poll_after_s = 1;
}

/* --- a pass, from the board or the database --- */

bool board_is_fresh(const struct board *board, const struct conf *conf) {
    assert(board && conf);
    return board_age_ms(board) <= conf->tick_ms + BOARD_STALE_MS;
}

/* What the board can say for sure, about a pass that is used now: that it ended, for it never comes
 * back; that it is good, when nothing can have happened to it for longer than a tick. One that has
 * run out by now may have been stretched by another host; one that nobody has shown up for yet is
 * to be claimed: the database is asked about both. */
static bool pass_known(const struct board *board, const struct conf *conf,
                       const struct token *token, struct board_pass *pass_r) {
    if (!board_pass(board, token->concert, token->number, pass_r)) return false;
    /* Another one's of this number: the database has been put back to an earlier day since the
     * token was signed. */
    if (pass_r->joined_at_ms && pass_r->joined_at_ms != token->joined_at_ms) return false;
    if (pass_r->stage > BOARD_PASS_CLAIMED) return true;
    return pass_r->stage == BOARD_PASS_CLAIMED && board_is_fresh(board, conf) &&
           pass_r->ends_at_ms > board_now_ms(board);
}

struct lookup {
    struct place *place;
    bool found, claim;
    uint64_t event_seq;
    struct board_pass pass; /* as the row says; a stage of NONE is not noted */
};

static void take_place(void *ctx, const struct db_row *row) {
    struct lookup *l = ctx;
    struct place *p = l->place;
    l->found = true;
    p->state = place_state_parse(DB_ROW_TEXT(row, "state"));
    p->joined_at_ms = DB_ROW_U64(row, "joined_at_ms");
    p->expires_at_ms = DB_ROW_U64(row, "expires_at_ms");
    l->event_seq = DB_ROW_U64(row, "event_seq");
    l->pass = (struct board_pass){.joined_at_ms = p->joined_at_ms, .ends_at_ms = p->expires_at_ms};
    switch (p->state) {
    case PLACE_WAITING: return;
    case PLACE_COMPLETED: l->pass.stage = BOARD_PASS_COMPLETED; return;
    case PLACE_LEFT: l->pass.stage = BOARD_PASS_LEFT; return;
    case PLACE_EXPIRED: l->pass.stage = BOARD_PASS_EXPIRED; return;
    case PLACE_ACTIVE: break;
    }
    l->claim = DB_ROW_NULL(row, "claimed_at_ms");
    l->pass.stage = l->claim ? BOARD_PASS_ADMITTED : BOARD_PASS_CLAIMED;
    if (p->expires_at_ms <= DB_ROW_U64(row, "now_ms")) {
        /* It ended by itself; the ticker will write that down. Until then a clock that was put back
         * may yet mend it. */
        p->state = PLACE_EXPIRED;
        p->expires_at_ms = 0;
        l->claim = false;
    }
}

static enum err read_place(struct db *db, struct lookup *l) {
    l->found = l->claim = false;
    return db_run(db, STMT_PLACE_GET,
                  DB_ARGS(DB_U64(l->place->concert.v), DB_U64(l->place->number),
                          DB_BYTES(l->place->user.v, 16)),
                  take_place, l, NULL);
}

enum err queue_claim(struct db *db, const struct conf *conf, const struct token *token) {
    assert(db && conf && token);
    return db_run(
        db, STMT_PLACE_CLAIM,
        DB_ARGS(DB_U64(conf->active_ttl_ms), DB_U64(token->concert.v), DB_U64(token->number)), NULL,
        NULL, NULL);
}

/* The place's row; who shows up for the first time is noted to have, there and on the board. */
static enum err look_up(struct db *db, const struct board *board, const struct conf *conf,
                        const struct token *token, struct lookup *l) {
    enum err e = read_place(db, l);
    if (!e && l->claim && !(e = queue_claim(db, conf, token))) e = read_place(db, l);
    if (e) return e;
    if (!l->found) return E_QUEUE_TOKEN_INVALID;
    if (l->pass.stage != BOARD_PASS_NONE)
        board_pass_note(board, token->concert, token->number, &l->pass);
    return E_OK;
}

static void from_pass(struct place *place, const struct board_pass *pass) {
    static const enum place_state states[] = {[BOARD_PASS_CLAIMED] = PLACE_ACTIVE,
                                              [BOARD_PASS_COMPLETED] = PLACE_COMPLETED,
                                              [BOARD_PASS_LEFT] = PLACE_LEFT,
                                              [BOARD_PASS_EXPIRED] = PLACE_EXPIRED};
    assert(pass->stage >= BOARD_PASS_CLAIMED);
    place->state = states[pass->stage];
    place->expires_at_ms = place->state == PLACE_ACTIVE ? pass->ends_at_ms : 0;
}

enum err queue_place(struct db *db, const struct board *board, const struct conf *conf,
                     const struct token *token, struct place *place_r) {
    assert(db && board && conf && token && place_r);
    struct board_pass pass;
    enum board_says says = from_board(board, token, place_r);
    if (says == BOARD_WAITING) return E_OK;
    from_token(place_r, token);
    if (pass_known(board, conf, token, &pass)) {
        from_pass(place_r, &pass);
    } else {
        struct lookup l = {.place = place_r};
        enum err e = look_up(db, board, conf, token, &l);
        if (e) return e;
        if (place_r->state == PLACE_WAITING) {
            place_r->ahead = token->ahead;
            return queue_ahead(db, board, place_r);
        }
        /* The board has not taken this in yet, and the next refresh may be of a look from before:
         * who was told to be let in is not told to wait again. */
        if (says != BOARD_NOT_WAITING)
            board_told(board, token->concert, token->number, l.event_seq);
    }
    place_r->eta_known = true;
    place_r->poll_after_s = place_r->state == PLACE_ACTIVE ? 1 : 0;
    return E_OK;
}

enum err queue_pass(struct db *db, const struct board *board, const struct conf *conf,
                    const struct token *token, struct board_pass *pass_r) {
    assert(db && board && conf && token && pass_r);
    struct place place;
    if (from_board(board, token, &place) == BOARD_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (pass_known(board, conf, token, pass_r))
        return pass_r->stage == BOARD_PASS_CLAIMED ? E_OK : E_QUEUE_TOKEN_EXPIRED;
    from_token(&place, token);
    struct lookup l = {.place = &place};
    enum err e = look_up(db, board, conf, token, &l);
    if (e) return e;
    if (place.state == PLACE_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (place.state != PLACE_ACTIVE) return E_QUEUE_TOKEN_EXPIRED;
    *pass_r = l.pass;
    /* With what its holder did here. */
    (void)board_pass(board, token->concert, token->number, pass_r);
    return E_OK;
}

static void take_queue(void *ctx, const struct db_row *row) {
    *(struct board_queue *)ctx = (struct board_queue){
        .concert = DB_ROW_U64(row, "concert_id"),
        .tail = DB_ROW_U64(row, "tail"),
        .admitted_through = DB_ROW_U64(row, "admitted_through"),
        .waiting = DB_ROW_U64(row, "waiting"),
        .active = DB_ROW_U64(row, "active"),
        .max_active = DB_ROW_U64(row, "max_active"),
        .paused = DB_ROW_U64(row, "paused"),
        .seats.left = DB_ROW_U64(row, "seats_left"),
        .updated_at_ms = DB_ROW_U64(row, "now_ms"),
    };
}

enum err queue_get(struct db *db, struct concert_id concert, struct board_queue *queue_r) {
    assert(db && queue_r);
    *queue_r = (struct board_queue){0};
    enum err e = db_run(db, STMT_QUEUE_GET, DB_ARGS(DB_U64(concert.v)), take_queue, queue_r, NULL);
    return e ? e : queue_r->concert ? E_OK : E_CONCERT_NOT_FOUND;
}

enum err queue_pass_check(const struct db_row *row, bool *claim_r) {
    assert(row && claim_r);
    enum place_state state = place_state_parse(DB_ROW_TEXT(row, "state"));
    *claim_r = false;
    if (state == PLACE_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (state != PLACE_ACTIVE || DB_ROW_U64(row, "expires_at_ms") <= DB_ROW_U64(row, "now_ms"))
        return E_QUEUE_TOKEN_EXPIRED;
    *claim_r = DB_ROW_NULL(row, "claimed_at_ms");
    return E_OK;
}

enum err queue_tick(struct db *db, const struct conf *conf, struct concert_id concert,
                    uint64_t *ended_r, uint64_t *admitted_r) {
    assert(db && conf && ended_r && admitted_r);
    struct batch_request r = {.kind = BATCH_TICK, .concert = concert, .limit = conf->tick_batch};
    enum err e = batch_run_one(db, conf, &r);
    /* One transaction is to stay short, whatever has piled up. */
    assert(r.ticked.ended <= conf->tick_batch && r.ticked.admitted <= conf->tick_batch);
    *ended_r = r.ticked.ended;
    *admitted_r = r.ticked.admitted;
    return e;
}

enum err queue_command(struct db *db, struct concert_id concert, const char *kind, uint64_t value) {
    assert(db && kind);
    return db_run(db, STMT_QUEUE_COMMAND, DB_ARGS(DB_U64(concert.v), db_text(kind), DB_U64(value)),
                  NULL, NULL, NULL);
}
