/* SPDX-License-Identifier: 0BSD */
/* Lists of seat numbers, as the database keeps them. */
#include "fuzz.h"

#include "batch/reservation.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size), back[SEATS_TEXT_MAX];
    struct seat_numbers seats, again;
    seat_numbers_parse(text, &seats);
    MUST(seats.count <= SEATS_MAX);
    bool all_are_seats = true; /* which are numbered with 32 bits */
    for (size_t i = 0; i < seats.count; i++)
        all_are_seats = all_are_seats && seats.number[i] <= UINT32_MAX;
    if (all_are_seats) {
        seat_numbers_text(&seats, back);
        MUST(strlen(back) < sizeof back);
        seat_numbers_parse(back, &again);
        MUST(again.count == seats.count);
        for (size_t i = 0; i < seats.count; i++) MUST(again.number[i] == seats.number[i]);
    }
    free(text);
}
