/* SPDX-License-Identifier: 0BSD */
/* What comes of a rehearsal, as JSON. */
#include "admin/rehearse_report.h"
#include "base/json.h"

static void add_real(struct json_object *o, const char *name, double v) {
    char text[40];
    snprintf(text, sizeof text, "%.2f", v);
    json_add(o, name, json_object_new_double_s(v, text));
}

static struct json_object *played(const struct rehearsal *r) {
    struct json_object *o = json_object_new_object(), *roles = json_object_new_object();
    json_add_u64(o, "concertId", r->copy.id.v);
    json_add_u64(o, "copyOf", r->copy.source.v);
    json_add_text(o, "title", r->copy.title);
    json_add_u64(o, "maxActive", r->copy.max_active);
    json_add_u64(o, "seats", r->copy.seats);
    json_add_u64(o, "people", r->plan.people);
    json_add_u64(o, "lengthMs", r->plan.length_ms);
    json_add_u64(o, "leadMs", r->plan.lead_ms);
    json_add_u64(o, "thinkMs", r->plan.think_ms);
    json_add_u64(o, "misbehavingPercent", r->plan.misbehaving_percent);
    for (size_t i = 0; i < ROLES; i++)
        json_add_u64(roles, role_name((enum role)i), r->seen->role[i]);
    json_add(o, "roles", roles);
    json_add(o, "interrupted", json_object_new_boolean(r->interrupted));
    json_add_u64(o, "placesLeft", r->left_over);
    return o;
}

static struct json_object *reached(const struct rehearsal *r) {
    const struct seen *s = r->seen;
    struct json_object *o = json_object_new_object();
    uint64_t joins = 0;
    for (size_t i = 0; i < rehearsal_seconds(r); i++)
        if (s->second[i].joins > joins) joins = s->second[i].joins;
    json_add_u64(o, "joined", s->joined);
    json_add_u64(o, "joinsPerSecondMax", joins);
    json_add_u64(o, "letIn", s->let_in);
    json_add_u64(o, "sold", s->sold);
    json_add_u64(o, "seatsSold", s->seats_sold);
    add_real(o, "salesPerMinuteBest", r->facts.sales_a_minute);
    json_add_u64(o, "waitMsHalf", hist_percentile(&s->wait_ms, 0.5));
    json_add_u64(o, "waitMs95", hist_percentile(&s->wait_ms, 0.95));
    json_add_u64(o, "waitMsMax", s->wait_ms.max);
    json_add_u64(o, "left", s->left);
    json_add_u64(o, "foundNoSeat", s->nothing_left);
    json_add_u64(o, "lostPlace", s->lost);
    json_add_u64(o, "paidTwice", s->paid_twice);
    return o;
}

static struct json_object *answers(const struct rehearsal *r) {
    struct json_object *o = json_object_new_object();
    for (size_t i = 0; i < STEPS; i++) {
        const struct hist *h = &r->seen->step_us[i];
        struct json_object *step = json_object_new_object();
        json_add_u64(step, "count", h->count);
        json_add_u64(step, "us50", hist_percentile(h, 0.5));
        json_add_u64(step, "us95", hist_percentile(h, 0.95));
        json_add_u64(step, "us99", hist_percentile(h, 0.99));
        json_add_u64(step, "usMax", h->max);
        json_add(o, step_name((enum step)i), step);
    }
    return o;
}

static struct json_object *errors(const struct rehearsal *r, bool misbehaving) {
    struct json_object *o = json_object_new_object();
    for (size_t e = 0; e < E_COUNT; e++)
        if (r->seen->code[misbehaving][e])
            json_add_u64(o, err_name((enum err)e), r->seen->code[misbehaving][e]);
    for (size_t t = 1; t < TROUBLES; t++)
        if (r->seen->trouble[misbehaving][t])
            json_add_u64(o, trouble_name((enum trouble)t), r->seen->trouble[misbehaving][t]);
    return o;
}

static struct json_object *gave_way(const struct rehearsal *r) {
    struct json_object *list = json_object_new_array();
    size_t at;
    for (size_t i = 0; i < STRAINS; i++) {
        if (!figures_gave_way(r->seen->second, rehearsal_seconds(r), (enum strain)i, &at)) continue;
        struct json_object *o = json_object_new_object();
        json_add_i64(o, "second", (int64_t)at - (int64_t)(r->plan.lead_ms / 1000));
        json_add_text(o, "what", strain_text((enum strain)i));
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *advice(const struct rehearsal *r) {
    struct json_object *o = json_object_new_object(), *limits = json_object_new_array();
    if (!r->advice.known) {
        json_object_put(limits);
        json_object_put(o);
        return NULL;
    }
    json_add_u64(o, "maxActive", r->advice.max_active);
    add_real(o, "salesPerMinute", r->advice.sales_a_minute);
    add_real(o, "insideSecondsPerSale", r->advice.in_s_per_sale);
    for (size_t i = 0; i < STEPS; i++) {
        if (!r->seen->limited[0][i]) continue;
        struct json_object *row = json_object_new_object();
        json_add_text(row, "zone", limit_of((enum step)i));
        json_add_text(row, "step", step_name((enum step)i));
        json_add_u64(row, "refused", r->seen->limited[0][i]);
        json_add_u64(row, "ratePerSecond", limit_wanted(r, (enum step)i));
        json_object_array_add(limits, row);
    }
    json_add(o, "limits", limits);
    return o;
}

static struct json_object *machine(const struct rehearsal *r) {
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "cores", r->watch.cores);
    json_add(o, "serviceSeen", json_object_new_boolean(r->watch.seen));
    add_real(o, "cpu", r->facts.cpu);
    add_real(o, "readers", r->facts.readers);
    add_real(o, "writers", r->facts.writers);
    add_real(o, "load", r->facts.load);
    add_real(o, "inside", r->facts.in);
    return o;
}

struct json_object *rehearsal_json(const struct rehearsal *r) {
    struct json_object *o = json_object_new_object();
    json_add(o, "played", played(r));
    json_add(o, "reached", reached(r));
    json_add(o, "answers", answers(r));
    json_add(o, "errorsBehaving", errors(r, false));
    json_add(o, "errorsMisbehaving", errors(r, true));
    json_add(o, "gaveWay", gave_way(r));
    json_add(o, "machine", machine(r));
    json_add(o, "advice", advice(r));
    json_add(o, "audit", r->audit == AUDIT_LEFT_OUT ? NULL : json_object_get(r->audit_rows));
    json_add(o, "auditHolds",
             r->audit == AUDIT_LEFT_OUT ? NULL : json_object_new_boolean(r->audit == 0));
    json_add_text(o, "picture", r->picture);
    return o;
}
