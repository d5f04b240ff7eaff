/* SPDX-License-Identifier: 0BSD */
/* Ids as types, so that mixing them up does not compile, and text forms of bytes. */
#ifndef BOXOFFICE_IDS_H
#define BOXOFFICE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct concert_id {
    uint64_t v;
};
struct performance_id {
    uint64_t v;
};
struct reservation_id {
    uint64_t v;
};
struct payment_id {
    uint64_t v;
};
struct user_id {
    uint8_t v[16];
};

#define UUID_TEXT_SIZE 37
#define HASH_BYTES 32

/* Who calls: a user and the hash of the access key's secret. Proven only once a statement has
 * matched both against the user's row; the statement that does the work does that. */
struct cred {
    struct user_id user;
    uint8_t access_hash[HASH_BYTES];
};

/* Random bytes from the kernel; ends the process when there are none, which does not happen. */
void ids_random(void *bytes_r, size_t len);
/* A new version 4 UUID. */
struct user_id user_id_new(void);
bool user_id_equal(struct user_id a, struct user_id b);
void user_id_text(struct user_id id, char text_r[UUID_TEXT_SIZE]);
/* Any case; false when it is not a UUID. */
bool user_id_parse(const char *text, struct user_id *id_r);

/* A decimal number that fits a signed 64-bit column, digits only; 0, which is nobody's id, for all
 * else. */
uint64_t ids_parse_u64(const char *text, size_t len);

/* base64url without padding. Returns the text's length; text_r holds it and a NUL. */
#define BASE64URL_SIZE(len) (((len)*4 + 2) / 3 + 1)
size_t base64url_encode(const void *bytes, size_t len, char *text_r);
/* Returns how many bytes, or -1 when the text is not canonical base64url or does not fit. */
int base64url_decode(const char *text, size_t text_len, void *bytes_r, size_t size);

/* In the same time whatever differs. */
bool hash_equal(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]);

/* SHA-256. */
void ids_sha256(const void *bytes, size_t len, uint8_t hash_r[HASH_BYTES]);

#endif
