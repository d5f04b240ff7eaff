/* SPDX-License-Identifier: 0BSD */
/* Casts: a few people for whom one kind of write is the next thing to do, as one group; what each
 * must be told, and what must be in the rows then. */
#ifndef CAST_H
#define CAST_H

#include "world.h"

/* What is special about a request. Those with a key are told by a replay when they ask again. */
enum role {
    PLAIN, /* without a key */
    KEYED,
    REFUSED,       /* by its rule, without a key */
    REFUSED_KEYED, /* by its rule; the key keeps the refusal */
    REPLAYED,      /* its key has an answer already */
    REUSED,        /* its key was used for another request */
    STRANGER, /* wrong credentials, or a token of another; keyed where the kind takes keys: its key
                 is not kept */
    STRANGER_PLAIN,
};

#define CAST_MAX 7
struct guest {
    enum role role;
    struct cred cred;
    struct token token;
    struct batch_request r;
    struct idem idem;
    bool keyed;
    enum err must;       /* told when nothing goes wrong */
    uint64_t effects;    /* that must be in the rows then */
    uint64_t overdue;    /* EXPIRE: the reservation */
    uint64_t tick_waits; /* TICK: the number of who waits */
};

struct cast {
    enum batch_kind kind;
    size_t count;
    struct guest guest[CAST_MAX];
    struct concert_id concert;
    struct performance_id performance;
};

struct script {
    const char *name;
    enum batch_kind kind;
    size_t count;
    enum role role[CAST_MAX];
};
/* Each kind alone, without a key and with one; then mixed groups of those that have groups. */
extern const struct script scripts[];
extern const size_t script_count;

/* People as the script says, ready for it. Each of them is new. */
void cast_ready(const struct script *script, struct cast *cast_r);
void cast_end(struct cast *cast);
/* Runs them as one group; those in `only`, when it is not NULL. */
void cast_run(struct cast *cast, const bool only[CAST_MAX]);
/* How often the effect is in the rows, as another connection sees them; id_r: what the database
 * gave to it, or 0. */
uint64_t cast_effects(const struct cast *cast, const struct guest *g, uint64_t *id_r);
/* Whether an answer is kept for the guest's key, as another connection sees it. */
bool cast_key_kept(const struct guest *g);
/* Does no harm when it is run again without a key. */
bool cast_repeatable(enum batch_kind kind);
/* The number in the first row of what another connection is told. */
uint64_t look_at(const char *sql);
void look_end(void);

#endif
