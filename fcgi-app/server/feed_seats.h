/* SPDX-License-Identifier: 0BSD */
/* Seats: their events and their states onto the board, and how many of them are left. Part of
 * feed.c. */
#ifndef BOXOFFICE_FEED_SEATS_H
#define BOXOFFICE_FEED_SEATS_H

#include "server/feed.h"

/* After a look: events of performances whose seats the board has, seats that a reader has asked
 * for, counts. */
enum err feed_seats(struct feed *feed) MUST_USE;
/* The seats of this performance are to be read soon. */
void feed_seats_load(struct feed *feed, struct known_performance *performance);
/* What is known of all seats of a concert. Zeroes while some of them have never been counted. */
void feed_seats_sum(const struct known_concert *concert, struct board_seats *seats_r);

#endif
