/* SPDX-License-Identifier: 0BSD */
/* Times as operators write them: what is read is what stands there. */
#include "fuzz.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct when {
    int year, month, day, hour, minute, second;
};

static bool written(const char *text, struct when *w_r) {
    *w_r = (struct when){0};
    return sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &w_r->year, &w_r->month, &w_r->day, &w_r->hour,
                  &w_r->minute, &w_r->second) >= 5;
}

void fuzz_one(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size), back[RFC3339_SIZE];
    uint64_t at_ms, again_ms;
    struct when a, b;
    if (clock_parse(text, &at_ms)) {
        clock_rfc3339(at_ms, back);
        MUST(strlen(back) == strlen("2026-11-23T08:44:00.000Z"));
        MUST(clock_parse(back, &again_ms) && again_ms == at_ms);
        /* Without an offset, and but for the second that is added now and then, no field may have
         * moved on into the next one. */
        bool utc = size && (text[strlen(text) - 1] == 'Z' || text[strlen(text) - 1] == 'z');
        MUST(written(back, &b));
        if (utc && written(text, &a) && a.second < 60) MUST(memcmp(&a, &b, sizeof a) == 0);
    }
    free(text);
}
