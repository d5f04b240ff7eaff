/* SPDX-License-Identifier: 0BSD */
/* Counting. */
#include "board/stats.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

const uint64_t stats_bucket_us[STATS_BUCKETS] = {250,    500,     1000,    2500,      5000,
                                                 10000,  25000,   50000,   100000,    250000,
                                                 500000, 1000000, 2500000, UINT64_MAX};

struct stats *stats_create(uint64_t readers, uint64_t writers) {
    uint64_t workers = readers + writers;
    size_t bytes = sizeof(struct stats) + workers * sizeof(struct stats_worker);
    struct stats *stats =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stats == MAP_FAILED) return NULL;
    stats->workers = workers;
    stats->writers = writers;
    stats->started_ms = clock_mono_ms();
    stats->started_at_ms = clock_wall_ms();
    return stats;
}

void stats_add(stats_count *count, uint64_t n) {
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

uint64_t stats_get(const stats_count *count) {
    return atomic_load_explicit(count, memory_order_relaxed);
}

void stats_request(struct stats_worker *worker, size_t route, enum err outcome, uint64_t time_us) {
    size_t b = 0;
    while (time_us > stats_bucket_us[b]) b++;
    stats_add(&worker->requests[route][outcome], 1);
    stats_add(&worker->bucket[route][b], 1);
    stats_add(&worker->time_us[route], time_us);
}

uint64_t stats_sum(const struct stats *stats, size_t offset) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < stats->workers; i++)
        n += stats_get((const stats_count *)((const char *)&stats->worker[i] + offset));
    return n;
}

static void count_states(const struct stats *stats, uint64_t from, uint64_t to, uint64_t *busy_r,
                         uint64_t *idle_r) {
    *busy_r = *idle_r = 0;
    for (uint64_t i = from; i < to; i++) {
        if (!stats_get(&stats->worker[i].pid)) continue;
        ++*(stats_get(&stats->worker[i].busy_since_ms) ? busy_r : idle_r);
    }
}

void stats_workers(const struct stats *stats, uint64_t *busy_r, uint64_t *idle_r) {
    count_states(stats, 0, stats->workers - stats->writers, busy_r, idle_r);
}

void stats_writers(const struct stats *stats, uint64_t *busy_r, uint64_t *idle_r) {
    count_states(stats, stats->workers - stats->writers, stats->workers, busy_r, idle_r);
}

uint64_t stats_memory_bytes(uint64_t pid) {
    char path[64];
    uint64_t resident, shared;
    if (!pid) return 0;
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/statm", pid);
    FILE *f = fopen(path, "re");
    int got = f ? fscanf(f, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) : 0;
    if (f) fclose(f);
    return got == 2 ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
