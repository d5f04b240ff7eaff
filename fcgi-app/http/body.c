/* SPDX-License-Identifier: 0BSD */
/* Strict JSON bodies: base/json_text.h says what is JSON, json-c makes a tree of it, and what is
 * here says what of that a request may have. */
#include "http/body.h"

#include "base/json_text.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8 /* arrays and objects inside one another; requests have two */

/* How many members all objects of a tree have. Of two with one name json-c keeps the last, so a
 * text that names more has a name twice. Two readers of such a text may differ in what they see: it
 * is refused. */
static size_t members(struct json_object *o) {
    size_t n = 0;
    if (json_object_is_type(o, json_type_object)) {
        json_object_object_foreach(o, name, value) {
            (void)name;
            n += 1 + members(value);
        }
    } else if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            n += members(json_object_array_get_idx(o, i));
    }
    return n;
}

/* The tree of a text that is JSON; false when it is not. NULL is a tree too: null. */
static bool parse(const char *text, size_t len, struct json_text *seen_r,
                  struct json_object **o_r) {
    if (!json_text_scan(text, len, DEPTH_MAX, seen_r)) return false;
    /* It counts what is inside the innermost, too. */
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX + 1);
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    /* With its NUL: a number at the end ends. */
    *o_r = json_tokener_parse_ex(t, text, (int)len + 1);
    bool ok = json_tokener_get_error(t) == json_tokener_success;
    json_tokener_free(t);
    return ok;
}

/* Nothing but these fields. */
static enum err only(struct json_object *o, const char *const *fields, struct resp *resp) {
    enum err e = E_OK;
    if (!json_object_is_type(o, json_type_object))
        return resp_invalid(resp, "", "must be an object");
    json_object_object_foreach(o, name, value) {
        (void)value;
        const char *const *f = fields;
        while (*f && strcmp(*f, name) != 0) f++;
        if (!*f) e = resp_invalid(resp, name, "is not a field of this request");
    }
    return e;
}

enum err body_parse(const char *text, size_t len, const char *const *fields, struct resp *resp,
                    struct json_object **body_r) {
    assert(text && fields && resp && body_r && len < INT_MAX && text[len] == 0);
    struct json_object *o = NULL;
    struct json_text seen;
    enum err e;
    *body_r = NULL;
    if (len == 0) {
        if (*fields) return E_MALFORMED_JSON;
        *body_r = json_object_new_object();
        return E_OK;
    }
    if (!parse(text, len, &seen, &o))
        e = E_MALFORMED_JSON;
    else if (seen.nul_in_name)
        e = resp_invalid(resp, "", "no field of this request has a NUL in its name");
    else if (seen.names != members(o))
        e = E_MALFORMED_JSON;
    else
        e = only(o, fields, resp);
    if (e)
        json_object_put(o);
    else
        *body_r = o;
    return e;
}

static struct json_object *field(struct json_object *body, const char *name) {
    struct json_object *v = NULL;
    json_object_object_get_ex(body, name, &v);
    return v;
}

enum err body_u64(struct json_object *body, const char *name, uint64_t least, uint64_t most,
                  struct resp *resp, uint64_t *v_r) {
    assert(body && name && least <= most && most <= INT64_MAX && v_r);
    char reason[100];
    struct json_object *v = field(body, name);
    if (v && json_object_is_type(v, json_type_int)) {
        int64_t i = json_object_get_int64(v); /* saturates */
        if (i >= 0 && (uint64_t)i >= least && (uint64_t)i <= most) {
            *v_r = (uint64_t)i;
            return E_OK;
        }
    }
    snprintf(reason, sizeof reason, "must be a whole number from %" PRIu64 " to %" PRIu64, least,
             most);
    return resp_invalid(resp, name, reason);
}

enum err body_text(struct json_object *body, const char *name, size_t least, size_t most,
                   struct resp *resp, const char **text_r) {
    assert(body && name && least <= most && text_r);
    char reason[100];
    struct json_object *v = field(body, name);
    if (v && json_object_is_type(v, json_type_string)) {
        const char *s = json_object_get_string(v);
        struct utf8_text t = utf8_look(s, (size_t)json_object_get_string_len(v));
        if (t.valid && !t.control && t.chars >= least && t.chars <= most) {
            if (t.blank && least > 0)
                return resp_invalid(resp, name, "must not be white space alone");
            *text_r = s;
            return E_OK;
        }
    }
    snprintf(reason, sizeof reason,
             "must be a text of %zu to %zu characters without control characters", least, most);
    return resp_invalid(resp, name, reason);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum err body_numbers(struct json_object *body, const char *name, size_t most, struct resp *resp,
                      uint64_t *v_r, size_t *count_r) {
    assert(body && name && most > 0 && v_r && count_r);
    char reason[100];
    struct json_object *v = field(body, name);
    snprintf(reason, sizeof reason, "must be a list of 1 to %zu distinct whole numbers from 1",
             most);
    if (!v || !json_object_is_type(v, json_type_array)) return resp_invalid(resp, name, reason);
    size_t n = json_object_array_length(v);
    if (n < 1 || n > most) return resp_invalid(resp, name, reason);
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(v, i);
        int64_t number =
            item && json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : 0;
        if (number < 1) return resp_invalid(resp, name, reason);
        /* Seats are numbered with 32 bits: what is larger is nobody's, all the same. */
        v_r[i] = number > UINT32_MAX ? UINT32_MAX - i : (uint64_t)number;
    }
    qsort(v_r, n, sizeof *v_r, ascending);
    for (size_t i = 1; i < n; i++)
        if (v_r[i] == v_r[i - 1]) return resp_invalid(resp, name, reason);
    assert(n > 0 && n <= most);
    *count_r = n;
    return E_OK;
}
