/* SPDX-License-Identifier: 0BSD */
/* Telling the board what was written, so that who wrote it sees it at once. */
#include "http/note.h"

#include <assert.h>

static enum board_stage stage_of(const struct place_row *p) {
    switch (p->state) {
    case PLACE_WAITING: return BOARD_PASS_NONE;
    case PLACE_ACTIVE: return p->claimed_at_ms ? BOARD_PASS_CLAIMED : BOARD_PASS_ADMITTED;
    case PLACE_COMPLETED: return BOARD_PASS_COMPLETED;
    case PLACE_LEFT: return BOARD_PASS_LEFT;
    case PLACE_EXPIRED: break;
    }
    return BOARD_PASS_EXPIRED;
}

static void note_seats(const struct board *board, const struct batch_request *r) {
    const struct reservation_row *held = &r->held;
    bool free = r->kind == BATCH_RELEASE || r->kind == BATCH_CANCEL;
    uint64_t until_ms = free ? 0 : r->kind == BATCH_PAY ? BOARD_SOLD_MS : held->held_until_ms;
    for (size_t i = 0; i < held->seats.count; i++)
        board_seat_note(board, held->performance, held->seats.number[i], r->event_seq, until_ms);
}

void note_written(const struct board *board, const struct batch_request *r) {
    int status = err_status(r->outcome);
    /* Decided, and committed. (A refusal may have shown up.) */
    if (status < 200 || status >= 500) return;
    bool changed = !r->outcome && r->event_seq;
    struct board_pass pass = {0};
    if (changed) {
        assert(r->held.performance.v);
        note_seats(board, r);
        pass.own_performance = r->held.performance.v;
        pass.own_seq = r->event_seq;
    }
    if (r->place_found) {
        pass.stage = stage_of(&r->place);
        pass.ends_at_ms = r->place.expires_at_ms;
        pass.joined_at_ms = r->place.joined_at_ms;
        if (pass.stage != BOARD_PASS_NONE)
            board_pass_note(board, r->concert, r->place.number, &pass);
    } else if (changed) {
        board_pass_note(board, r->held.concert, r->held.place_number, &pass);
    }
    if (r->kind == BATCH_LEAVE && !r->outcome) board_gone(board, r->concert, r->number);
}
