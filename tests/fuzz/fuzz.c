/* SPDX-License-Identifier: 0BSD */
/* What the fuzz targets share, and libFuzzer's way in. */
#include "fuzz.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is logged about a stranger's bytes is not looked at here. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    log_init("fuzz", -1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_one(data, size);
    return 0;
}

void fuzz_broken(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, data, size);
    text[size] = 0;
    return text;
}

void fuzz_take(const uint8_t **data, size_t *size, void *bytes_r, size_t len) {
    size_t n = *size < len ? *size : len;
    memset(bytes_r, 0, len);
    if (n) memcpy(bytes_r, *data, n);
    *data += n;
    *size -= n;
}

int fuzz_file(const uint8_t *data, size_t size, const char **path_r) {
    static char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *path_r = path;
    return fd;
}

const struct token_keys *fuzz_keys(void) {
    static struct token_keys keys = {.count = 2,
                                     .key = {{.id = "k1", .len = 32}, {.id = "k0", .len = 16}}};
    memset(keys.key[0].secret, 'a', 32);
    memset(keys.key[1].secret, 'b', 16);
    return &keys;
}
