/* SPDX-License-Identifier: 0BSD */
/* The codes of tickets: as token.c, for the other kind of payload. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void strangers_text(const char *text) {
    struct token_keys keys = *fuzz_keys();
    uint64_t pair[2];
    char again[TOKEN_TEXT_MAX];
    if (token_verify_pair(&keys, text, pair)) return;
    if (strncmp(text, "k0.", 3) == 0) keys.key[0] = keys.key[1];
    token_sign_pair(&keys, pair, again);
    MUST(strcmp(again, text) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
    uint64_t pair[2], back[2];
    struct token token;
    uint16_t at;
    uint8_t c;
    char text[TOKEN_TEXT_MAX], *given = fuzz_text(data, size);
    strangers_text(given);
    free(given);

    fuzz_take(&data, &size, &at, sizeof at);
    fuzz_take(&data, &size, pair, sizeof pair);
    token_sign_pair(fuzz_keys(), pair, text);
    MUST(token_verify_pair(fuzz_keys(), text, back) == E_OK && pair[0] == back[0] &&
         pair[1] == back[1]);
    MUST(token_verify(fuzz_keys(), text, &token) == E_QUEUE_TOKEN_INVALID);
    fuzz_take(&data, &size, &c, 1);
    at %= strlen(text);
    if (text[at] == (char)c) return;
    text[at] = (char)c;
    MUST(token_verify_pair(fuzz_keys(), text, back) == E_QUEUE_TOKEN_INVALID);
}
