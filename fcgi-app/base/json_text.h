/* SPDX-License-Identifier: 0BSD */
/* Whether a text is JSON, to the letter of RFC 8259. Builds nothing: json-c does, from texts that
 * passed here. */
#ifndef BOXOFFICE_JSON_TEXT_H
#define BOXOFFICE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct json_text {
    size_t names;     /* how many members all its objects have, those given twice counted twice */
    bool nul_in_name; /* a name with \u0000 in it, which C takes for a shorter one */
};

/* True for one value with white space around, in UTF-8, with no more than `depth_max` arrays and
 * objects inside one another. Surrogates must come in pairs: what half of one means differs from
 * reader to reader. */
bool json_text_scan(const char *text, size_t len, unsigned depth_max, struct json_text *seen_r)
    __attribute__((warn_unused_result));

#endif
