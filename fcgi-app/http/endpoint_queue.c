/* SPDX-License-Identifier: 0BSD */
/* The waiting queue: join, look, leave. */
#include "base/json.h"
#include "batch/queue.h"
#include "http/endpoints.h"

static struct json_object *place_json(const struct place *p) {
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "concertId", p->concert.v);
    json_add_user(o, "userId", p->user);
    json_add_text(o, "status", place_state_name(p->state));
    json_add_u64(o, "number", p->number);
    json_add_u64(o, "ahead", p->ahead);
    json_add(o, "estimatedWaitSeconds", p->eta_known ? json_object_new_uint64(p->eta_s) : NULL);
    json_add_u64(o, "pollAfterSeconds", p->poll_after_s);
    json_add_time(o, "joinedAt", p->joined_at_ms);
    json_add_time(o, "expiresAt", p->expires_at_ms);
    return o;
}

enum err begin_queue_join(struct call *call) {
    call->write.kind = BATCH_JOIN;
    call->write.concert.v = call->id;
    return E_OK;
}

enum err end_queue_join(struct call *call) {
    const struct batch_request *r = &call->write;
    char text[TOKEN_TEXT_MAX];
    if (r->outcome) return r->outcome;
    struct place p = {.concert = r->concert, .ahead = r->already ? UINT64_MAX : r->ahead};
    queue_joined(call->board, &r->place, &p);
    if (p.state == PLACE_WAITING && r->already) {
        enum err e = queue_ahead(call->db, call->board, &p);
        if (e) return e;
    }
    struct token token = {.user = p.user,
                          .concert = p.concert,
                          .number = p.number,
                          .joined_at_ms = p.joined_at_ms,
                          .ahead = p.ahead};
    token_sign(call->keys, &token, text);
    struct json_object *o = place_json(&p);
    json_add_text(o, "token", text);
    resp_json(call->resp, r->already ? 200 : 201, o);
    return E_OK;
}

enum err endpoint_queue_place(struct call *call) {
    struct place p;
    if (call->token.concert.v != call->id) return E_QUEUE_TOKEN_WRONG_CONCERT;
    enum err e = queue_place(call->db, call->board, call->conf, &call->token, &p);
    if (!e) resp_json(call->resp, 200, place_json(&p));
    return e;
}

enum err begin_queue_leave(struct call *call) {
    if (call->token.concert.v != call->id) return E_QUEUE_TOKEN_WRONG_CONCERT;
    call->write.kind = BATCH_LEAVE;
    return E_OK;
}

enum err end_queue_leave(struct call *call) {
    if (call->write.outcome) return call->write.outcome;
    resp_bytes(call->resp, 204, NULL, "", 0);
    return E_OK;
}
