/* SPDX-License-Identifier: 0BSD */
/* Queue tokens: what was signed verifies and says the same, and nothing else does. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct token *a, const struct token *b) {
    return user_id_equal(a->user, b->user) && a->concert.v == b->concert.v &&
           a->number == b->number && a->joined_at_ms == b->joined_at_ms && a->ahead == b->ahead;
}

/* Of a stranger. One that verifies after all (the corpus has some) is the very text that would be
 * signed. */
static void strangers_text(const char *text) {
    struct token_keys keys = *fuzz_keys();
    struct token token;
    char again[TOKEN_TEXT_MAX];
    if (token_verify(&keys, text, &token)) return;
    if (strncmp(text, "k0.", 3) == 0) keys.key[0] = keys.key[1];
    token_sign(&keys, &token, again);
    MUST(strcmp(again, text) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
    struct token token, back;
    uint64_t pair[2];
    uint16_t at;
    char text[TOKEN_TEXT_MAX], *given = fuzz_text(data, size);
    strangers_text(given);
    free(given);

    fuzz_take(&data, &size, &at, sizeof at);
    fuzz_take(&data, &size, &token, sizeof token);
    token_sign(fuzz_keys(), &token, text);
    MUST(strlen(text) < sizeof text);
    MUST(token_verify(fuzz_keys(), text, &back) == E_OK && same(&token, &back));
    MUST(token_verify_pair(fuzz_keys(), text, pair) == E_QUEUE_TOKEN_INVALID);
    /* Any one character changed, to whatever it may be. */
    uint8_t c;
    fuzz_take(&data, &size, &c, 1);
    at %= strlen(text);
    if (text[at] == (char)c) return;
    text[at] = (char)c;
    MUST(token_verify(fuzz_keys(), text, &back) == E_QUEUE_TOKEN_INVALID);
}
