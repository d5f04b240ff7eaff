/* SPDX-License-Identifier: 0BSD */
/* Texts that grow. */
#include "base/strbuf.h"

#include "base/clock.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *strbuf_room(struct strbuf *t, size_t len) {
    if (len < t->size - t->len) return t->bytes + t->len;
    size_t size = t->size * 2 + len + 4096;
    char *bytes = realloc(t->bytes, size);
    if (!bytes) abort();
    t->bytes = bytes;
    t->size = size;
    return t->bytes + t->len;
}

void strbuf_add(struct strbuf *t, const char *format, ...) {
    size_t room = 0;
    for (;;) {
        va_list args;
        char *at = strbuf_room(t, room);
        va_start(args, format);
        int n = vsnprintf(at, t->size - t->len, format, args);
        va_end(args);
        if (n < 0) return;
        if ((size_t)n < t->size - t->len) {
            t->len += (size_t)n;
            return;
        }
        room = (size_t)n;
    }
}

void strbuf_bytes(struct strbuf *t, const void *bytes, size_t len) {
    assert(len == 0 || bytes);
    char *at = strbuf_room(t, len);
    if (len) memcpy(at, bytes, len);
    t->len += len;
    at[len] = 0;
}

void strbuf_hex(struct strbuf *t, const void *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    char *at = strbuf_room(t, 2 * len);
    for (size_t i = 0; i < len; i++) {
        *at++ = digits[b[i] >> 4];
        *at++ = digits[b[i] & 15];
    }
    *at = 0;
    t->len += 2 * len;
}

void strbuf_reset(struct strbuf *t) {
    t->len = 0;
    if (t->bytes) *t->bytes = 0;
}

void strbuf_free(struct strbuf *t) {
    free(t->bytes);
    *t = (struct strbuf){0};
}

void strbuf_u64(struct strbuf *t, uint64_t v) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    strbuf_bytes(t, digits + at, sizeof digits - at);
}

/* As json-c writes them, so that an answer is the same whoever puts it together. */
void strbuf_json(struct strbuf *t, const char *text) {
    static const char hex[] = "0123456789abcdef", named[] = "\b\n\r\t\f", names[] = "bnrtf";
    STRBUF_LITERAL(t, "\"");
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
            plain++;
        strbuf_bytes(t, text, plain);
        text += plain;
        if (!*text) break;
        char c = *text++;
        const char *name = strchr(named, c);
        char escape[6] = {'\\', c, '0', '0', hex[(unsigned char)c >> 4], hex[c & 15]};
        size_t len = 2;
        if (name) {
            escape[1] = names[name - named];
        } else if ((unsigned char)c < 0x20) {
            escape[1] = 'u';
            escape[2] = '0';
            len = 6;
        }
        strbuf_bytes(t, escape, len);
    }
    STRBUF_LITERAL(t, "\"");
}

void strbuf_json_time(struct strbuf *t, uint64_t at_ms) {
    char text[RFC3339_SIZE];
    if (at_ms == 0) {
        STRBUF_LITERAL(t, "null");
        return;
    }
    clock_rfc3339(at_ms, text);
    STRBUF_LITERAL(t, "\"");
    strbuf_bytes(t, text, strlen(text));
    STRBUF_LITERAL(t, "\"");
}
