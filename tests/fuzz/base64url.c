/* SPDX-License-Identifier: 0BSD */
/* One text for one value, and back. */
#include "fuzz.h"

#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

static void bytes_come_back(const uint8_t *data, size_t size) {
    char *text = malloc(BASE64URL_SIZE(size));
    uint8_t *back = malloc(size + 1);
    MUST(text && back);
    size_t len = base64url_encode(data, size, text);
    MUST(len == strlen(text) && len < BASE64URL_SIZE(size));
    MUST(base64url_decode(text, len, back, size) == (int)size);
    MUST(size == 0 || memcmp(back, data, size) == 0);
    MUST(size == 0 || base64url_decode(text, len, back, size - 1) == -1);
    free(text);
    free(back);
}

static void text_is_the_only_one(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size), *again = malloc(size + 4);
    uint8_t *bytes = malloc(size + 1);
    MUST(again && bytes);
    int n = base64url_decode(text, size, bytes, size);
    if (n >= 0) {
        MUST(base64url_encode(bytes, (size_t)n, again) == size);
        MUST(memcmp(again, text, size) == 0);
    }
    free(text);
    free(again);
    free(bytes);
}

void fuzz_one(const uint8_t *data, size_t size) {
    bytes_come_back(data, size);
    text_is_the_only_one(data, size);
}
