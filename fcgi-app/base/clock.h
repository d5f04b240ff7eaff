/* SPDX-License-Identifier: 0BSD */
/* Time: RFC 3339 text and a monotonic clock for time-outs. What happened when is for the database's
 * clock to say; nothing here decides. */
#ifndef BOXOFFICE_CLOCK_H
#define BOXOFFICE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RFC3339_SIZE 32

/* "2026-11-23T08:44:00.000Z" of ms since 1970. */
void clock_rfc3339(uint64_t at_ms, char text_r[RFC3339_SIZE]);
/* Reads a time in RFC 3339's form, with "Z" or an offset of at most 23:59; seconds, and their
 * fraction, may be left out. False when it is none: no such day, second 60 (leap seconds are not
 * known here), before 1970, after 9999 in UTC. */
bool clock_parse(const char *text, uint64_t *at_ms_r);
/* Milliseconds, or nanoseconds, that never go back; the same for all processes of a host. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
/* Wall clock of this host, ms since 1970, for log lines only. */
uint64_t clock_wall_ms(void);
/* Sleeps, unless a signal comes. */
void clock_sleep_ms(uint64_t ms);

#endif
