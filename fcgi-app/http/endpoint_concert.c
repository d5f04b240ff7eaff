/* Concerts, performances, seats. */
#include "store/concert.h"

#include "http/endpoints.h"
#include "base/json.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_concert(struct json_object *o, const struct concert *c) {
    json_add_u64(o, "concertId", c->id.v);
    json_add_text(o, "title", c->title);
    json_add_time(o, "salesOpenAt", c->sales_open_at_ms);
    json_add_time(o, "salesCloseAt", c->sales_close_at_ms);
    json_add_u64(o, "performances", c->performances);
}

static void concert_item(void *ctx, const struct concert *c) {
    struct json_object *o = json_page_item(ctx, c->id.v);
    if (o) put_concert(o, c);
}

/* Hands a whole answer over, or drops it. */
static enum err finish(struct call *call, enum err e, struct json_object *o) {
    if (e)
        json_object_put(o);
    else
        resp_json(call->resp, 200, o);
    return e;
}

enum err endpoint_concerts(struct call *call) {
    uint64_t limit, after;
    enum err e = route_page(call, &limit, &after);
    if (e) return e;
    struct json_page page = json_page_new(limit);
    e = concert_list(call->db, after, limit + 1, concert_item, &page);
    return finish(call, e, json_page_end(&page));
}

static void concert_object(void *ctx, const struct concert *c) { put_concert(ctx, c); }

enum err endpoint_concert(struct call *call) {
    struct json_object *o = json_object_new_object();
    return finish(call, concert_get(call->db, (struct concert_id){call->id}, concert_object, o), o);
}

static void performance_item(void *ctx, const struct performance *p) {
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "performanceId", p->id.v);
    json_add_time(o, "startsAt", p->starts_at_ms);
    json_add_text(o, "venue", p->venue);
    json_add_u64(o, "price", p->price_minor);
    json_add_u64(o, "totalSeats", p->total_seats);
    json_add_u64(o, "availableSeats", p->available_seats);
    json_add_time(o, "salesOpenAt", p->sales_open_at_ms);
    json_add_time(o, "salesCloseAt", p->sales_close_at_ms);
    json_object_array_add(ctx, o);
}

enum err endpoint_performances(struct call *call) {
    struct json_object *o = json_object_new_object(), *items = json_object_new_array();
    json_add(o, "items", items);
    return finish(call, performance_list(call->db, call->conf, &call->token, performance_item, items), o);
}

/* As text at once: a tree of objects takes a KiB a seat, which halls of tens of thousands would have in every worker. */
static void seat_item(void *ctx, uint64_t number, enum seat_status status, uint64_t price_minor) {
    static const char *const names[] = {"AVAILABLE", "HELD", "SOLD"};
    strbuf_add(ctx, "%s{\"seatNumber\":%" PRIu64 ",\"price\":%" PRIu64 ",\"status\":\"%s\"}", number > 1 ? "," : "", number, price_minor, names[status]);
}

enum err endpoint_seats(struct call *call) {
    struct seats seats;
    struct strbuf list = {0}, t = {0};
    enum err e = seat_list(call->db, call->conf, &call->token, (struct performance_id){call->id}, seat_item, &list, &seats);
    if (!e) {
        strbuf_add(&t, "{\"performanceId\":%" PRIu64 ",\"totalSeats\":%" PRIu64 ",\"availableSeats\":%" PRIu64 ",\"seats\":[%s]}", call->id, seats.total_seats,
                 seats.available_seats, list.bytes ? list.bytes : "");
        resp_bytes(call->resp, 200, "application/json", t.bytes, t.len);
    }
    free(list.bytes);
    free(t.bytes);
    return e;
}
