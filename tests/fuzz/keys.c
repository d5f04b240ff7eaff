/* SPDX-License-Identifier: 0BSD */
/* The file of signing keys: what is taken can sign and verify, and what is refused is told why in
 * one line. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

static void usable(const struct token_keys *keys) {
    struct token token = {.number = 7}, back;
    char text[TOKEN_TEXT_MAX];
    MUST(keys->count >= 1 && keys->count <= TOKEN_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++) {
        const char *id = keys->key[i].id;
        MUST(*id && memchr(id, 0, TOKEN_KEY_ID_MAX + 1) && !strchr(id, '.'));
        MUST(keys->key[i].len >= 16 && keys->key[i].len <= sizeof keys->key[i].secret);
        /* With one id twice, tokens of the second would be refused. */
        for (size_t k = 0; k < i; k++) MUST(strcmp(keys->key[k].id, id) != 0);
    }
    token_sign(keys, &token, text);
    MUST(token_verify(keys, text, &back) == E_OK && back.number == 7);
}

void fuzz_one(const uint8_t *data, size_t size) {
    static struct token_keys keys;
    char why[300];
    const char *path;
    int fd = fuzz_file(data, size, &path);
    memset(why, 1, sizeof why);
    if (token_keys_load(path, &keys, why, sizeof why))
        usable(&keys);
    else
        MUST(memchr(why, 0, sizeof why) && *why && !strchr(why, '\n'));
    close(fd);
}
