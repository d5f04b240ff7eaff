/* SPDX-License-Identifier: 0BSD */
/* Eight bytes a step; each step is a bijection of what came before, so that no difference is lost
 * on the way. */
#include "base/hash.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

uint64_t hash_bytes(uint64_t before, const void *bytes, size_t len) {
    const unsigned char *b = bytes;
    uint64_t h = mix(before, len + 1), word;
    size_t i = 0;
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, b + i, sizeof word);
        h = mix(h, word);
    }
    word = 0;
    if (i < len) memcpy(&word, b + i, len - i);
    h = mix(h, word);
    return h ? h : 1;
}
