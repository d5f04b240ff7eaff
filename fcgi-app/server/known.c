/* SPDX-License-Identifier: 0BSD */
/* Concerts and performances that the ticker knows. Ids only ever grow, as a rule: a new one goes to
 * the end. */
#include "server/known.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void list_add(struct list *list, void *item) {
    if (list->count == list->size) {
        list->size = list->size ? list->size * 2 : 64;
        list->at = realloc(list->at, list->size * sizeof *list->at);
        if (!list->at) abort();
    }
    list->at[list->count++] = item;
}

void list_drop(struct list *list, size_t index) {
    assert(index < list->count);
    list->at[index] = list->at[--list->count];
}

void list_free(struct list *list) {
    free(list->at);
    *list = (struct list){0};
}

/* Both kinds begin with their id. */
static uint64_t id_of(const void *item) { return *(const uint64_t *)item; }

/* Where the id is, or belongs. */
static size_t place_of(const struct list *list, uint64_t id) {
    size_t low = 0, high = list->count;
    if (high && id_of(list->at[high - 1]) < id) return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (id_of(list->at[middle]) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void *find(const struct list *list, uint64_t id) {
    size_t i = place_of(list, id);
    return i < list->count && id_of(list->at[i]) == id ? list->at[i] : NULL;
}

static void *add(struct list *list, uint64_t id, size_t size, bool *new_r) {
    size_t i = place_of(list, id);
    bool there = i < list->count && id_of(list->at[i]) == id;
    if (new_r) *new_r = !there;
    if (there) return list->at[i];
    void *item = calloc(1, size);
    if (!item) abort();
    *(uint64_t *)item = id;
    list_add(list, NULL);
    memmove(list->at + i + 1, list->at + i, (list->count - 1 - i) * sizeof *list->at);
    list->at[i] = item;
    return item;
}

struct known_concert *known_concert(const struct known *known, uint64_t concert) {
    return find(&known->concerts, concert);
}

struct known_performance *known_performance(const struct known *known, uint64_t performance) {
    return find(&known->performances, performance);
}

struct known_concert *known_concert_add(struct known *known, uint64_t concert, bool *new_r) {
    assert(concert);
    return add(&known->concerts, concert, sizeof(struct known_concert), new_r);
}

struct known_performance *known_performance_add(struct known *known, uint64_t performance,
                                                struct known_concert *of, bool *new_r) {
    bool fresh;
    assert(performance && of);
    struct known_performance *p = add(&known->performances, performance, sizeof *p, &fresh);
    if (fresh) {
        p->concert = of;
        p->next = of->performances;
        of->performances = p;
        of->performances_count++;
    }
    if (new_r) *new_r = fresh;
    return p;
}

void known_free(struct known *known) {
    for (size_t i = 0; i < known->concerts.count; i++) free(known->concerts.at[i]);
    for (size_t i = 0; i < known->performances.count; i++) free(known->performances.at[i]);
    list_free(&known->concerts);
    list_free(&known->performances);
}
