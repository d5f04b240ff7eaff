/* SPDX-License-Identifier: 0BSD */
/* Access keys: user and secret in one text. */
#include "fuzz.h"

#include "batch/account.h"

#include <stdlib.h>
#include <string.h>

static void strangers_text(const char *text) {
    struct cred cred;
    uint8_t key[ACCESS_KEY_BYTES], hash[HASH_BYTES];
    char again[ACCESS_KEY_SIZE];
    if (account_key_parse(text, &cred)) return;
    MUST(base64url_decode(text, strlen(text), key, sizeof key) == ACCESS_KEY_BYTES);
    base64url_encode(key, sizeof key, again);
    MUST(strcmp(again, text) == 0);
    ids_sha256(key + 16, sizeof key - 16, hash);
    MUST(memcmp(cred.user.v, key, 16) == 0 && memcmp(cred.access_hash, hash, HASH_BYTES) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
    struct cred cred;
    uint8_t key[ACCESS_KEY_BYTES];
    char made[ACCESS_KEY_SIZE], *text = fuzz_text(data, size);
    strangers_text(text);
    free(text);
    fuzz_take(&data, &size, key, sizeof key);
    base64url_encode(key, sizeof key, made);
    MUST(account_key_parse(made, &cred) == E_OK && memcmp(cred.user.v, key, 16) == 0);
}
