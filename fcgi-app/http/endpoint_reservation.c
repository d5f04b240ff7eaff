/* Reservations and payments. */
#include "batch/reservation.h"

#include "http/body.h"
#include "http/endpoints.h"
#include "base/json.h"

static struct json_object *numbers_json(const struct seat_numbers *seats) {
    struct json_object *list = json_object_new_array_ext((int)seats->count);
    for (size_t i = 0; i < seats->count; i++) json_object_array_add(list, json_object_new_uint64(seats->number[i]));
    return list;
}

static void put_reservation(struct json_object *o, const struct reservation *r, const char *currency) {
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

enum err endpoint_reservation_create(struct call *call) {
    struct reservation r;
    struct seat_numbers seats, taken;
    enum err e = body_numbers(call->body, "seatNumbers", call->conf->seats_per_user_max, call->resp, seats.number, &seats.count);
    if (e) return e;
    e = reservation_hold(call->db, call->conf, &call->token, (struct performance_id){call->id}, &seats, &call->idem, &r, &taken);
    if (e == E_SEAT_TAKEN) resp_extra(call->resp, "seatNumbers", numbers_json(&taken));
    if (e) return e;
    struct json_object *o = json_object_new_object();
    put_reservation(o, &r, call->conf->currency);
    resp_json(call->resp, 201, o);
    return E_OK;
}

enum err endpoint_reservation_pay(struct call *call) {
    struct payment p;
    enum err e = reservation_pay(call->db, &call->cred, &call->token, (struct reservation_id){call->id}, &call->idem, &p);
    if (e == E_INSUFFICIENT_BALANCE) {
        resp_extra(call->resp, "balance", json_object_new_uint64(p.balance_minor));
        resp_extra(call->resp, "amount", json_object_new_uint64(p.amount_minor));
    }
    if (e) return e;
    struct json_object *o = json_object_new_object();
    put_payment(o, &p, call->conf->currency);
    resp_json(call->resp, 201, o);
    return E_OK;
}

enum err endpoint_reservation_release(struct call *call) {
    enum err e = reservation_release(call->db, &call->cred, (struct reservation_id){call->id});
    if (!e) resp_bytes(call->resp, 204, NULL, "", 0);
    return e;
}

enum err endpoint_reservation_cancel(struct call *call) {
    struct reservation r;
    enum err e = reservation_cancel(call->db, call->conf, &call->cred, (struct reservation_id){call->id}, &call->idem, &r);
    if (e) return e;
    struct json_object *o = json_object_new_object();
    put_reservation(o, &r, call->conf->currency);
    resp_json(call->resp, 200, o);
    return E_OK;
}

/* Lists and single ones differ in where a row goes. */
struct sink {
    struct json_page page;
    struct json_object *one;
    const char *currency;
};

static struct json_object *next_object(struct sink *s, uint64_t id) { return s->one ? s->one : json_page_item(&s->page, id); }

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
    return finish(call, &s, reservation_list(call->db, &call->cred, after, limit + 1, take_reservation, &s));
}

enum err endpoint_reservation(struct call *call) {
    struct sink s = {.one = json_object_new_object(), .currency = call->conf->currency};
    return finish(call, &s, reservation_get(call->db, &call->cred, (struct reservation_id){call->id}, take_reservation, &s));
}

enum err endpoint_payments(struct call *call) {
    uint64_t limit, after;
    enum err e = route_page(call, &limit, &after);
    if (e) return e;
    struct sink s = {.page = json_page_new(limit), .currency = call->conf->currency};
    return finish(call, &s, payment_list(call->db, &call->cred, after, limit + 1, take_payment, &s));
}

enum err endpoint_payment(struct call *call) {
    struct sink s = {.one = json_object_new_object(), .currency = call->conf->currency};
    return finish(call, &s, payment_get(call->db, &call->cred, (struct payment_id){call->id}, take_payment, &s));
}
