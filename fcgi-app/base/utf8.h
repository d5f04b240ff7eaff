/* SPDX-License-Identifier: 0BSD */
/* UTF-8, as RFC 3629 has it, and what people mean by a text that says something. */
#ifndef BOXOFFICE_UTF8_H
#define BOXOFFICE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8_text {
    bool valid;   /* what follows is about all of the text only if it is */
    size_t chars; /* code points */
    bool control; /* it has control characters: U+0000 to U+001F, U+007F to U+009F */
    bool blank;   /* it has nothing but white space, or nothing */
};

/* The character that begins at `bytes`: how many bytes it has, 1 to 4; 0 when there is none:
 * overlong forms, halves of surrogate pairs and what is past U+10FFFF are none either. `len` is
 * what is left of the text. */
size_t utf8_next(const char *bytes, size_t len, uint32_t *code_r);
struct utf8_text utf8_look(const char *bytes, size_t len);

#endif
