/* SPDX-License-Identifier: 0BSD */
/* nginx's notes of its own errors: every whole line is counted once, in however many pieces the
 * file grew. */
#include "fuzz.h"

#include "board/nginx_errors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By error; returns how many in all. */
static uint64_t counted(const struct stats *stats, uint64_t count_r[E_COUNT]) {
    uint64_t n = 0;
    for (size_t e = 0; e < E_COUNT; e++) n += count_r[e] = stats_get(&stats->nginx_errors[e]);
    return n;
}

static void forget(struct stats *stats) {
    for (size_t e = 0; e < E_COUNT; e++) stats->nginx_errors[e] = 0;
    stats->nginx_errors_inode = stats->nginx_errors_offset = 0;
}

void fuzz_one(const uint8_t *data, size_t size) {
    static struct stats *stats;
    uint64_t at_once[E_COUNT], in_pieces[E_COUNT], lines = 0;
    uint16_t cut;
    const char *path;
    if (!stats) stats = calloc(1, sizeof *stats);
    MUST(stats);
    fuzz_take(&data, &size, &cut, sizeof cut);
    cut = (uint16_t)(size ? cut % (size + 1) : 0);
    for (size_t i = 0; i < size; i++) lines += data[i] == '\n';

    forget(stats);
    int fd = fuzz_file(data, size, &path);
    nginx_errors_read(path, stats);
    close(fd);
    MUST(counted(stats, at_once) == lines && stats->nginx_errors_offset <= size);

    forget(stats);
    fd = fuzz_file(data, cut, &path);
    nginx_errors_read(path, stats);
    MUST(write(fd, data + cut, size - cut) == (ssize_t)(size - cut));
    nginx_errors_read(path, stats);
    nginx_errors_read(path, stats);
    close(fd);
    MUST(counted(stats, in_pieces) == lines && memcmp(at_once, in_pieces, sizeof at_once) == 0);
}
