/* SPDX-License-Identifier: 0BSD */
/* The tests of bodies.c and rehearse.c, which unit.c lists. */
#ifndef UNIT_H
#define UNIT_H

void bodies_are_strict(void);
void body_fields_have_bounds(void);
void json_vectors_are_judged(void);
void json_is_not_mangled(void);
void blank_texts_are_none(void);

void people_come_as_at_an_on_sale(void);
void people_have_addresses_and_roles(void);
void percentiles_are_near(void);
void what_gives_way_does_so_for_a_while(void);
void advice_is_rate_times_time(void);
void answers_are_read_in_parts(void);
void answers_tell_what_to_buy(void);
void timers_are_never_early(void);

#endif
