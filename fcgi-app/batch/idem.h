/* SPDX-License-Identifier: 0BSD */
/* Idempotency keys: the same request sent again gets its first answer. The row lives in the
 * transaction that does the work: claimed when its batch is loaded, answered when it is stored. */
#ifndef BOXOFFICE_IDEM_H
#define BOXOFFICE_IDEM_H

#include "base/ids.h"
#include "store/db.h"

#define IDEM_KEY_MAX 64

struct idem {
    bool given;
    char key[IDEM_KEY_MAX + 1];
    uint8_t request_hash[HASH_BYTES];
    /* Set when a rule returned E_REPLAYED: the first answer. The body is owned here. */
    int status;
    char *body;
    size_t body_len;
};

/* 1 to 64 visible ASCII characters, with or without quotes around them. */
bool idem_key_parse(const char *header, struct idem *idem_r);
/* Over method, path and body. */
void idem_hash_request(struct idem *idem, const char *method, const char *path, const void *body,
                       size_t len);
void idem_clear(struct idem *idem);

/* Keeps the first answer, whose body is that column of a row. */
void idem_keep(struct idem *idem, int status, const struct db_row *row, size_t column);
/* Forgets keys older than 24 hours, at most `batch` of them. */
enum err idem_purge(struct db *db, uint64_t batch, uint64_t *purged_r) MUST_USE;

#endif
