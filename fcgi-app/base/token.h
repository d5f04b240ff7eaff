/* SPDX-License-Identifier: 0BSD */
/* Queue tokens: signed, so that a forged one costs no database work. Keys come from a file and can
 * be changed while tokens are out: one key signs, all verify. Which one signs is the first of the
 * file, but when that is a new one, not before all processes of this host know it: see
 * token_signing. */
#ifndef BOXOFFICE_TOKEN_H
#define BOXOFFICE_TOKEN_H

#include "base/err.h"
#include "base/ids.h"

#include <stdatomic.h>

#define TOKEN_KEYS_MAX 8
#define TOKEN_KEY_ID_MAX 15
#define TOKEN_TEXT_MAX 160

struct token {
    struct user_id user;
    struct concert_id concert;
    uint64_t number;
    uint64_t joined_at_ms;
    uint64_t ahead; /* when it was issued: a later answer is never more */
};

struct token_key {
    char id[TOKEN_KEY_ID_MAX + 1];
    uint8_t secret[64];
    size_t len;
};

/* The id of the key that signs, in memory that the processes of a host share; written by the master
 * alone. Workers are replaced one by one at a reload: one that has a new key must not sign with it
 * while another can't verify it. */
typedef _Atomic char token_signing[TOKEN_KEY_ID_MAX + 1];

struct token_keys {
    const token_signing *signing; /* NULL, or an id that is not among these: the first key signs */
    size_t count;
    struct token_key key[TOKEN_KEYS_MAX];
};

/* Reads lines `ID HEX` (16 to 64 bytes; # starts a comment). False with a line for people in why_r.
 */
bool token_keys_load(const char *path, struct token_keys *keys_r, char *why_r,
                     size_t why_size) MUST_USE;
bool token_keys_have(const struct token_keys *keys, const char *id);
/* From now on the first of these keys signs, wherever it is known. */
void token_signing_set(token_signing signing, const struct token_keys *keys);

/* `KEYID.PAYLOAD.MAC`, the latter two base64url, by HMAC-SHA-256 (RFC 2104) over all before the
 * MAC. */
void token_sign(const struct token_keys *keys, const struct token *token,
                char text_r[TOKEN_TEXT_MAX]);
/* E_OK or E_QUEUE_TOKEN_INVALID. */
enum err token_verify(const struct token_keys *keys, const char *text,
                      struct token *token_r) MUST_USE;

/* The same for two numbers: what the codes of tickets carry (ticket.h). */
void token_sign_pair(const struct token_keys *keys, const uint64_t pair[2],
                     char text_r[TOKEN_TEXT_MAX]);
enum err token_verify_pair(const struct token_keys *keys, const char *text,
                           uint64_t pair_r[2]) MUST_USE;

#endif
