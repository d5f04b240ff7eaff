/* nginx's notes of its own errors: every whole line is counted once, in however many pieces the file grew. */
#include "fuzz.h"

#include "board/nginx_errors.h"

#include <string.h>
#include <unistd.h>

static uint64_t counted(const struct stats *stats) {
    uint64_t n = 0;
    for (size_t e = 0; e < E_COUNT; e++) n += stats_get(&stats->nginx_errors[e]);
    return n;
}

static void forget(struct stats *stats) {
    memset(stats->nginx_errors, 0, sizeof stats->nginx_errors);
    stats->nginx_errors_inode = stats->nginx_errors_offset = 0;
}

void fuzz_one(const uint8_t *data, size_t size) {
    static struct stats *stats;
    uint64_t at_once[E_COUNT], lines = 0;
    uint16_t cut;
    const char *path;
    if (!stats) stats = stats_create(1);
    MUST(stats);
    fuzz_take(&data, &size, &cut, sizeof cut);
    cut = (uint16_t)(size ? cut % (size + 1) : 0);
    for (size_t i = 0; i < size; i++) lines += data[i] == '\n';

    forget(stats);
    int fd = fuzz_file(data, size, &path);
    nginx_errors_read(path, stats);
    close(fd);
    MUST(counted(stats) == lines && stats->nginx_errors_offset <= size);
    memcpy(at_once, stats->nginx_errors, sizeof at_once);

    forget(stats);
    fd = fuzz_file(data, cut, &path);
    nginx_errors_read(path, stats);
    MUST(write(fd, data + cut, size - cut) == (ssize_t)(size - cut));
    nginx_errors_read(path, stats);
    nginx_errors_read(path, stats);
    close(fd);
    MUST(memcmp(at_once, stats->nginx_errors, sizeof at_once) == 0);
}
