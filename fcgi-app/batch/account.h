/* SPDX-License-Identifier: 0BSD */
/* Users and their prepaid balance. Money: minor units, never negative, at most BALANCE_MINOR_MAX.
 */
#ifndef BOXOFFICE_ACCOUNT_H
#define BOXOFFICE_ACCOUNT_H

#include "base/ids.h"
#include "batch/idem.h"
#include "sale/sale.h"
#include "store/db.h"

/* user id, secret; base64url */
#define ACCESS_KEY_BYTES (16 + 32)
#define ACCESS_KEY_SIZE BASE64URL_SIZE(ACCESS_KEY_BYTES)

struct balance_entry {
    uint64_t id;
    const char *type; /* until the row function returns */
    int64_t amount_minor;
    uint64_t balance_after_minor, created_at_ms, reservation; /* 0: none */
};
typedef void balance_entry_fn(void *ctx, const struct balance_entry *entry);

/* A new user's id and access key. The key is made here, shown once, and not kept: its hash is. */
void account_new(struct cred *cred_r, char access_key_r[ACCESS_KEY_SIZE]);
/* Reads an access key; says nothing yet about whether it is anybody's. Errors: CREDENTIALS_INVALID.
 */
enum err account_key_parse(const char *access_key, struct cred *cred_r) MUST_USE;
/* Errors: CREDENTIALS_INVALID. */
enum err account_prove(struct db *db, const struct cred *cred) MUST_USE;
/* Errors: USER_NOT_FOUND. */
enum err account_exists(struct db *db, struct user_id id) MUST_USE;
/* Errors: CREDENTIALS_INVALID. */
enum err account_balance(struct db *db, const struct cred *cred,
                         uint64_t *balance_minor_r) MUST_USE;
/* Newest first, ids below `before` (0: all). Errors: CREDENTIALS_INVALID. */
enum err account_history(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                         balance_entry_fn *each, void *ctx) MUST_USE;

#endif
