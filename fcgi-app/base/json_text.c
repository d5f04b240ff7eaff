/* SPDX-License-Identifier: 0BSD */
/* RFC 8259's grammar, a function for each rule. Each takes what it is named for off the front and
 * tells whether it was there. json-c alone does not do: even when told to be strict it takes -01
 * and 1. for numbers, bare line feeds in strings, words of its own such as NaN, and puts U+FFFD
 * where half a surrogate pair was. */
#include "base/json_text.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>

struct scan {
    const char *at, *end;
    unsigned depth_left; /* recursion is bounded by it */
    struct json_text *seen;
};

static bool peek(const struct scan *s, char c) { return s->at < s->end && *s->at == c; }

static bool take(struct scan *s, char c) {
    bool there = peek(s, c);
    s->at += there;
    return there;
}

static void skip_space(struct scan *s) {
    while (take(s, ' ') || take(s, '\t') || take(s, '\n') || take(s, '\r')) continue;
}

static bool take_word(struct scan *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

static bool take_digits(struct scan *s) {
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
    return s->at > from;
}

static bool take_number(struct scan *s) {
    take(s, '-');
    if (!take(s, '0') && !take_digits(s)) return false; /* after a leading 0 no digit follows */
    if (take(s, '.') && !take_digits(s)) return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) take(s, '-');
        return take_digits(s);
    }
    return true;
}

static bool take_hex4(struct scan *s, unsigned *code_r) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    *code_r = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        const char *digit = s->at < s->end && *s->at ? strchr(digits, *s->at) : NULL;
        if (!digit) return false;
        *code_r = *code_r << 4 | (unsigned)((digit - digits) & 15);
    }
    return true;
}

/* What follows a backslash. */
static bool take_escape(struct scan *s, bool *nul_r) {
    unsigned code, low;
    if (s->at == s->end) return false;
    if (!take(s, 'u')) return *s->at && strchr("\"\\/bfnrt", *s->at++);
    if (!take_hex4(s, &code)) return false;
    if (code == 0) *nul_r = true;
    if (code < 0xd800 || code > 0xdfff) return true;
    return code < 0xdc00 && take_word(s, "\\u") && take_hex4(s, &low) && low >= 0xdc00 &&
           low <= 0xdfff;
}

static bool take_string(struct scan *s, bool *nul_r) {
    if (!take(s, '"')) return false;
    while (!take(s, '"')) {
        uint32_t code;
        size_t n = utf8_next(s->at, (size_t)(s->end - s->at), &code);
        if (n == 0 || code < 0x20) return false;
        s->at += n;
        if (code == '\\' && !take_escape(s, nul_r)) return false;
    }
    return true;
}

static bool take_value(struct scan *s);

static bool take_member(struct scan *s) {
    skip_space(s);
    if (!take_string(s, &s->seen->nul_in_name)) return false;
    s->seen->names++;
    skip_space(s);
    return take(s, ':') && take_value(s);
}

/* An array or an object, whose opening bracket has been taken. */
static bool take_rest(struct scan *s, char closing, bool (*take_item)(struct scan *s)) {
    if (s->depth_left == 0) return false;
    s->depth_left--;
    skip_space(s);
    if (!peek(s, closing)) {
        do {
            if (!take_item(s)) return false;
        } while (take(s, ','));
    }
    s->depth_left++;
    return take(s, closing);
}

static bool take_value(struct scan *s) {
    bool nul = false, ok; /* in a value a NUL is for its field to judge */
    skip_space(s);
    if (take(s, '{'))
        ok = take_rest(s, '}', take_member);
    else if (take(s, '['))
        ok = take_rest(s, ']', take_value);
    else if (peek(s, '"'))
        ok = take_string(s, &nul);
    else
        ok =
            take_word(s, "true") || take_word(s, "false") || take_word(s, "null") || take_number(s);
    skip_space(s);
    return ok;
}

bool json_text_scan(const char *text, size_t len, unsigned depth_max, struct json_text *seen_r) {
    assert(text && depth_max > 0);
    *seen_r = (struct json_text){0};
    struct scan s = {.at = text, .end = text + len, .depth_left = depth_max, .seen = seen_r};
    bool json = take_value(&s) && s.at == s.end;
    assert(s.at <= s.end);
    return json;
}
