/* SPDX-License-Identifier: 0BSD */
/* The Idempotency-Key header: quotes or not, it is the same key. */
#include "fuzz.h"

#include "batch/idem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void known_key(const struct idem *idem) {
    struct idem again = {0};
    char quoted[IDEM_KEY_MAX + 3];
    size_t len = strlen(idem->key);
    MUST(idem->given && len >= 1 && len <= IDEM_KEY_MAX);
    for (size_t i = 0; i < len; i++) MUST(idem->key[i] > ' ' && idem->key[i] <= '~');
    snprintf(quoted, sizeof quoted, "\"%s\"", idem->key);
    MUST(idem_key_parse(quoted, &again) && strcmp(again.key, idem->key) == 0);
}

/* No part of a request can run into the next one unseen. */
static void parts_stay_apart(const char *text, size_t len) {
    struct idem a = {0}, b = {0};
    idem_hash_request(&a, "POST", text, "", 0);
    idem_hash_request(&b, "POST", "", text, len);
    MUST(len == 0 || memcmp(a.request_hash, b.request_hash, sizeof a.request_hash) != 0);
    idem_hash_request(&b, "POST", text, "", 0);
    MUST(memcmp(a.request_hash, b.request_hash, sizeof a.request_hash) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
    struct idem idem = {0};
    char *header = fuzz_text(data, size);
    if (idem_key_parse(header, &idem))
        known_key(&idem);
    else
        MUST(!idem.given);
    parts_stay_apart(header, strlen(header));
    free(header);
}
