/* SPDX-License-Identifier: 0BSD */
/* Putting JSON answers together. */
#include "base/json.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

/* Names are literals and never twice in one object: neither copied nor looked for. */
void json_add(struct json_object *o, const char *name, struct json_object *v) {
    json_object_object_add_ex(o, name, v,
                              JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
}

void json_add_u64(struct json_object *o, const char *name, uint64_t v) {
    json_add(o, name, json_object_new_uint64(v));
}

void json_add_i64(struct json_object *o, const char *name, int64_t v) {
    json_add(o, name, json_object_new_int64(v));
}

void json_add_text(struct json_object *o, const char *name, const char *text) {
    json_add(o, name, json_object_new_string(text));
}

void json_add_user(struct json_object *o, const char *name, struct user_id id) {
    char text[UUID_TEXT_SIZE];
    user_id_text(id, text);
    json_add_text(o, name, text);
}

void json_add_time(struct json_object *o, const char *name, uint64_t at_ms) {
    char text[RFC3339_SIZE];
    if (at_ms) clock_rfc3339(at_ms, text);
    json_add(o, name, at_ms ? json_object_new_string(text) : NULL);
}

struct json_page json_page_new(uint64_t limit) {
    return (struct json_page){.items = json_object_new_array(), .limit = limit};
}

struct json_object *json_page_item(struct json_page *page, uint64_t id) {
    if (page->count == page->limit) {
        page->more = true;
        return NULL;
    }
    struct json_object *o = json_object_new_object();
    json_object_array_add(page->items, o);
    page->count++;
    page->last_id = id;
    return o;
}

struct json_object *json_page_end(struct json_page *page) {
    char next[24];
    struct json_object *o = json_object_new_object();
    json_add(o, "items", page->items);
    snprintf(next, sizeof next, "%" PRIu64, page->last_id);
    json_add(o, "next", page->more ? json_object_new_string(next) : NULL);
    return o;
}
