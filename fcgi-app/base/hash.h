/* SPDX-License-Identifier: 0BSD */
/* A quick hash, to tell whether bytes are others than before. Nobody is kept from making two texts
 * of one hash: nothing that must not be forged may rest on it. */
#ifndef BOXOFFICE_HASH_H
#define BOXOFFICE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of these bytes after those that made `before` (0: none). Never 0. */
uint64_t hash_bytes(uint64_t before, const void *bytes, size_t len);

#endif
