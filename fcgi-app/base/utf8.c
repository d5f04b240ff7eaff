/* SPDX-License-Identifier: 0BSD */
/* UTF-8, read by hand: json-c's own check lets some of what RFC 3629 forbids by, and mbrtowc asks
 * the locale. */
#include "base/utf8.h"

#include <assert.h>

size_t utf8_next(const char *bytes, size_t len, uint32_t *code_r) {
    /* The least code that needs so many bytes: two texts of one character would get past who
     * compares bytes. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)bytes;
    if (len == 0) return 0;
    size_t n = *s < 0x80 ? 1 : *s < 0xc0 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf8 ? 4 : 0;
    if (n == 0 || n > len) return 0;
    uint32_t code = n == 1 ? *s : *s & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *code_r = code;
    return n;
}

/* Unicode's property White_Space. */
static bool is_white(uint32_t c) {
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

struct utf8_text utf8_look(const char *bytes, size_t len) {
    struct utf8_text t = {.valid = true, .blank = true};
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = utf8_next(bytes + at, len - at, &code);
        if (n == 0) {
            t.valid = false;
            break;
        }
        at += n;
        t.chars++;
        t.control = t.control || code < 0x20 || (code >= 0x7f && code <= 0x9f);
        t.blank = t.blank && is_white(code);
    }
    assert(t.chars <= len);
    return t;
}
