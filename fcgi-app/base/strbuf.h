/* SPDX-License-Identifier: 0BSD */
/* A text that grows, for answers that are put together line by line. */
#ifndef BOXOFFICE_STRBUF_H
#define BOXOFFICE_STRBUF_H

#include <stddef.h>
#include <stdint.h>

/* Begins as {0}; `bytes` is for the caller to free. */
struct strbuf {
    char *bytes;
    size_t len, size;
};

/* What is put together for every request goes without printf: bytes, a whole number, a text as a
 * JSON string with its quotes, a time as one (RFC 3339; null for 0). */
void strbuf_bytes(struct strbuf *t, const void *bytes, size_t len);
#define STRBUF_LITERAL(t, text) strbuf_bytes(t, text, sizeof(text) - 1)
void strbuf_u64(struct strbuf *t, uint64_t v);
void strbuf_json(struct strbuf *t, const char *text);
void strbuf_json_time(struct strbuf *t, uint64_t at_ms);
/* Room for `len` bytes more and a NUL, to be written by the caller from there on. */
char *strbuf_room(struct strbuf *t, size_t len);
/* Bytes in hexadecimal. */
void strbuf_hex(struct strbuf *t, const void *bytes, size_t len);
/* Empties it; keeps its memory, or gives it back. */
void strbuf_reset(struct strbuf *t);
void strbuf_free(struct strbuf *t);

__attribute__((format(printf, 2, 3))) void strbuf_add(struct strbuf *t, const char *format, ...);

#endif
