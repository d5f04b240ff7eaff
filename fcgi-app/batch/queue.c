/* The waiting queue's rules as far as they are not in sql/, and how a waiting place is told from memory. */
#include "batch/queue.h"

#include "base/clock.h"

#include <string.h>

const char *place_state_name(enum place_state state) {
    static const char *const names[] = {"WAITING", "ACTIVE", "COMPLETED", "LEFT", "EXPIRED"};
    return names[state];
}

static enum place_state state_parse(const char *text) {
    for (enum place_state s = PLACE_WAITING; s < PLACE_EXPIRED; s++)
        if (strcmp(place_state_name(s), text) == 0) return s;
    return PLACE_EXPIRED;
}

uint64_t queue_eta_s(uint64_t ahead, uint64_t admitted_per_minute) {
    return admitted_per_minute ? ((ahead + 1) * 60 + admitted_per_minute - 1) / admitted_per_minute : 0;
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
    place->poll_after_s = queue_poll_after_s(place->eta_known, place->eta_s, place->ahead,
                                             (clock_mono_ns() >> 6) ^ place->number * 0x9e3779b97f4a7c15u);
}

static void from_token(struct place *place_r, const struct token *token) {
    *place_r = (struct place){.concert = token->concert, .user = token->user, .number = token->number, .joined_at_ms = token->joined_at_ms};
}

/* Fills in a place that the board knows to wait. */
static enum board_says from_board(const struct board *board, const struct token *token, struct place *place_r) {
    struct board_queue queue;
    uint64_t ahead;
    enum board_says says = board_place(board, token->concert, token->number, &ahead, &queue);
    if (says != BOARD_WAITING) return says;
    from_token(place_r, token);
    place_r->state = PLACE_WAITING;
    /* The board may be a little older than the token; what was said at joining is never taken back. */
    place_r->ahead = ahead < token->ahead ? ahead : token->ahead;
    advise(place_r, &queue);
    return says;
}

bool queue_place_waiting(const struct board *board, const struct token *token, struct place *place_r) {
    return from_board(board, token, place_r) == BOARD_WAITING;
}

struct count {
    uint64_t ahead, event_seq;
};

static void take_count(void *ctx, const struct db_row *row) { *(struct count *)ctx = (struct count){db_row_u64(row, 0), db_row_u64(row, 1)}; }

enum err queue_ahead(struct db *db, const struct board *board, struct place *place) {
    struct board_queue queue;
    bool known = board_queue(board, place->concert, &queue);
    uint64_t ahead = 0;
    if (place->state == PLACE_WAITING) {
        enum board_says says = board_place(board, place->concert, place->number, &ahead, NULL);
        if (says != BOARD_WAITING && says != BOARD_NEWER) {
            struct count count = {0};
            enum err e = db_run(db, STMT_PLACE_AHEAD, DB_ARGS(DB_U64(place->number), DB_U64(place->concert.v)), take_count, &count, NULL);
            if (e) return e;
            board_told(board, place->concert, place->number, count.event_seq);
            ahead = count.ahead;
        }
        if (ahead < place->ahead) place->ahead = ahead;
    }
    advise(place, known ? &queue : NULL);
    return E_OK;
}

struct join {
    struct idem *idem;
    struct place *place;
    bool already, ahead_known;
};

static void take_join(void *ctx, const struct db_row *row) {
    struct join *j = ctx;
    if (idem_take(j->idem, row) || db_row_columns(row) < 6) return;
    j->already = strcmp(db_row_text(row, 0, NULL), "ALREADY_IN") == 0;
    j->place->number = db_row_u64(row, 1);
    j->place->state = state_parse(db_row_text(row, 2, NULL));
    j->ahead_known = !db_row_null(row, 3);
    j->place->ahead = j->ahead_known ? db_row_u64(row, 3) : UINT64_MAX;
    j->place->joined_at_ms = db_row_u64(row, 4);
    j->place->expires_at_ms = db_row_u64(row, 5);
}

enum err queue_join(struct db *db, const struct board *board, const struct conf *conf, const struct cred *cred,
                    struct concert_id concert, struct idem *idem, struct place *place_r, bool *already_r) {
    *place_r = (struct place){.concert = concert, .user = cred->user};
    struct join j = {.idem = idem, .place = place_r};
    enum err e = db_run(db, STMT_QUEUE_JOIN,
                        DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES), DB_U64(concert.v),
                                DB_U64(conf->active_ttl_ms), DB_U64(BOARD_WINDOW), IDEM_ARGS(idem)),
                        take_join, &j, NULL);
    if (e) return e;
    *already_r = j.already;
    if (place_r->state == PLACE_ACTIVE) {
        place_r->ahead = 0;
    } else if (!j.ahead_known) {
        return queue_ahead(db, board, place_r);
    } else {
        struct board_queue queue;
        advise(place_r, board_queue(board, concert, &queue) ? &queue : NULL);
        return E_OK;
    }
    place_r->eta_known = true;
    place_r->poll_after_s = 1;
    return E_OK;
}

