/* A text that grows, for answers that are put together line by line. */
#ifndef BOXOFFICE_TEXT_H
#define BOXOFFICE_TEXT_H

#include <stddef.h>

/* Begins as {0}; `bytes` is for the caller to free. */
struct text {
    char *bytes;
    size_t len, size;
};

__attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *format, ...);

#endif
