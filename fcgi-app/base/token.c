/* Signing and checking: queue tokens, and the codes of tickets. */
#include "base/token.h"

#include <ctype.h>
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

bool token_keys_load(const char *path, struct token_keys *keys_r, char *why_r, size_t why_size) {
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(why_r, why_size, "token_keys_file %s: %s; make one with: echo \"k1 $(openssl rand -hex 32)\" > FILE", path,
                 strerror(errno));
        return false;
    }
    keys_r->count = 0;
    char line[256];
    bool ok = true;
    for (int n = 1; ok && fgets(line, sizeof line, f); n++) {
        char id[32], hex[160];
        int fields = sscanf(line, " %31s %159s", id, hex);
        if (fields <= 0 || *id == '#') continue;
        size_t digits = fields == 2 ? strlen(hex) : 0;
        ok = keys_r->count < TOKEN_KEYS_MAX && strlen(id) <= TOKEN_KEY_ID_MAX && !strchr(id, '.') && digits >= 32 && digits <= 128 && digits % 2 == 0;
        if (ok) {
            size_t k = keys_r->count;
            strcpy(keys_r->key[k].id, id);
            keys_r->key[k].len = digits / 2;
            for (size_t i = 0; ok && i < digits / 2; i++) {
                unsigned byte;
                ok = isxdigit((unsigned char)hex[2 * i]) && isxdigit((unsigned char)hex[2 * i + 1]) && sscanf(hex + 2 * i, "%2x", &byte) == 1;
                if (ok) keys_r->key[k].secret[i] = (uint8_t)byte;
            }
            if (ok) keys_r->count++;
        }
        if (!ok) snprintf(why_r, why_size, "%s:%d: expected `ID HEX` with 32 to 128 hex digits, at most %d keys", path, n, TOKEN_KEYS_MAX);
    }
    fclose(f);
    OPENSSL_cleanse(line, sizeof line);
    if (ok && keys_r->count == 0) {
        snprintf(why_r, why_size, "%s has no key; add a line: k1 $(openssl rand -hex 32)", path);
        ok = false;
    }
    return ok;
}

static void put_u64(uint8_t *at, uint64_t v) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *at) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | at[i];
    return v;
}

static void mac(const struct token_keys *keys, size_t k, const char *text, size_t len, uint8_t mac_r[MAC_BYTES]) {
    unsigned n = MAC_BYTES;
    if (!HMAC(EVP_sha256(), keys->key[k].secret, (int)keys->key[k].len, (const unsigned char *)text, len, mac_r, &n)) abort();
}

/* `KEYID.PAYLOAD.MAC`, by the first key. */
static void sign(const struct token_keys *keys, const uint8_t *payload, size_t len, char text_r[TOKEN_TEXT_MAX]) {
    uint8_t code[MAC_BYTES];
    size_t n = (size_t)sprintf(text_r, "%s.", keys->key[0].id);
    n += base64url_encode(payload, len, text_r + n);
    mac(keys, 0, text_r, n, code);
    text_r[n++] = '.';
    base64url_encode(code, sizeof code, text_r + n);
}

/* False unless the text is such a one, of a key at hand, with a payload of exactly `len` bytes. */
static bool open_signed(const struct token_keys *keys, const char *text, uint8_t *payload_r, size_t len) {
    uint8_t given[MAC_BYTES], code[MAC_BYTES];
    const char *dot = strchr(text, '.');
    const char *dot2 = dot ? strchr(dot + 1, '.') : NULL;
    if (!dot2 || strlen(text) >= TOKEN_TEXT_MAX) return false;
    size_t k = 0, id_len = (size_t)(dot - text);
    while (k < keys->count && (strlen(keys->key[k].id) != id_len || memcmp(keys->key[k].id, text, id_len) != 0)) k++;
    if (k == keys->count || base64url_decode(dot2 + 1, strlen(dot2 + 1), given, sizeof given) != MAC_BYTES ||
        base64url_decode(dot + 1, (size_t)(dot2 - dot - 1), payload_r, len) != (int)len)
        return false;
    mac(keys, k, text, (size_t)(dot2 - text), code);
    return CRYPTO_memcmp(code, given, MAC_BYTES) == 0;
}

void token_sign(const struct token_keys *keys, const struct token *token, char text_r[TOKEN_TEXT_MAX]) {
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
    if (!open_signed(keys, text, payload, sizeof payload) || payload[0] != PLACE) return E_QUEUE_TOKEN_INVALID;
    memcpy(token_r->user.v, payload + 1, 16);
    token_r->concert.v = get_u64(payload + 17);
    token_r->number = get_u64(payload + 25);
    token_r->joined_at_ms = get_u64(payload + 33);
    token_r->ahead = get_u64(payload + 41);
    return E_OK;
}

void token_sign_pair(const struct token_keys *keys, const uint64_t pair[2], char text_r[TOKEN_TEXT_MAX]) {
    uint8_t payload[PAIR_BYTES] = {PAIR};
    put_u64(payload + 1, pair[0]);
    put_u64(payload + 9, pair[1]);
    sign(keys, payload, sizeof payload, text_r);
}

enum err token_verify_pair(const struct token_keys *keys, const char *text, uint64_t pair_r[2]) {
    uint8_t payload[PAIR_BYTES];
    if (!open_signed(keys, text, payload, sizeof payload) || payload[0] != PAIR) return E_QUEUE_TOKEN_INVALID;
    pair_r[0] = get_u64(payload + 1);
    pair_r[1] = get_u64(payload + 9);
    return E_OK;
}
