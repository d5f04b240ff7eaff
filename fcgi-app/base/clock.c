/* Time as text, and clocks. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void clock_rfc3339(uint64_t at_ms, char text_r[RFC3339_SIZE]) {
    time_t s = (time_t)(at_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    snprintf(text_r, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
             (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
             (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, (unsigned)(at_ms % 1000));
}

bool clock_parse(const char *text, uint64_t *at_ms_r) {
    struct tm tm = {0};
    const char *s = strptime(text, "%Y-%m-%dT%H:%M", &tm);
    if (!s) return false;
    if (*s == ':') {
        s = strptime(s, ":%S", &tm);
        if (!s) return false;
    }
    unsigned ms = 0;
    if (*s == '.') {
        unsigned scale = 100;
        for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10) ms += (unsigned)(*s - '0') * scale;
    }
    long offset_s = 0;
    if (*s == '+' || *s == '-') {
        unsigned h, m;
        int used = 0;
        if (sscanf(s + 1, "%2u:%2u%n", &h, &m, &used) != 2 || used != 5) return false;
        offset_s = (long)(h * 3600 + m * 60) * (*s == '-' ? -1 : 1);
        s += 6;
    } else if (*s == 'Z' || *s == 'z') {
        s++;
    } else {
        return false;
    }
    if (*s) return false;
    time_t at = timegm(&tm) - offset_s;
    if (at < 0) return false;
    *at_ms_r = (uint64_t)at * 1000 + ms;
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