struct lookup {
    struct place *place;
    bool found, claim;
    uint64_t event_seq;
};

static void take_place(void *ctx, const struct db_row *row) {
    struct lookup *l = ctx;
    l->found = true;
    l->place->state = state_parse(db_row_text(row, 0, NULL));
    l->place->joined_at_ms = db_row_u64(row, 1);
    l->place->expires_at_ms = db_row_u64(row, 3);
    l->event_seq = db_row_u64(row, 5);
    if (l->place->state != PLACE_ACTIVE) return;
    if (l->place->expires_at_ms <= db_row_u64(row, 4)) {
        /* It ended by itself; the ticker will write that down. */
        l->place->state = PLACE_EXPIRED;
        l->place->expires_at_ms = 0;
    } else {
        l->claim = db_row_null(row, 2);
    }
}

static enum err read_place(struct db *db, struct lookup *l) {
    l->found = l->claim = false;
    return db_run(db, STMT_PLACE_GET,
                  DB_ARGS(DB_U64(l->place->concert.v), DB_U64(l->place->number), DB_BYTES(l->place->user.v, 16)), take_place, l, NULL);
}

enum err queue_claim(struct db *db, const struct conf *conf, const struct token *token) {
    return db_run(db, STMT_PLACE_CLAIM,
                  DB_ARGS(DB_U64(conf->active_ttl_ms), DB_U64(token->concert.v), DB_U64(token->number)), NULL, NULL, NULL);
}

enum err queue_place(struct db *db, const struct board *board, const struct conf *conf, const struct token *token,
                     struct place *place_r) {
    enum board_says says = from_board(board, token, place_r);
    if (says == BOARD_WAITING) return E_OK;
    from_token(place_r, token);
    struct lookup l = {.place = place_r};
    enum err e = read_place(db, &l);
    if (!e && l.claim && !(e = queue_claim(db, conf, token))) e = read_place(db, &l);
    if (e) return e;
    if (!l.found) return E_QUEUE_TOKEN_INVALID;
    if (place_r->state == PLACE_WAITING) {
        place_r->ahead = token->ahead;
        return queue_ahead(db, board, place_r);
    }
    /* The board has not taken this in yet, and the next refresh may be of a look from before: who was told to be let in
     * is not told to wait again. */
    if (says != BOARD_NOT_WAITING) board_told(board, token->concert, token->number, l.event_seq);
    place_r->eta_known = true;
    place_r->poll_after_s = place_r->state == PLACE_ACTIVE ? 1 : 0;
    return E_OK;
}

enum err queue_pass_check(const struct db_row *row, size_t column, bool *claim_r) {
    enum place_state state = state_parse(db_row_text(row, column, NULL));
    *claim_r = false;
    if (state == PLACE_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (state != PLACE_ACTIVE || db_row_u64(row, column + 2) <= db_row_u64(row, column + 3)) return E_QUEUE_TOKEN_EXPIRED;
    *claim_r = db_row_null(row, column + 1);
    return E_OK;
}

enum err queue_leave(struct db *db, const struct board *board, const struct token *token) {
    enum err e = db_run(db, STMT_QUEUE_LEAVE, DB_ARGS(DB_BYTES(token->user.v, 16), DB_U64(token->concert.v), DB_U64(token->number)), NULL,
                        NULL, NULL);
    if (!e) board_gone(board, token->concert, token->number);
    return e;
}

struct tick {
    uint64_t ended, admitted;
};

static void take_tick(void *ctx, const struct db_row *row) {
    struct tick *t = ctx;
    t->ended = db_row_u64(row, 1);
    t->admitted = db_row_u64(row, 2);
}

enum err queue_tick(struct db *db, const struct conf *conf, struct concert_id concert, uint64_t *ended_r, uint64_t *admitted_r) {
    struct tick t = {0};
    enum err e = db_run(db, STMT_QUEUE_TICK, DB_ARGS(DB_U64(concert.v), DB_U64(conf->claim_ttl_ms), DB_U64(conf->tick_batch)), take_tick,
                        &t, NULL);
    *ended_r = t.ended;
    *admitted_r = t.admitted;
    return e;
}

enum err queue_command(struct db *db, struct concert_id concert, const char *kind, uint64_t value) {
    return db_run(db, STMT_QUEUE_COMMAND, DB_ARGS(DB_U64(concert.v), db_text(kind), DB_U64(value)), NULL, NULL, NULL);
}
