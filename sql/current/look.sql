-- SPDX-License-Identifier: 0BSD
-- What the ticker asks at each tick, in one round trip: the database's clock, and what there is to do. It changes
-- nothing and waits for no lock, and its cost follows what changed, not what there is.
--
-- p_since_ms: rows that were changed since (the last look less some seconds: a transaction commits later than it
-- touches its rows); 0: all. Beside them a slice of all rows by id, from p_concert and p_performance on, at most
-- p_slice of each: what was missed for whatever reason is seen once the slices have come around.
-- p_batch: at most so many overdue rows are looked at.
--
-- Result sets: 0 the clock; 1 and 2 queues, changed and of the slice; 3 and 4 performances likewise; 5 concerts with
-- passes that ended by time; 6 performances with holds that did.
--
-- This file is run anew whenever its text changes (see boxofficectl migrate).

DROP PROCEDURE IF EXISTS look;

CREATE PROCEDURE look(IN p_since_ms BIGINT UNSIGNED, IN p_concert BIGINT UNSIGNED, IN p_performance BIGINT UNSIGNED,
                      IN p_slice INT UNSIGNED, IN p_batch INT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'what a tick has to do'
BEGIN
  DECLARE v_now BIGINT UNSIGNED DEFAULT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  -- 1970 has no row, and the first second of it is no TIMESTAMP.
  DECLARE v_since TIMESTAMP(3) DEFAULT FROM_UNIXTIME(GREATEST(p_since_ms, 1000) / 1000);

  SELECT 'OK' AS code, v_now AS now_ms;

  SELECT q.concert_id, q.tail, q.admitted_through, q.waiting, q.active, q.admitted_total, q.no_show_total, q.max_active,
         q.paused, q.draining, q.event_seq, c.title, c.sales_open_at_ms, c.sales_close_at_ms
    FROM queue q JOIN concert c ON c.concert_id = q.concert_id
   WHERE q.touched_at >= v_since;
  SELECT q.concert_id, q.tail, q.admitted_through, q.waiting, q.active, q.admitted_total, q.no_show_total, q.max_active,
         q.paused, q.draining, q.event_seq, c.title, c.sales_open_at_ms, c.sales_close_at_ms
    FROM queue q JOIN concert c ON c.concert_id = q.concert_id
   WHERE q.concert_id > p_concert ORDER BY q.concert_id LIMIT p_slice;

  SELECT f.performance_id, f.concert_id, f.starts_at_ms, f.venue, f.price_minor, f.total_seats, f.event_seq,
         COALESCE(f.sales_open_at_ms, c.sales_open_at_ms) AS sales_open_at_ms,
         COALESCE(f.sales_close_at_ms, c.sales_close_at_ms) AS sales_close_at_ms
    FROM performance f JOIN concert c ON c.concert_id = f.concert_id
   WHERE f.touched_at >= v_since;
  SELECT f.performance_id, f.concert_id, f.starts_at_ms, f.venue, f.price_minor, f.total_seats, f.event_seq,
         COALESCE(f.sales_open_at_ms, c.sales_open_at_ms) AS sales_open_at_ms,
         COALESCE(f.sales_close_at_ms, c.sales_close_at_ms) AS sales_close_at_ms
    FROM performance f JOIN concert c ON c.concert_id = f.concert_id
   WHERE f.performance_id > p_performance ORDER BY f.performance_id LIMIT p_slice;

  SELECT DISTINCT p.concert_id
    FROM (SELECT concert_id FROM place WHERE expires_at_ms <= v_now ORDER BY expires_at_ms LIMIT p_batch) p;
  SELECT DISTINCT r.performance_id
    FROM (SELECT performance_id FROM reservation WHERE sweep_at_ms <= v_now ORDER BY sweep_at_ms LIMIT p_batch) r;
END;
