/* Texts that grow. */
#include "base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
