/* What each route does: endpoint_*.c, by subject. Each takes JSON apart, calls one operation of the rules, and
 * puts JSON together. Each may be run again from its beginning (see db_transaction). */
#ifndef BOXOFFICE_ENDPOINTS_H
#define BOXOFFICE_ENDPOINTS_H

#include "http/route.h"

endpoint_fn endpoint_user_create, endpoint_balance, endpoint_balance_history, endpoint_charge; /* endpoint_account.c */
endpoint_fn endpoint_concerts, endpoint_concert, endpoint_performances, endpoint_seats, endpoint_queue_file; /* endpoint_concert.c */
endpoint_fn endpoint_queue_join, endpoint_queue_place, endpoint_queue_leave;            /* endpoint_queue.c */
endpoint_fn endpoint_reservation_create, endpoint_reservations, endpoint_reservation, endpoint_reservation_release, endpoint_reservation_pay,
    endpoint_reservation_cancel, endpoint_payments, endpoint_payment;   /* endpoint_reservation.c */
endpoint_fn endpoint_ticket;                      /* endpoint_ticket.c */
endpoint_fn endpoint_healthz, endpoint_readyz, endpoint_status; /* endpoint_ops.c */
endpoint_fn endpoint_metrics;                     /* endpoint_metrics.c */

#endif
