/* Strict JSON bodies. */
#include "http/body.h"

#include <ctype.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

/* A word outside strings: JSON has three, and the exponent's letter. */
static size_t word(const char *text, size_t len, bool after_digit) {
    static const char *const words[] = {"true", "false", "null"};
    size_t n = 0;
    while (n < len && isalpha((unsigned char)text[n])) n++;
    if (n == 1 && after_digit && (*text == 'e' || *text == 'E')) return n;
    for (size_t i = 0; i < 3; i++)
        if (strlen(words[i]) == n && memcmp(words[i], text, n) == 0) return n;
    return 0;
}

/* What json-c lets through even when it is told to be strict: single quotes, NaN and the like; and of two
 * fields with one name it keeps the last. Two readers of such a text may differ in what they see, so it is
 * refused. `names_r`: how many fields the outermost object names. */
static bool is_plain_json(const char *text, size_t len, int *names_r) {
    int depth = 0;
    *names_r = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                if (text[i] == '\\') i++;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ':') {
            *names_r += depth == 1;
        } else if (isalpha((unsigned char)c)) {
            size_t n = word(text + i, len - i, i > 0 && isdigit((unsigned char)text[i - 1]));
            if (n == 0) return false;
            i += n - 1;
        } else if (!strchr(" \t\r\n,+-.0123456789", c)) {
            return false;
        }
    }
    return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. json-c's own check lets some of these by. */
static bool is_utf8(const unsigned char *s, size_t len) {
    for (size_t i = 0; i < len;) {
        unsigned char c = s[i++];
        if (c < 0x80) continue;
        size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || i + more > len) return false;
        unsigned char next = s[i];
        if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) return false;
        for (; more; more--, i++)
            if ((s[i] & 0xc0) != 0x80) return false;
    }
    return true;
}

enum err body_parse(const char *text, size_t len, const char *const *fields, struct resp *resp, struct json_object **body_r) {
    *body_r = NULL;
    if (len == 0) {
        if (*fields) return E_MALFORMED_JSON;
        *body_r = json_object_new_object();
        return E_OK;
    }
    int names;
    if (memchr(text, 0, len) || !is_utf8((const unsigned char *)text, len) || !is_plain_json(text, len, &names)) return E_MALFORMED_JSON;
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(t, text, (int)len + 1); /* with its NUL: a number at the end ends */
    bool ok = json_tokener_get_error(t) == json_tokener_success;
    json_tokener_free(t);
    if (!ok || (json_object_is_type(o, json_type_object) && names != json_object_object_length(o))) {
        json_object_put(o);
        return E_MALFORMED_JSON;
    }
    if (!json_object_is_type(o, json_type_object)) {
        json_object_put(o);
        return resp_invalid(resp, "", "must be an object");
    }
    enum err e = E_OK;
    json_object_object_foreach(o, name, value) {
        (void)value;
        const char *const *f = fields;
        while (*f && strcmp(*f, name) != 0) f++;
        if (!*f) e = resp_invalid(resp, name, "is not a field of this request");
    }
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

enum err body_u64(struct json_object *body, const char *name, uint64_t least, uint64_t most, struct resp *resp, uint64_t *v_r) {
    char reason[100];
    struct json_object *v = field(body, name);
    if (v && json_object_is_type(v, json_type_int)) {
        int64_t i = json_object_get_int64(v); /* saturates */
        if (i >= 0 && (uint64_t)i >= least && (uint64_t)i <= most) {
            *v_r = (uint64_t)i;
            return E_OK;
        }
    }
    snprintf(reason, sizeof reason, "must be a whole number from %" PRIu64 " to %" PRIu64, least, most);
    return resp_invalid(resp, name, reason);
}

enum err body_text(struct json_object *body, const char *name, size_t least, size_t most, struct resp *resp, const char **text_r) {
    char reason[100];
    struct json_object *v = field(body, name);
    if (v && json_object_is_type(v, json_type_string)) {
        const char *s = json_object_get_string(v);
        size_t bytes = (size_t)json_object_get_string_len(v), chars = 0;
        bool plain = true;
        for (size_t i = 0; i < bytes; i++) {
            unsigned char c = (unsigned char)s[i];
            chars += (c & 0xc0) != 0x80;
            if (c < 0x20 || c == 0x7f) plain = false;
        }
        if (plain && chars >= least && chars <= most) {
            *text_r = s;
            return E_OK;
        }
    }
    snprintf(reason, sizeof reason, "must be a text of %zu to %zu characters without control characters", least, most);
    return resp_invalid(resp, name, reason);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum err body_numbers(struct json_object *body, const char *name, size_t most, struct resp *resp, uint64_t *v_r, size_t *count_r) {
    char reason[100];
    struct json_object *v = field(body, name);
    snprintf(reason, sizeof reason, "must be a list of 1 to %zu distinct whole numbers from 1", most);
    if (!v || !json_object_is_type(v, json_type_array)) return resp_invalid(resp, name, reason);
    size_t n = json_object_array_length(v);
    if (n < 1 || n > most) return resp_invalid(resp, name, reason);
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(v, i);
        int64_t number = item && json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : 0;
        if (number < 1) return resp_invalid(resp, name, reason);
        /* Seats are numbered with 32 bits: what is larger is nobody's, all the same. */
        v_r[i] = number > UINT32_MAX ? UINT32_MAX - i : (uint64_t)number;
    }
    qsort(v_r, n, sizeof *v_r, ascending);
    for (size_t i = 1; i < n; i++)
        if (v_r[i] == v_r[i - 1]) return resp_invalid(resp, name, reason);
    *count_r = n;
    return E_OK;
}
