/* SPDX-License-Identifier: 0BSD */
/* The tests of bodies.c, which unit.c lists. */
#ifndef UNIT_H
#define UNIT_H

void bodies_are_strict(void);
void body_fields_have_bounds(void);
void json_vectors_are_judged(void);
void json_is_not_mangled(void);
void blank_texts_are_none(void);

#endif
