/* SPDX-License-Identifier: 0BSD */
/* JSON bodies, beside a second reader: what is taken must be JSON by the letter of RFC 8259, say
 * the same when it is written and read again, and give fields within their bounds only. */
#include "fuzz.h"

#include "http/body.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* --- the second reader: moves on past one thing, or gives NULL --- */

static const char *value(const char *s, unsigned depth);

static const char *space(const char *s) { return s ? s + strspn(s, " \t\r\n") : NULL; }

static const char *string(const char *s) {
    if (*s++ != '"') return NULL;
    for (; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20) return NULL;
        if (*s != '\\') continue;
        s++;
        if (*s == 'u') {
            for (int i = 0; i < 4; i++)
                if (!isxdigit((unsigned char)*++s)) return NULL;
        } else if (!*s || !strchr("\"\\/bfnrt", *s)) {
            return NULL;
        }
    }
    return s + 1;
}

static const char *digits(const char *s) {
    size_t n = strspn(s, "0123456789");
    return n ? s + n : NULL;
}

static const char *number(const char *s) {
    if (*s == '-') s++;
    s = *s == '0' ? s + 1 : digits(s);
    if (s && *s == '.') s = digits(s + 1);
    if (s && (*s == 'e' || *s == 'E')) s = digits(s + 1 + (s[1] == '+' || s[1] == '-'));
    return s;
}

/* An object's or array's members, from behind its bracket. */
static const char *members(const char *s, char end, unsigned depth) {
    s = space(s);
    if (*s == end) return s + 1;
    for (;;) {
        if (end == '}') {
            s = space(string(s));
            if (!s || *s != ':') return NULL;
            s = space(s + 1);
        }
        s = space(value(s, depth));
        if (!s || (*s != ',' && *s != end)) return NULL;
        if (*s == end) return s + 1;
        s = space(s + 1);
    }
}

static const char *value(const char *s, unsigned depth) {
    static const char *const words[] = {"true", "false", "null"};
    if (depth == 0) return NULL;
    if (*s == '"') return string(s);
    if (*s == '{') return members(s + 1, '}', depth - 1);
    if (*s == '[') return members(s + 1, ']', depth - 1);
    for (size_t i = 0; i < 3; i++)
        if (strncmp(s, words[i], strlen(words[i])) == 0) return s + strlen(words[i]);
    return number(s);
}

static bool is_json(const char *text) {
    const char *end = space(value(space(text), 64));
    return end && !*end;
}

/* --- what has to be so --- */

static void same_again(struct json_object *body, const char *const *fields) {
    struct resp resp = {0};
    struct json_object *again;
    char *text = strdup(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN));
    MUST(text && body_parse(text, strlen(text), fields, &resp, &again) == E_OK);
    MUST(strcmp(json_object_to_json_string_ext(again, JSON_C_TO_STRING_PLAIN), text) == 0);
    json_object_put(again);
    resp_free(&resp);
    free(text);
}

static void fields_within_bounds(struct json_object *body) {
    struct resp resp = {0};
    uint64_t v, n[4];
    size_t count;
    const char *text;
    if (body_u64(body, "amount", 3, 1000000000000u, &resp, &v) == E_OK)
        MUST(v >= 3 && v <= 1000000000000u);
    if (body_text(body, "name", 1, 5, &resp, &text) == E_OK) {
        size_t len = strlen(text);
        MUST(len >= 1 && len <= 20);
        for (size_t i = 0; i < len; i++) MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
    }
    if (body_numbers(body, "seatNumbers", 4, &resp, n, &count) == E_OK) {
        MUST(count >= 1 && count <= 4 && n[0] >= 1);
        for (size_t i = 1; i < count; i++) MUST(n[i] > n[i - 1]);
    }
    resp_free(&resp);
}

void fuzz_one(const uint8_t *data, size_t size) {
    static const char *const all[] = {"name", "amount", "seatNumbers", NULL}, *const none[] = {
                                                                                  NULL};
    for (int i = 0; i < 2; i++) {
        const char *const *fields = i ? none : all;
        char *text = fuzz_text(data, size);
        struct resp resp = {0};
        struct json_object *body;
        enum err e = body_parse(text, size, fields, &resp, &body);
        MUST(e == E_OK || e == E_MALFORMED_JSON || e == E_VALIDATION_FAILED);
        MUST((body != NULL) == (e == E_OK));
        MUST(e != E_VALIDATION_FAILED || resp.extra);
        if (e != E_MALFORMED_JSON && size) MUST(strlen(text) == size && is_json(text));
        if (e == E_OK) {
            same_again(body, fields);
            fields_within_bounds(body);
        }
        json_object_put(body);
        resp_free(&resp);
        free(text);
    }
}
