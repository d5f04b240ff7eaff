/* SPDX-License-Identifier: 0BSD */
/* The rows that rules work on: lists, looking up, names. */
#include "sale/sale.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *add(void **list, size_t *count, size_t *size, size_t row_bytes) {
    if (*count == *size) {
        *size = *size ? *size * 2 : 64;
        *list = realloc(*list, *size * row_bytes);
        if (!*list) abort();
    }
    void *row = (char *)*list + (*count)++ * row_bytes;
    return memset(row, 0, row_bytes);
}

#define ADD(type, function, list)                                                                  \
    type *function(struct sale *s) {                                                               \
        void *rows = s->list;                                                                      \
        type *row = add(&rows, &s->list##_count, &s->list##_size, sizeof *row);                    \
        s->list = rows;                                                                            \
        return row;                                                                                \
    }
ADD(struct user_row, sale_add_user, users)
ADD(struct place_row, sale_add_place, places)
ADD(struct performance_row, sale_add_performance, performances)
ADD(struct reservation_row, sale_add_reservation, reservations)
ADD(struct seat_row, sale_add_seat, seats)
ADD(struct have_row, sale_add_have, haves)
ADD(struct queue_event, sale_add_queue_event, queue_events)
ADD(struct reservation_event, sale_add_reservation_event, reservation_events)
ADD(struct payment_row, sale_add_payment, payments)
ADD(struct entry_row, sale_add_entry, entries)

void sale_reset(struct sale *s) {
    s->now_ms = 0;
    s->queue_found = false;
    s->queue = (struct queue_row){0};
    s->users_count = s->places_count = s->performances_count = s->reservations_count =
        s->seats_count = 0;
    s->haves_count = s->queue_events_count = s->reservation_events_count = s->payments_count =
        s->entries_count = 0;
}

void sale_free(struct sale *s) {
    free(s->users);
    free(s->places);
    free(s->performances);
    free(s->reservations);
    free(s->seats);
    free(s->haves);
    free(s->queue_events);
    free(s->reservation_events);
    free(s->payments);
    free(s->entries);
    memset(s, 0, sizeof *s);
}

struct user_row *sale_user(const struct sale *s, struct user_id id) {
    for (size_t i = 0; i < s->users_count; i++)
        if (user_id_equal(s->users[i].id, id)) return &s->users[i];
    return NULL;
}

struct performance_row *sale_performance(const struct sale *s, struct performance_id id) {
    for (size_t i = 0; i < s->performances_count; i++)
        if (s->performances[i].id.v == id.v) return &s->performances[i];
    return NULL;
}

struct reservation_row *sale_reservation(const struct sale *s, struct reservation_id id) {
    for (size_t i = 0; i < s->reservations_count; i++)
        if (s->reservations[i].id.v == id.v && id.v) return &s->reservations[i];
    return NULL;
}

struct place_row *sale_place(const struct sale *s, uint64_t number, struct user_id user) {
    for (size_t i = 0; i < s->places_count; i++)
        if (s->places[i].number == number && user_id_equal(s->places[i].user, user))
            return &s->places[i];
    return NULL;
}

struct seat_row *sale_seat(const struct sale *s, struct performance_id performance,
                           uint64_t number) {
    for (size_t i = 0; i < s->seats_count; i++)
        if (s->seats[i].number == number && s->seats[i].performance.v == performance.v)
            return &s->seats[i];
    return NULL;
}

size_t sale_index(const struct sale *s, const struct reservation_row *r) {
    assert(r >= s->reservations && r < s->reservations + s->reservations_count);
    return (size_t)(r - s->reservations);
}

static const char *const place_states[] = {"WAITING", "ACTIVE", "COMPLETED", "LEFT", "EXPIRED"};
static const char *const statuses[] = {"HELD", "PAID", "RELEASED", "EXPIRED", "CANCELLED"};

const char *place_state_name(enum place_state state) { return place_states[state]; }

const char *reservation_status_name(enum reservation_status status) { return statuses[status]; }

const char *queue_event_name(enum queue_event_kind kind) {
    static const char *const names[] = {"ADMIT", "COMPLETE", "LEAVE", "EXPIRE", "NO_SHOW"};
    return names[kind];
}

const char *entry_type_name(enum entry_type type) {
    static const char *const names[] = {"CHARGE", "PAYMENT", "REFUND"};
    return names[type];
}

enum place_state place_state_parse(const char *text) {
    for (enum place_state s = PLACE_WAITING; s < PLACE_EXPIRED; s++)
        if (strcmp(place_states[s], text) == 0) return s;
    return PLACE_EXPIRED;
}

enum reservation_status reservation_status_parse(const char *text) {
    for (enum reservation_status s = RESERVATION_HELD; s <= RESERVATION_CANCELLED; s++)
        if (strcmp(statuses[s], text) == 0) return s;
    return RESERVATION_EXPIRED;
}
