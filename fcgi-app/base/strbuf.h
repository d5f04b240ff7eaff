/* A text that grows, for answers that are put together line by line. */
#ifndef BOXOFFICE_STRBUF_H
#define BOXOFFICE_STRBUF_H

#include <stddef.h>

/* Begins as {0}; `bytes` is for the caller to free. */
struct strbuf {
    char *bytes;
    size_t len, size;
};

__attribute__((format(printf, 2, 3))) void strbuf_add(struct strbuf *t, const char *format, ...);

/* Bytes in hexadecimal; bytes as they are. */
void strbuf_hex(struct strbuf *t, const void *bytes, size_t len);
void strbuf_bytes(struct strbuf *t, const void *bytes, size_t len);
/* Empties it; keeps its memory, or gives it back. */
void strbuf_reset(struct strbuf *t);
void strbuf_free(struct strbuf *t);

#endif
