/* SPDX-License-Identifier: 0BSD */
/* The table of errors, from err.def. */
#include "base/err.h"

#include <string.h>

static const struct {
    const char *name;
    int status;
    const char *text;
} rows[E_COUNT] = {
#define ERR(name, status, text) [E_##name] = {#name, status, text},
#include "base/err.def"
#undef ERR
};

const char *err_name(enum err e) { return rows[e].name; }

int err_status(enum err e) { return rows[e].status; }

const char *err_text(enum err e) { return rows[e].text; }

enum err err_by_name(const char *name, size_t len) {
    for (size_t i = 0; i < E_COUNT; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) return (enum err)i;
    return E_INTERNAL;
}
