/* SPDX-License-Identifier: 0BSD */
/* Signing and checking: queue tokens, and the codes of tickets. */
#include "base/token.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A payload's first byte says what it is, so that one can't be used for the other. */
enum { PLACE = 1, PAIR = 2 };
#define PLACE_BYTES (1 + 16 + 4 * 8) /* user, then four numbers */
#define PAIR_BYTES (1 + 2 * 8)
#define MAC_BYTES 32
#define TOKEN_LINE_SIZE 256

/* The key of that id, or keys->count. */
static size_t find_key(const struct token_keys *keys, const char *id, size_t len) {
    size_t k = 0;
    while (k < keys->count &&
           (strlen(keys->key[k].id) != len || memcmp(keys->key[k].id, id, len) != 0))
        k++;
    return k;
}

static bool read_hex(const char *hex, struct token_key *key_r) {
    size_t digits = strlen(hex);
    if (digits < 32 || digits > 128 || digits % 2 != 0 ||
        strspn(hex, "0123456789abcdefABCDEF") != digits)
        return false;
    key_r->len = digits / 2;
    for (size_t i = 0; i < key_r->len; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        key_r->secret[i] = (uint8_t)byte;
    }
    return true;
}

/* What is wrong with a line, for people; NULL when it has been taken. */
static const char *read_line(const char *line, struct token_keys *keys) {
    char id[32] = "", hex[160], more[2];
    if (!strchr(line, '\n') && strlen(line) + 1 == TOKEN_LINE_SIZE)
        return "a line has at most 254 characters";
    int fields = sscanf(line, " %31s %159s %1s", id, hex, more);
    if (fields <= 0 || *id == '#') return NULL;
    if (keys->count == TOKEN_KEYS_MAX)
        return "there are 8 keys already: remove one that is no longer needed";
    struct token_key *key = &keys->key[keys->count];
    if (fields != 2 || strlen(id) > TOKEN_KEY_ID_MAX || strchr(id, '.') || !read_hex(hex, key))
        return "expected `ID HEX`, an id of at most 15 characters without a dot and 32 to 128 hex "
               "digits";
    if (find_key(keys, id, strlen(id)) < keys->count)
        return "this id is there twice: give each key an id of its own";
    strcpy(key->id, id);
    keys->count++;
    return NULL;
}

bool token_keys_load(const char *path, struct token_keys *keys_r, char *why_r, size_t why_size) {
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(
            why_r, why_size,
            "token_keys_file %s: %s; make one with: echo \"k1 $(openssl rand -hex 32)\" > FILE",
            path, strerror(errno));
        return false;
    }
    char line[TOKEN_LINE_SIZE];
    const char *wrong = NULL;
    *keys_r = (struct token_keys){0};
    for (int n = 1; !wrong && fgets(line, sizeof line, f); n++) {
        wrong = read_line(line, keys_r);
        if (wrong) snprintf(why_r, why_size, "%s:%d: %s", path, n, wrong);
    }
    if (!wrong && ferror(f)) {
        wrong = strerror(errno);
        snprintf(why_r, why_size, "token_keys_file %s: %s", path, wrong);
    }
    fclose(f);
    OPENSSL_cleanse(line, sizeof line);
    if (!wrong && keys_r->count == 0)
        snprintf(why_r, why_size, "%s has no key; add a line: k1 $(openssl rand -hex 32)", path);
    return !wrong && keys_r->count > 0;
}

bool token_keys_have(const struct token_keys *keys, const char *id) {
    return find_key(keys, id, strlen(id)) < keys->count;
}

void token_signing_set(token_signing signing, const struct token_keys *keys) {
    assert(keys->count > 0);
    for (size_t i = 0; i <= TOKEN_KEY_ID_MAX; i++) atomic_store(&signing[i], keys->key[0].id[i]);
}

/* The key that signs. While it is being changed half of one id and half of another may be read: no
 * key has that, and then the first one does, which all know by then. */
static size_t signing_key(const struct token_keys *keys) {
    char id[TOKEN_KEY_ID_MAX + 1];
    if (!keys->signing) return 0;
    for (size_t i = 0; i < TOKEN_KEY_ID_MAX; i++)
        id[i] = atomic_load_explicit(&(*keys->signing)[i], memory_order_relaxed);
    id[TOKEN_KEY_ID_MAX] = 0;
    size_t k = find_key(keys, id, strlen(id));
    return k < keys->count ? k : 0;
}

