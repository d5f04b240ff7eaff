/* SPDX-License-Identifier: 0BSD */
/* What each route does: endpoint_*.c, by subject. One that reads takes JSON apart, asks, and puts
 * JSON together. One that writes is two: begin_ fills in call->write from the request, and end_
 * makes the answer of what came of it (an error as well: what it says beside its code). Between
 * them it has been run, in a group, once or more than once. */
#ifndef BOXOFFICE_ENDPOINTS_H
#define BOXOFFICE_ENDPOINTS_H

#include "http/route.h"

/* endpoint_account.c */
endpoint_fn endpoint_balance, endpoint_balance_history;
endpoint_fn begin_user_create, end_user_create, begin_charge, end_charge;
/* endpoint_concert.c */
endpoint_fn endpoint_concerts, endpoint_concert, endpoint_performances, endpoint_seats,
    endpoint_queue_file;
/* endpoint_queue.c */
endpoint_fn endpoint_queue_place;
endpoint_fn begin_queue_join, end_queue_join, begin_queue_leave, end_queue_leave;
/* endpoint_reservation.c */
endpoint_fn endpoint_reservations, endpoint_reservation, endpoint_payments, endpoint_payment;
endpoint_fn begin_reservation_create, end_reservation_create, begin_reservation_release,
    end_reservation_release;
endpoint_fn begin_reservation_pay, end_reservation_pay, begin_reservation_cancel,
    end_reservation_cancel;
/* endpoint_ticket.c */
endpoint_fn endpoint_ticket;
/* endpoint_ops.c, endpoint_metrics.c */
endpoint_fn endpoint_healthz, endpoint_readyz, endpoint_status, endpoint_metrics;

#endif
