/* SPDX-License-Identifier: 0BSD */
/* Looking at the service and the host while a rehearsal runs: /status over the service's own
 * socket, past nginx and its limits, and /proc. */
#ifndef BOXOFFICE_REHEARSE_WATCH_H
#define BOXOFFICE_REHEARSE_WATCH_H

#include "admin/rehearse_seen.h"
#include "base/conf.h"

/* Counts of the service since it was started. */
struct watch_counts {
    uint64_t database_ms, statements, retries, batches, batched, limited, busy;
    bool nginx_known;
};
struct watch_cpu {
    uint64_t all, idle; /* ticks of all cores */
};
enum watch_program { PROGRAM_NGINX, PROGRAM_SERVICE, PROGRAM_DATABASE, PROGRAMS };

struct watch {
    const struct conf *conf;
    bool seen;     /* the service could be looked at */
    char why[200]; /* when it could not: what to do */
    unsigned cores;
    uint64_t readers, writers;
    struct watch_counts first, last;
    struct watch_cpu cpu;
    uint64_t program_ms[PROGRAMS]; /* processor time of those that run, during it */
    struct watch_programs {
        uint64_t ms[PROGRAMS];
    } before;
};

void watch_begin(struct watch *w_r, const struct conf *conf);
/* Fills in the command's part of a second. */
void watch_second(struct watch *w, struct second *second_r);
void watch_end(struct watch *w);
const char *program_name(enum watch_program program);

#endif
