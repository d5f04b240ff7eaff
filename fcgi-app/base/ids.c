/* SPDX-License-Identifier: 0BSD */
/* Ids, random bytes, and their text forms. */
#include "base/ids.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void ids_random(void *bytes_r, size_t len) {
    if (getrandom(bytes_r, len, 0) != (ssize_t)len) abort();
}

struct user_id user_id_new(void) {
    struct user_id id;
    ids_random(id.v, sizeof id.v);
    id.v[6] = (uint8_t)((id.v[6] & 0x0f) | 0x40);
    id.v[8] = (uint8_t)((id.v[8] & 0x3f) | 0x80);
    return id;
}

bool user_id_equal(struct user_id a, struct user_id b) { return memcmp(a.v, b.v, sizeof a.v) == 0; }

void user_id_text(struct user_id id, char text_r[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    char *out = text_r;
    for (size_t i = 0; i < sizeof id.v; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
        *out++ = digits[id.v[i] >> 4];
        *out++ = digits[id.v[i] & 15];
    }
    *out = 0;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool user_id_parse(const char *text, struct user_id *id_r) {
    const char *s = text;
    for (size_t i = 0; i < sizeof id_r->v; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-') return false;
        int high = hex_digit(s[0]);
        int low = high < 0 ? -1 : hex_digit(s[1]);
        if (low < 0) return false;
        id_r->v[i] = (uint8_t)(high << 4 | low);
        s += 2;
    }
    return *s == 0;
}

uint64_t ids_parse_u64(const char *text, size_t len) {
    uint64_t v = 0;
    if (len == 0 || len > 18 || (text[0] == '0' && len > 1)) return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    return v;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *bytes, size_t len, char *text_r) {
    const uint8_t *in = bytes;
    char *out = text_r;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6) *out++ = base64url[bits >> (have - 6) & 63];
    }
    if (have) *out++ = base64url[bits << (6 - have) & 63];
    *out = 0;
    return (size_t)(out - text_r);
}

int base64url_decode(const char *text, size_t text_len, void *bytes_r, size_t size) {
    uint8_t *out = bytes_r;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < text_len; i++) {
        const char *at = text[i] ? strchr(base64url, text[i]) : NULL;
        if (!at) return -1;
        bits = bits << 6 | (uint32_t)(at - base64url);
        have += 6;
        if (have >= 8) {
            if (n == size) return -1;
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    /* One text for one value: no half bytes left over, and the unused bits are zero. */
    if (have >= 6 || (bits & ((1u << have) - 1))) return -1;
    return (int)n;
}

void ids_sha256(const void *bytes, size_t len, uint8_t hash_r[HASH_BYTES]) {
    if (!EVP_Digest(bytes, len, hash_r, NULL, EVP_sha256(), NULL)) abort();
}

bool hash_equal(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]) {
    return CRYPTO_memcmp(a, b, HASH_BYTES) == 0;
}
