/* SPDX-License-Identifier: 0BSD */
/* UUIDs and numbers as they stand in paths and queries. */
#include "fuzz.h"

#include "base/ids.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void uuid(const char *text) {
    struct user_id id, again;
    char back[UUID_TEXT_SIZE];
    if (!user_id_parse(text, &id)) return;
    user_id_text(id, back);
    MUST(strlen(text) == strlen(back));
    for (size_t i = 0; back[i]; i++) MUST(tolower((unsigned char)text[i]) == back[i]);
    MUST(user_id_parse(back, &again) && user_id_equal(id, again));
}

static void number(const char *text, size_t len) {
    char back[24];
    uint64_t v = ids_parse_u64(text, len);
    MUST(v <= INT64_MAX);
    if (v == 0) return;
    MUST((size_t)snprintf(back, sizeof back, "%" PRIu64, v) == len);
    MUST(memcmp(back, text, len) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    uuid(text);
    number(text, size);
    free(text);
}
