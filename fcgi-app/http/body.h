/* SPDX-License-Identifier: 0BSD */
/* Strict JSON bodies: an object, its fields by name and type, nothing unknown, nothing twice. */
#ifndef BOXOFFICE_BODY_H
#define BOXOFFICE_BODY_H

#include "http/resp.h"

#include <stdint.h>

/* Parses a body that must be an object with no other than these fields (NULL-terminated list);
 * `text` has a NUL at its end. An empty body counts as {} when there are none. The body is for the
 * caller to put. Errors: MALFORMED_JSON (no JSON by RFC 8259, no UTF-8, a name twice in one object,
 * more than 8 arrays and objects inside one another, half a surrogate pair), VALIDATION_FAILED
 * (told in resp). */
enum err body_parse(const char *text, size_t len, const char *const *fields, struct resp *resp,
                    struct json_object **body_r) MUST_USE;
/* A whole number in [least, most]. */
enum err body_u64(struct json_object *body, const char *field, uint64_t least, uint64_t most,
                  struct resp *resp, uint64_t *v_r) MUST_USE;
/* A text of least to most characters (code points), without control characters, and unless least is
 * 0 not of white space alone. Lives as long as the body. */
enum err body_text(struct json_object *body, const char *field, size_t least, size_t most,
                   struct resp *resp, const char **text_r) MUST_USE;
/* 1 to most distinct numbers from 1; handed over in ascending order. v_r has room for most. */
enum err body_numbers(struct json_object *body, const char *field, size_t most, struct resp *resp,
                      uint64_t *v_r, size_t *count_r) MUST_USE;

#endif
