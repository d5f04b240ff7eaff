/* SPDX-License-Identifier: 0BSD */
/* Reservations and payments. */
#include "batch/reservation.h"

#include "base/json.h"
#include "http/body.h"
#include "http/endpoints.h"

static struct json_object *numbers_json(const struct seat_numbers *seats) {
    struct json_object *list = json_object_new_array_ext((int)seats->count);
    for (size_t i = 0; i < seats->count; i++)
        json_object_array_add(list, json_object_new_uint64(seats->number[i]));
    return list;
}

static void put_reservation(struct json_object *o, const struct reservation *r,
                            const char *currency) {
    json_add_u64(o, "reservationId", r->id.v);
    json_add_u64(o, "concertId", r->concert.v);
    json_add_u64(o, "performanceId", r->performance.v);
    json_add(o, "seatNumbers", numbers_json(&r->seats));
    json_add_u64(o, "amount", r->amount_minor);
    json_add_text(o, "currency", currency);
    json_add_text(o, "status", r->status);
    json_add_time(o, "heldUntil", r->held_until_ms);
    json_add_time(o, "createdAt", r->created_at_ms);
    json_add_time(o, "paidAt", r->paid_at_ms);
}

static void put_payment(struct json_object *o, const struct payment *p, const char *currency) {
    json_add_u64(o, "paymentId", p->id.v);
    json_add_u64(o, "reservationId", p->reservation.v);
    json_add_u64(o, "concertId", p->concert.v);
    json_add_u64(o, "performanceId", p->performance.v);
    json_add(o, "seatNumbers", numbers_json(&p->seats));
    json_add_u64(o, "amount", p->amount_minor);
    json_add_text(o, "currency", currency);
    json_add_u64(o, "balance", p->balance_minor);
    json_add_time(o, "paidAt", p->paid_at_ms);
}

static enum err answer_reservation(struct call *call, int status) {
    struct reservation r;
    struct json_object *o = json_object_new_object();
    reservation_of(&call->write.held, &r);
    put_reservation(o, &r, call->conf->currency);
    resp_json(call->resp, status, o);
    return E_OK;
}

enum err begin_reservation_create(struct call *call) {
    struct batch_request *r = &call->write;
    r->kind = BATCH_HOLD;
    r->performance.v = call->id;
    return body_numbers(call->body, "seatNumbers", call->conf->seats_per_user_max, call->resp,
                        r->seats.number, &r->seats.count);
}

enum err end_reservation_create(struct call *call) {
    const struct batch_request *r = &call->write;
    if (r->outcome == E_SEAT_TAKEN) resp_extra(call->resp, "seatNumbers", numbers_json(&r->taken));
    return r->outcome ? r->outcome : answer_reservation(call, 201);
}

enum err begin_reservation_pay(struct call *call) {
    call->write.kind = BATCH_PAY;
    call->write.reservation.v = call->id;
    return E_OK;
}

enum err end_reservation_pay(struct call *call) {
    const struct batch_request *r = &call->write;
    if (r->outcome == E_INSUFFICIENT_BALANCE) {
        resp_extra(call->resp, "balance", json_object_new_uint64(r->balance_minor));
        resp_extra(call->resp, "amount", json_object_new_uint64(r->held.amount_minor));
    }
    if (r->outcome) return r->outcome;
    struct payment p = {
        .id = r->payment,
        .reservation = r->held.id,
        .concert = r->held.concert,
        .performance = r->held.performance,
        .seats = r->held.seats,
        .amount_minor = r->held.amount_minor,
        .balance_minor = r->balance_minor,
        .paid_at_ms = r->now_ms,
    };
    struct json_object *o = json_object_new_object();
    put_payment(o, &p, call->conf->currency);
    resp_json(call->resp, 201, o);
    return E_OK;
}

enum err begin_reservation_release(struct call *call) {
    call->write.kind = BATCH_RELEASE;
    call->write.reservation.v = call->id;
    return E_OK;
}

enum err end_reservation_release(struct call *call) {
    if (call->write.outcome) return call->write.outcome;
    resp_bytes(call->resp, 204, NULL, "", 0);
    return E_OK;
}

enum err begin_reservation_cancel(struct call *call) {
    call->write.kind = BATCH_CANCEL;
    call->write.reservation.v = call->id;
    return E_OK;
}

enum err end_reservation_cancel(struct call *call) {
    return call->write.outcome ? call->write.outcome : answer_reservation(call, 200);
}

/* Lists and single ones differ in where a row goes. */
struct sink {
    struct json_page page;
    struct json_object *one;
    const char *currency;
};

static struct json_object *next_object(struct sink *s, uint64_t id) {
    return s->one ? s->one : json_page_item(&s->page, id);
}

static void take_reservation(void *ctx, const struct reservation *r) {
    struct sink *s = ctx;
    struct json_object *o = next_object(s, r->id.v);
    if (o) put_reservation(o, r, s->currency);
}

static void take_payment(void *ctx, const struct payment *p) {
    struct sink *s = ctx;
    struct json_object *o = next_object(s, p->id.v);
    if (o) put_payment(o, p, s->currency);
}

static enum err finish(struct call *call, struct sink *s, enum err e) {
    struct json_object *o = s->one ? s->one : json_page_end(&s->page);
    if (e)
        json_object_put(o);
    else
        resp_json(call->resp, 200, o);
    return e;
}

enum err endpoint_reservations(struct call *call) {
    uint64_t limit, after;
    enum err e = route_page(call, &limit, &after);
    if (e) return e;
    struct sink s = {.page = json_page_new(limit), .currency = call->conf->currency};
    return finish(call, &s,
                  reservation_list(call->db, &call->cred, after, limit + 1, take_reservation, &s));
}

enum err endpoint_reservation(struct call *call) {
    struct sink s = {.one = json_object_new_object(), .currency = call->conf->currency};
    return finish(call, &s,
                  reservation_get(call->db, &call->cred, (struct reservation_id){call->id},
                                  take_reservation, &s));
}

enum err endpoint_payments(struct call *call) {
    uint64_t limit, after;
    enum err e = route_page(call, &limit, &after);
    if (e) return e;
    struct sink s = {.page = json_page_new(limit), .currency = call->conf->currency};
    return finish(call, &s,
                  payment_list(call->db, &call->cred, after, limit + 1, take_payment, &s));
}

enum err endpoint_payment(struct call *call) {
    struct sink s = {.one = json_object_new_object(), .currency = call->conf->currency};
    return finish(
        call, &s,
        payment_get(call->db, &call->cred, (struct payment_id){call->id}, take_payment, &s));
}
