/* SPDX-License-Identifier: 0BSD */
/* What the fuzz targets share. A target is one file NAME.c with fuzz_one(): it takes bytes of a
 * stranger, gives them to one reader of this program, and says by MUST what has to be so, whatever
 * the bytes were. That nothing is read or written beside its memory is for the sanitizers to see,
 * with which all of it is built.
 *
 * Beside it may stand NAME.dict (words that libFuzzer tries), and in corpus/NAME/ what has once led
 * somewhere new. */
#ifndef BOXOFFICE_TESTS_FUZZ_H
#define BOXOFFICE_TESTS_FUZZ_H

#include "base/token.h"

#include <stddef.h>
#include <stdint.h>

/* The target. */
void fuzz_one(const uint8_t *data, size_t size);

/* Ends the process with the line, for libFuzzer to keep the input. */
#define MUST(so) ((so) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #so))
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* The input as a text that ends where its memory does, so that one character too many is seen. To
 * be freed. */
char *fuzz_text(const uint8_t *data, size_t size);

/* The next `len` bytes of the input; zeros past its end. */
void fuzz_take(const uint8_t **data, size_t *size, void *bytes_r, size_t len);

/* A file with these bytes, at *path_r until it is closed. */
int fuzz_file(const uint8_t *data, size_t size, const char **path_r);

/* Always the same two keys, so that the corpus can hold tokens that verify. */
const struct token_keys *fuzz_keys(void);

#endif
