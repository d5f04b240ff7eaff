/* SPDX-License-Identifier: 0BSD */
/* Bounds of money, in minor units. Sums of anything within them fit 64 bits with room to spare: a
 * balance plus a charge stays under 2^41, a price times SEATS_MAX under 2^46. */
#ifndef BOXOFFICE_MONEY_H
#define BOXOFFICE_MONEY_H

#define BALANCE_MINOR_MAX 1000000000000u
#define PRICE_MINOR_MAX 1000000000000u

#endif
