/* SPDX-License-Identifier: 0BSD */
/* Reading nginx's notes of its own errors. */
#include "board/nginx_errors.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS_MAX 16

/* Counts whole lines. Returns how many bytes they take; a line that has not ended yet is left for
 * later. */
static size_t count_lines(const char *text, size_t len, struct stats *stats) {
    size_t at = 0;
    for (const char *end; (end = memchr(text + at, '\n', len - at)); at = (size_t)(end - text) + 1)
        stats_add(&stats->nginx_errors[err_by_name(text + at, (size_t)(end - text) - at)], 1);
    return at;
}

void nginx_errors_read(const char *path, struct stats *stats) {
    static char buffer[65536];
    struct stat st;
    /* Nearly always there is nothing new: one look tells. */
    if (stat(path, &st) || !S_ISREG(st.st_mode)) return;
    if ((uint64_t)st.st_ino != stats->nginx_errors_inode ||
        (uint64_t)st.st_size < stats->nginx_errors_offset)
        stats->nginx_errors_offset = 0;
    stats->nginx_errors_inode = (uint64_t)st.st_ino;
    bool all = (uint64_t)st.st_size == stats->nginx_errors_offset;
    int fd = all && stats_get(&stats->nginx_errors_known) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    atomic_store(&stats->nginx_errors_known, 1);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        ssize_t n = pread(fd, buffer, sizeof buffer, (off_t)stats->nginx_errors_offset);
        if (n <= 0) break;
        size_t used = count_lines(buffer, (size_t)n, stats);
        if (used == 0 && (size_t)n == sizeof buffer) used = sizeof buffer; /* not ours */
        stats->nginx_errors_offset += used;
        if ((size_t)n < sizeof buffer) break;
    }
    close(fd);
}