static void put_u64(uint8_t *at, uint64_t v) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *at) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | at[i];
    return v;
}

static void mac(const struct token_keys *keys, size_t k, const char *text, size_t len,
                uint8_t mac_r[MAC_BYTES]) {
    unsigned n = MAC_BYTES;
    if (!HMAC(EVP_sha256(), keys->key[k].secret, (int)keys->key[k].len, (const unsigned char *)text,
              len, mac_r, &n))
        abort();
}

/* `KEYID.PAYLOAD.MAC` */
static void sign(const struct token_keys *keys, const uint8_t *payload, size_t len,
                 char text_r[TOKEN_TEXT_MAX]) {
    assert(keys->count > 0);
    uint8_t code[MAC_BYTES];
    size_t k = signing_key(keys), n = (size_t)sprintf(text_r, "%s.", keys->key[k].id);
    n += base64url_encode(payload, len, text_r + n);
    mac(keys, k, text_r, n, code);
    text_r[n++] = '.';
    n += base64url_encode(code, sizeof code, text_r + n);
    assert(n < TOKEN_TEXT_MAX);
}

/* False unless the text is such a one, of a key at hand, with a payload of exactly `len` bytes. */
static bool open_signed(const struct token_keys *keys, const char *text, uint8_t *payload_r,
                        size_t len) {
    uint8_t given[MAC_BYTES], code[MAC_BYTES];
    const char *dot = strchr(text, '.');
    const char *dot2 = dot ? strchr(dot + 1, '.') : NULL;
    if (!dot2 || strlen(text) >= TOKEN_TEXT_MAX) return false;
    size_t k = find_key(keys, text, (size_t)(dot - text));
    if (k == keys->count ||
        base64url_decode(dot2 + 1, strlen(dot2 + 1), given, sizeof given) != MAC_BYTES ||
        base64url_decode(dot + 1, (size_t)(dot2 - dot - 1), payload_r, len) != (int)len)
        return false;
    mac(keys, k, text, (size_t)(dot2 - text), code);
    return CRYPTO_memcmp(code, given, MAC_BYTES) == 0;
}

void token_sign(const struct token_keys *keys, const struct token *token,
                char text_r[TOKEN_TEXT_MAX]) {
    uint8_t payload[PLACE_BYTES] = {PLACE};
    memcpy(payload + 1, token->user.v, 16);
    put_u64(payload + 17, token->concert.v);
    put_u64(payload + 25, token->number);
    put_u64(payload + 33, token->joined_at_ms);
    put_u64(payload + 41, token->ahead);
    sign(keys, payload, sizeof payload, text_r);
}

enum err token_verify(const struct token_keys *keys, const char *text, struct token *token_r) {
    uint8_t payload[PLACE_BYTES];
    if (!open_signed(keys, text, payload, sizeof payload) || payload[0] != PLACE)
        return E_QUEUE_TOKEN_INVALID;
    memcpy(token_r->user.v, payload + 1, 16);
    token_r->concert.v = get_u64(payload + 17);
    token_r->number = get_u64(payload + 25);
    token_r->joined_at_ms = get_u64(payload + 33);
    token_r->ahead = get_u64(payload + 41);
    return E_OK;
}

void token_sign_pair(const struct token_keys *keys, const uint64_t pair[2],
                     char text_r[TOKEN_TEXT_MAX]) {
    uint8_t payload[PAIR_BYTES] = {PAIR};
    put_u64(payload + 1, pair[0]);
    put_u64(payload + 9, pair[1]);
    sign(keys, payload, sizeof payload, text_r);
}

enum err token_verify_pair(const struct token_keys *keys, const char *text, uint64_t pair_r[2]) {
    uint8_t payload[PAIR_BYTES];
    if (!open_signed(keys, text, payload, sizeof payload) || payload[0] != PAIR)
        return E_QUEUE_TOKEN_INVALID;
    pair_r[0] = get_u64(payload + 1);
    pair_r[1] = get_u64(payload + 9);
    return E_OK;
}
