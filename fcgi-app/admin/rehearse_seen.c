/* SPDX-License-Identifier: 0BSD */
/* The memory that the load process and the command share, and counting in buckets. */
#include "admin/rehearse_seen.h"

#include <assert.h>
#include <math.h>
#include <sys/mman.h>

struct seen *seen_new(size_t seconds_max) {
    struct seen *s = mmap(NULL, sizeof *s + seconds_max * sizeof s->second[0],
                          PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) return NULL;
    s->seconds_max = seconds_max;
    return s;
}

const char *step_name(enum step step) {
    static const char *const names[STEPS] = {"sign up", "join",    "queue file", "place",
                                             "dates",   "seats",   "hold",       "charge",
                                             "pay",     "release", "leave"};
    return names[step];
}

const char *trouble_name(enum trouble trouble) {
    static const char *const names[TROUBLES] = {"none", "no connection", "connection closed",
                                                "no answer in time", "no HTTP"};
    return names[trouble];
}

/* Below 8 each value has its own; then eight to each power of two. */
static size_t bucket_of(uint64_t v) {
    if (v < 8) return (size_t)v;
    unsigned power = 63u - (unsigned)__builtin_clzll(v);
    size_t at = (power - 2) * 8 + (v >> (power - 3) & 7);
    return at < HIST_BUCKETS ? at : HIST_BUCKETS - 1;
}

static uint64_t bucket_most(size_t at) {
    if (at < 8) return at;
    if (at == HIST_BUCKETS - 1) return UINT64_MAX; /* all that is more, too */
    unsigned power = (unsigned)(at / 8) + 2;
    return ((8 + at % 8 + 1) << (power - 3)) - 1;
}

void hist_add(struct hist *h, uint64_t v) {
    h->count++;
    h->bucket[bucket_of(v)]++;
    if (v > h->max) h->max = v;
}

uint64_t hist_percentile(const struct hist *h, double share) {
    assert(share > 0 && share <= 1);
    uint64_t wanted = (uint64_t)ceil(share * (double)h->count), so_far = 0;
    for (size_t i = 0; i < HIST_BUCKETS && h->count; i++) {
        so_far += h->bucket[i];
        if (so_far >= wanted) return bucket_most(i) < h->max ? bucket_most(i) : h->max;
    }
    return h->max;
}
