/* SPDX-License-Identifier: 0BSD */
/* The people of a rehearsal, as the load process moves them. */
#ifndef BOXOFFICE_REHEARSE_PEOPLE_H
#define BOXOFFICE_REHEARSE_PEOPLE_H

#include "admin/rehearse_plan.h"
#include "admin/rehearse_seen.h"
#include "base/conf.h"

/* Makes them; all that they see goes to `seen`. http_open comes before. False: no memory. */
bool people_meet(const struct plan *plan, const struct conf *conf, struct seen *seen) MUST_USE;
/* Those who sign up before the sale go on doing so, some at a time; to be called each turn. True:
 * all have. */
bool people_sign_up(void);
/* The rest happens by itself, until all are over. */
void people_sale(uint64_t open_at_mono_ms);
bool people_over(void);
/* The second that ends now. */
void people_second(struct second *second_r);
/* Gives all places back, those of the silent ones too; to be called each turn, from the end of the
 * sale on. True: done. */
bool people_home(void);

#endif
