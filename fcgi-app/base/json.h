/* SPDX-License-Identifier: 0BSD */
/* Short hands for putting JSON answers together. */
#ifndef BOXOFFICE_JSON_H
#define BOXOFFICE_JSON_H

#include "base/ids.h"

#include <json-c/json.h>

/* The name must be a literal: json-c does not copy it. */
void json_add_u64(struct json_object *o, const char *name, uint64_t v);
void json_add_i64(struct json_object *o, const char *name, int64_t v);
void json_add_text(struct json_object *o, const char *name, const char *text);
void json_add_user(struct json_object *o, const char *name, struct user_id id);
/* RFC 3339; null for 0. */
void json_add_time(struct json_object *o, const char *name, uint64_t at_ms);
void json_add(struct json_object *o, const char *name, struct json_object *v);

/* A list in the making: asks for one more row than the limit, to know whether there is a next page.
 */
struct json_page {
    struct json_object *items;
    uint64_t limit, count, last_id;
    bool more;
};
struct json_page json_page_new(uint64_t limit);
/* NULL when the row is past the limit. */
struct json_object *json_page_item(struct json_page *page, uint64_t id);
struct json_object *json_page_end(struct json_page *page);

#endif
