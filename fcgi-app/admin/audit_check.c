/* SPDX-License-Identifier: 0BSD */
/* Checks: counting what contradicts them, and telling it. */
#include "admin/audit_check.h"

#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define SHOWN_MAX 20

void check_offend(struct check *c, const char *format, ...) {
    char text[300];
    if (c->offending++ >= SHOWN_MAX) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!c->shown) c->shown = json_object_new_array();
    json_object_array_add(c->shown, json_object_new_string(text));
}

static void tell_lines(const struct check *c, FILE *out, const char *name) {
    fprintf(out, "%-4s %-64s %12" PRIu64 " rows\n", c->offending ? "FAIL" : "ok", name, c->rows);
    for (size_t i = 0; i < json_object_array_length(c->shown); i++)
        fprintf(out, "     %s\n", json_object_get_string(json_object_array_get_idx(c->shown, i)));
    if (c->offending > SHOWN_MAX)
        fprintf(out, "     and %" PRIu64 " more\n", c->offending - SHOWN_MAX);
}

void check_end(struct check *c, struct audit *a, const char *name) {
    a->failed |= c->offending > 0;
    if (!c->shown) c->shown = json_object_new_array();
    if (a->json) {
        struct json_object *o = json_object_new_object();
        json_add_text(o, "check", name);
        json_add(o, "ok", json_object_new_boolean(c->offending == 0));
        json_add_u64(o, "rows", c->rows);
        json_add_u64(o, "offending", c->offending);
        json_add(o, "shown", json_object_get(c->shown));
        json_object_array_add(a->json, o);
    } else {
        tell_lines(c, a->out, name);
    }
    json_object_put(c->shown);
    *c = (struct check){0};
}

void check_take_count(void *ctx, const struct db_row *row) {
    *(uint64_t *)ctx = DB_ROW_U64(row, "counted");
}

void check_take_offending(void *ctx, const struct db_row *row) {
    check_offend(ctx, "%s", DB_ROW_TEXT(row, "offending"));
}

enum err check_statement(struct audit *a, const char *name, enum stmt count, enum stmt offending) {
    struct check c = {0};
    enum err e = db_run(a->db, count, 0, NULL, check_take_count, &c.rows, NULL);
    if (!e) e = db_run(a->db, offending, 0, NULL, check_take_offending, &c, NULL);
    if (!e) check_end(&c, a, name);
    return e;
}

struct hall *halls_find(const struct halls *halls, struct performance_id id) {
    size_t low = 0, high = halls->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (halls->list[middle].row.id.v < id.v)
            low = middle + 1;
        else
            high = middle;
    }
    return low < halls->count && halls->list[low].row.id.v == id.v ? &halls->list[low] : NULL;
}

bool audit_entry_type(uint64_t number, enum entry_type *type_r) {
    bool ok = number >= 1 && number <= ENTRY_REFUND + 1;
    *type_r = ok ? (enum entry_type)(number - 1) : ENTRY_CHARGE;
    return ok;
}

bool audit_seats_parse(const char *text, uint64_t count, struct seat_numbers *seats_r) {
    uint64_t last = 0;
    seats_r->count = 0;
    for (;;) {
        uint64_t n = 0;
        const char *digits = text;
        while (*text >= '0' && *text <= '9' && text - digits < 10)
            n = n * 10 + (uint64_t)(*text++ - '0');
        if (n <= last || seats_r->count == SEATS_MAX) return false;
        seats_r->number[seats_r->count++] = last = n;
        if (!*text) return seats_r->count == count;
        if (*text++ != ',') return false;
    }
}
