/* Texts that grow. */
#include "base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and a NUL. */
static void strbuf_room(struct strbuf *t, size_t more) {
    if (more < t->size - t->len) return;
    size_t size = t->size * 2 + more + 4096;
    char *bytes = realloc(t->bytes, size);
    if (!bytes) abort();
    t->bytes = bytes;
    t->size = size;
}

void strbuf_add(struct strbuf *t, const char *format, ...) {
    assert(t->len <= t->size && (t->bytes || t->size == 0));
    for (;;) {
        va_list args;
        va_start(args, format);
        /* At first there is no memory: NULL + 0 is not C's. */
        int n = vsnprintf(t->bytes ? t->bytes + t->len : NULL, t->size - t->len, format, args);
        va_end(args);
        if (n < 0) return;
        if ((size_t)n < t->size - t->len) {
            t->len += (size_t)n;
            return;
        }
        size_t size = t->size * 2 + (size_t)n + 4096;
        char *bytes = realloc(t->bytes, size);
        if (!bytes) abort();
        t->bytes = bytes;
        t->size = size;
    }
}

void strbuf_hex(struct strbuf *t, const void *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    strbuf_room(t, 2 * len);
    for (size_t i = 0; i < len; i++) {
        t->bytes[t->len++] = digits[b[i] >> 4];
        t->bytes[t->len++] = digits[b[i] & 15];
    }
    t->bytes[t->len] = 0;
}

void strbuf_bytes(struct strbuf *t, const void *bytes, size_t len) {
    strbuf_room(t, len);
    if (len) memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    t->bytes[t->len] = 0;
}

void strbuf_reset(struct strbuf *t) {
    t->len = 0;
    if (t->bytes) *t->bytes = 0;
}

void strbuf_free(struct strbuf *t) {
    free(t->bytes);
    *t = (struct strbuf){0};
}
