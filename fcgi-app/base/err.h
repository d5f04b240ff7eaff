/* SPDX-License-Identifier: 0BSD */
/* Errors as values: one enum for everything that can go wrong, its rows in err.def. */
#ifndef BOXOFFICE_ERR_H
#define BOXOFFICE_ERR_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))

enum err {
#define ERR(name, status, text) E_##name,
#include "base/err.def"
#undef ERR
    E_COUNT
};

/* The stable public name, e.g. "SEAT_TAKEN". Static memory. */
const char *err_name(enum err e);
/* The HTTP status, or 0 when it is never shown. */
int err_status(enum err e);
/* One English sentence for people. Static memory. */
const char *err_text(enum err e);
/* The error of that name (len bytes, no NUL needed); E_INTERNAL when there is none. */
enum err err_by_name(const char *name, size_t len);

#endif
