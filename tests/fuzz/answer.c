/* SPDX-License-Identifier: 0BSD */
/* Answers as the people of a rehearsal read them: the same in however many pieces they came, and
 * nothing is found outside of them. */
#include "fuzz.h"

#include "admin/rehearse_answer.h"

#include <stdlib.h>
#include <string.h>

static void look(const struct answer *a, uint16_t pick) {
    uint64_t id, price, seat[4];
    char text[20];
    size_t n = answer_seats(a, pick / 65536.0, 4, seat);
    MUST(n <= 4);
    for (size_t i = 1; i < n; i++) MUST(seat[i] == seat[i - 1] + 1);
    if (answer_text(a, "token", text, sizeof text)) MUST(strlen(text) < sizeof text);
    if (answer_date(a, pick, &id, &price)) MUST(strstr(a->body, "availableSeats"));
    if (answer_u64(a, "number", &id)) MUST(strstr(a->body, "\"number\":"));
}

void fuzz_one(const uint8_t *data, size_t size) {
    struct answer at_once, part, in_pieces;
    uint16_t cut, pick;
    uint8_t ended;
    fuzz_take(&data, &size, &cut, sizeof cut);
    fuzz_take(&data, &size, &pick, sizeof pick);
    fuzz_take(&data, &size, &ended, sizeof ended);
    char *whole = fuzz_text(data, size), *pieces = fuzz_text(data, size);
    enum answer_state state = answer_read(whole, size, ended & 1, &at_once);
    cut = (uint16_t)(size ? cut % size : 0);
    if (size > 0 && answer_read(pieces, cut, false, &part) == ANSWER_PART) {
        memcpy(pieces, data, size); /* what has come since */
        MUST(answer_read(pieces, size, ended & 1, &in_pieces) == state);
        if (state == ANSWER_WHOLE)
            MUST(in_pieces.status == at_once.status && in_pieces.len == at_once.len &&
                 memcmp(in_pieces.body, at_once.body, at_once.len + 1) == 0);
    }
    if (state == ANSWER_WHOLE) {
        MUST(at_once.status >= 200 && at_once.body >= whole);
        MUST(at_once.body + at_once.len <= whole + size && at_once.body[at_once.len] == 0);
        look(&at_once, pick);
    }
    free(whole);
    free(pieces);
}
