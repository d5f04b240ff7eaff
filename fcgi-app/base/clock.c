/* SPDX-License-Identifier: 0BSD */
/* Time as text, and clocks. */
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

/* Past it a year has five digits, and clock_rfc3339 no room for them. */
#define YEAR_9999_END_S 253402300799

void clock_rfc3339(uint64_t at_ms, char text_r[RFC3339_SIZE]) {
    time_t s = (time_t)(at_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    snprintf(text_r, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)(tm.tm_mon + 1) % 100u,
             (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
             (unsigned)tm.tm_sec % 100u, (unsigned)(at_ms % 1000));
}

/* strptime takes February 31st, one digit for two and spaces before them: what an operator mistyped
 * would be another day. So the form is read here, each part within its own bounds. */

static bool take(const char **s, char upper, char lower) {
    bool there = **s && (**s == upper || **s == lower);
    *s += there;
    return there;
}

/* Exactly so many digits, of a number within bounds. */
static bool take_number(const char **s, int digits, int least, int most, int *v_r) {
    *v_r = 0;
    for (; digits > 0; digits--, ++*s) {
        if (**s < '0' || **s > '9') return false;
        *v_r = *v_r * 10 + (**s - '0');
    }
    return *v_r >= least && *v_r <= most;
}

static int days_of(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* A fraction's digits, as milliseconds; what is finer is dropped. */
static bool take_fraction(const char **s, int *ms_r) {
    int digit, scale = 100;
    *ms_r = 0;
    if (!take_number(s, 1, 0, 9, &digit)) return false;
    for (*ms_r = digit * scale; **s >= '0' && **s <= '9'; ++*s)
        *ms_r += (**s - '0') * (scale /= 10);
    return true;
}

static bool take_offset(const char **s, long *offset_s_r) {
    int hours, minutes, sign = **s == '-' ? -1 : 1;
    *offset_s_r = 0;
    if (take(s, 'Z', 'z')) return true;
    if (!take(s, '+', '-') || !take_number(s, 2, 0, 23, &hours) || !take(s, ':', ':') ||
        !take_number(s, 2, 0, 59, &minutes))
        return false;
    *offset_s_r = sign * (hours * 3600L + minutes * 60L);
    return true;
}

bool clock_parse(const char *text, uint64_t *at_ms_r) {
    assert(text && at_ms_r);
    const char *s = text;
    int year, month, ms = 0;
    long offset_s;
    struct tm tm = {0};
    if (!take_number(&s, 4, 0, 9999, &year) || !take(&s, '-', '-') ||
        !take_number(&s, 2, 1, 12, &month) || !take(&s, '-', '-') ||
        !take_number(&s, 2, 1, days_of(year, month), &tm.tm_mday) || !take(&s, 'T', 't') ||
        !take_number(&s, 2, 0, 23, &tm.tm_hour) || !take(&s, ':', ':') ||
        !take_number(&s, 2, 0, 59, &tm.tm_min))
        return false;
    if (take(&s, ':', ':')) {
        if (!take_number(&s, 2, 0, 59, &tm.tm_sec))
            return false; /* no clock here knows a leap second */
        if (take(&s, '.', '.') && !take_fraction(&s, &ms)) return false;
    }
    if (!take_offset(&s, &offset_s) || *s) return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    int64_t at_s = (int64_t)timegm(&tm) - offset_s;
    if (at_s < 0 || at_s > YEAR_9999_END_S) return false;
    *at_ms_r = (uint64_t)at_s * 1000 + (uint64_t)ms;
    return true;
}

static uint64_t read_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void) { return read_ns(CLOCK_MONOTONIC); }

uint64_t clock_mono_ms(void) { return clock_mono_ns() / 1000000; }

uint64_t clock_wall_ms(void) { return read_ns(CLOCK_REALTIME) / 1000000; }

void clock_sleep_ms(uint64_t ms) {
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}
