/* SPDX-License-Identifier: 0BSD */
/* Loaded into boxofficectl by tests/check/check.py: a machine whose clock, disk and time service
 * are as the test says. What a test can't do to the machine that it runs on. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static long number(const char *name, long otherwise) {
    const char *v = getenv(name);
    return v ? atol(v) : otherwise;
}

int clock_gettime(clockid_t id, struct timespec *t) {
    int status = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += number("DAMAGE_CLOCK_S", 0);
    return status;
}

time_t time(time_t *at) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (at) *at = t.tv_sec;
    return t.tv_sec;
}

int adjtimex(struct timex *t) {
    memset(t, 0, sizeof *t);
    t->status = number("DAMAGE_UNSYNC", 0) ? STA_UNSYNC : STA_PLL;
    return 0;
}

int statvfs(const char *restrict path, struct statvfs *restrict fs) {
    int (*real)(const char *, struct statvfs *);
    *(void **)&real = dlsym(RTLD_NEXT, "statvfs");
    int status = real(path, fs);
    fs->f_frsize = 4096;
    fs->f_blocks = 25000000; /* 100 GB */
    fs->f_bavail = fs->f_bfree =
        fs->f_blocks / 1000 * (unsigned long)number("DAMAGE_DISK_PERMILLE", 500);
    fs->f_files = fs->f_favail = 1000000;
    if (number("DAMAGE_INODES", 0)) fs->f_favail = 1;
    return status;
}
