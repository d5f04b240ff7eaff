/* What each route does: h_*.c, by subject. Each takes JSON apart, calls one operation of the rules, and
 * puts JSON together. Each may be run again from its beginning (see db_transaction). */
#ifndef BOXOFFICE_HANDLERS_H
#define BOXOFFICE_HANDLERS_H

#include "route.h"

handler_fn h_user_create, h_balance, h_balance_history, h_charge; /* h_account.c */
handler_fn h_concerts, h_concert, h_performances, h_seats;        /* h_concert.c */
handler_fn h_queue_join, h_queue_place, h_queue_leave;            /* h_queue.c */
handler_fn h_reservation_create, h_reservations, h_reservation, h_reservation_release, h_reservation_pay,
    h_reservation_cancel, h_payments, h_payment;   /* h_reservation.c */
handler_fn h_ticket;                      /* h_ticket.c */
handler_fn h_healthz, h_readyz, h_status; /* h_ops.c */
handler_fn h_metrics;                     /* h_metrics.c */

#endif
