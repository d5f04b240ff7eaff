-- SPDX-License-Identifier: 0BSD
-- The two procedures of every write: batch_load locks and reads the rows that a batch touches, batch_store writes what
-- the rules (fcgi-app/sale/) have made of them, and commits. Neither decides anything; each is one round trip. What
-- stands here beside loading and storing is the last arbiter's: a key or a condition that must hold when it is written.
--
-- Lists are JSON arrays of rows, NULL where there are none; bytes and free texts are in hexadecimal. STRAIGHT_JOIN lets
-- the list lead, so that rows are locked in its order and no large table is scanned.
--
-- Locks are taken in this order, everywhere:
--   idempotency keys; users, ascending; performances, ascending; the queue; places, by number.
-- A performance's row orders all that happens to its seats and reservations, a queue's row all that happens to its
-- places: what lies under them needs no lock of its own. (Places have one, since a hold stretches its own place under
-- the performance's lock alone; it comes last.)
--
-- Run anew whenever its text changes (boxofficectl migrate).

DROP PROCEDURE IF EXISTS batch_load;

-- A result's name is the name of its first column. `now_ms` is read after the last lock that orders events.
CREATE PROCEDURE batch_load(
    IN p_keys LONGTEXT,         -- [user, key, request hash]: to be claimed
    IN p_users LONGTEXT,        -- [user]
    IN p_lock_users TINYINT,
    IN p_reservations LONGTEXT, -- [reservation], with their performances
    IN p_holders LONGTEXT,      -- [user]: their live holds in p_concert, with their performances
    IN p_performance BIGINT UNSIGNED,
    IN p_seats LONGTEXT,        -- [seat number] of p_performance; with them, how many of it each of p_places' users has
    IN p_concert BIGINT UNSIGNED,
    IN p_lock_queue TINYINT,
    IN p_places LONGTEXT,       -- [number] of p_concert
    IN p_members LONGTEXT,      -- [user]: their live places in p_concert
    IN p_due INT UNSIGNED,      -- at most so many places of p_concert whose pass has ended
    IN p_front INT UNSIGNED)    -- at most so many of those who wait in p_concert, from the front on
  SQL SECURITY INVOKER
  COMMENT 'lock and read what a batch touches'
main: BEGIN
  DECLARE v_now BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_performances LONGTEXT DEFAULT NULL;
  DECLARE v_busy TINYINT DEFAULT 0;

  START TRANSACTION;
  IF p_keys IS NOT NULL THEN
    BEGIN
      -- While the first request with a key runs, its row is locked.
      DECLARE EXIT HANDLER FOR 1205 SET v_busy = 1;
      INSERT IGNORE INTO idempotency_key (user_id, idem_key, request_hash, created_at_ms)
      SELECT UNHEX(j.u), CONVERT(UNHEX(j.k) USING ascii), UNHEX(j.h), CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)
        FROM JSON_TABLE(p_keys, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', k VARCHAR(128) PATH '$[1]', h CHAR(64) PATH '$[2]')) j;
    END;
    IF v_busy THEN
      ROLLBACK;
      SELECT 1 AS keys_busy;
      LEAVE main;
    END IF;
    SELECT j.i - 1 AS key_index, k.request_hash, k.status, k.body
      FROM JSON_TABLE(p_keys, '$[*]' COLUMNS (i FOR ORDINALITY, u CHAR(32) PATH '$[0]', k VARCHAR(128) PATH '$[1]')) j
      STRAIGHT_JOIN idempotency_key k ON k.user_id = UNHEX(j.u) AND k.idem_key = CONVERT(UNHEX(j.k) USING ascii) COLLATE ascii_bin;
  END IF;

  IF p_users IS NOT NULL AND p_lock_users THEN
    SELECT u.user_id AS user, u.access_hash, u.balance_minor
      FROM JSON_TABLE(p_users, '$[*]' COLUMNS (u CHAR(32) PATH '$')) j STRAIGHT_JOIN user u ON u.user_id = UNHEX(j.u) FOR UPDATE;
  ELSEIF p_users IS NOT NULL THEN
    SELECT u.user_id AS user, u.access_hash, u.balance_minor
      FROM JSON_TABLE(p_users, '$[*]' COLUMNS (u CHAR(32) PATH '$')) j STRAIGHT_JOIN user u ON u.user_id = UNHEX(j.u);
  END IF;

  IF p_reservations IS NOT NULL THEN
    SELECT CONCAT('[', GROUP_CONCAT(DISTINCT r.performance_id ORDER BY r.performance_id), ']') INTO v_performances
      FROM JSON_TABLE(p_reservations, '$[*]' COLUMNS (r BIGINT UNSIGNED PATH '$')) j STRAIGHT_JOIN reservation r ON r.reservation_id = j.r;
  ELSEIF p_holders IS NOT NULL THEN
    SELECT CONCAT('[', GROUP_CONCAT(DISTINCT r.performance_id ORDER BY r.performance_id), ']') INTO v_performances
      FROM JSON_TABLE(p_holders, '$[*]' COLUMNS (u CHAR(32) PATH '$')) j
      STRAIGHT_JOIN reservation r ON r.user_id = UNHEX(j.u) AND r.concert_id = p_concert AND r.status = 'HELD';
  END IF;
  -- Locked and read in one: a subquery's rows (the concert's) are not locked by the statement around it.
  IF p_performance IS NOT NULL THEN
    SELECT f.performance_id AS performance, f.concert_id, f.price_minor, f.total_seats, f.starts_at_ms,
           COALESCE(f.sales_open_at_ms, (SELECT c.sales_open_at_ms FROM concert c WHERE c.concert_id = f.concert_id)) AS sales_open_at_ms,
           COALESCE(f.sales_close_at_ms, (SELECT c.sales_close_at_ms FROM concert c WHERE c.concert_id = f.concert_id)) AS sales_close_at_ms,
           f.event_seq
      FROM performance f WHERE f.performance_id = p_performance FOR UPDATE;
  ELSEIF v_performances IS NOT NULL THEN
    SELECT f.performance_id AS performance, f.concert_id, f.price_minor, f.total_seats, f.starts_at_ms,
           COALESCE(f.sales_open_at_ms, (SELECT c.sales_open_at_ms FROM concert c WHERE c.concert_id = f.concert_id)) AS sales_open_at_ms,
           COALESCE(f.sales_close_at_ms, (SELECT c.sales_close_at_ms FROM concert c WHERE c.concert_id = f.concert_id)) AS sales_close_at_ms,
           f.event_seq
      FROM JSON_TABLE(v_performances, '$[*]' COLUMNS (f BIGINT UNSIGNED PATH '$')) j
      STRAIGHT_JOIN performance f ON f.performance_id = j.f FOR UPDATE;
  END IF;
  IF p_lock_queue THEN
    SELECT q.concert_id AS queue, (SELECT c.sales_open_at_ms FROM concert c WHERE c.concert_id = q.concert_id) AS sales_open_at_ms,
           (SELECT c.sales_close_at_ms FROM concert c WHERE c.concert_id = q.concert_id) AS sales_close_at_ms,
           q.tail, q.admitted_through, q.waiting, q.active, q.admitted_total, q.no_show_total, q.max_active, q.paused, q.draining, q.event_seq
      FROM queue q WHERE q.concert_id = p_concert FOR UPDATE;
  END IF;

  IF p_places IS NOT NULL AND p_seats IS NOT NULL THEN
    SELECT p.number AS place, p.user_id, p.state, p.joined_active, p.join_seq, p.joined_at_ms, p.admitted_at_ms, p.claimed_at_ms, p.expires_at_ms,
           (SELECT SUM(r.seat_count) FROM reservation r WHERE r.user_id = p.user_id AND r.performance_id = p_performance
               AND (r.status = 'PAID' OR (r.status = 'HELD' AND r.held_until_ms > CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)))) AS seats
      FROM JSON_TABLE(p_places, '$[*]' COLUMNS (n BIGINT UNSIGNED PATH '$')) j
      STRAIGHT_JOIN place p ON p.concert_id = p_concert AND p.number = j.n FOR UPDATE;
  ELSEIF p_places IS NOT NULL THEN
    SELECT p.number AS place, p.user_id, p.state, p.joined_active, p.join_seq, p.joined_at_ms, p.admitted_at_ms, p.claimed_at_ms, p.expires_at_ms
      FROM JSON_TABLE(p_places, '$[*]' COLUMNS (n BIGINT UNSIGNED PATH '$')) j
      STRAIGHT_JOIN place p ON p.concert_id = p_concert AND p.number = j.n FOR UPDATE;
  ELSEIF p_members IS NOT NULL THEN
    SELECT p.number AS place, p.user_id, p.state, p.joined_active, p.join_seq, p.joined_at_ms, p.admitted_at_ms, p.claimed_at_ms, p.expires_at_ms
      FROM JSON_TABLE(p_members, '$[*]' COLUMNS (u CHAR(32) PATH '$')) j
      STRAIGHT_JOIN place p FORCE INDEX (place_live) ON p.concert_id = p_concert AND p.user_id = UNHEX(j.u) AND p.live = 1 FOR UPDATE;
  END IF;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  SELECT v_now AS now_ms;
  -- SKIP LOCKED: a place that is just being claimed or stretched is not overdue any more.
  IF p_due > 0 THEN
    SELECT p.number AS place, p.user_id, p.state, p.joined_active, p.join_seq, p.joined_at_ms, p.admitted_at_ms, p.claimed_at_ms, p.expires_at_ms
      FROM place p FORCE INDEX (place_due) WHERE p.concert_id = p_concert AND p.expires_at_ms <= v_now
     ORDER BY p.expires_at_ms LIMIT p_due FOR UPDATE SKIP LOCKED;
  END IF;
  IF p_front > 0 THEN
    SELECT p.number AS place, p.user_id, p.state, p.joined_active, p.join_seq, p.joined_at_ms, p.admitted_at_ms, p.claimed_at_ms, p.expires_at_ms
      FROM queue q STRAIGHT_JOIN place p ON p.concert_id = q.concert_id AND p.number > q.admitted_through AND p.state = 'WAITING'
     WHERE q.concert_id = p_concert ORDER BY p.number LIMIT p_front;
  END IF;

  IF p_reservations IS NOT NULL THEN
    SELECT r.reservation_id AS reservation, r.user_id, r.concert_id, r.place_number, r.performance_id, r.seat_numbers, r.amount_minor, r.status,
           r.held_until_ms, r.created_at_ms, r.paid_at_ms
      FROM JSON_TABLE(p_reservations, '$[*]' COLUMNS (r BIGINT UNSIGNED PATH '$')) j STRAIGHT_JOIN reservation r ON r.reservation_id = j.r;
  ELSEIF p_holders IS NOT NULL THEN
    SELECT r.reservation_id AS reservation, r.user_id, r.concert_id, r.place_number, r.performance_id, r.seat_numbers, r.amount_minor, r.status,
           r.held_until_ms, r.created_at_ms, r.paid_at_ms
      FROM JSON_TABLE(p_holders, '$[*]' COLUMNS (u CHAR(32) PATH '$')) j
      STRAIGHT_JOIN reservation r ON r.user_id = UNHEX(j.u) AND r.concert_id = p_concert AND r.status = 'HELD';
  END IF;
  IF p_seats IS NOT NULL THEN
    SELECT s.seat_number AS seat, s.reservation_id, s.taken_until_ms
      FROM JSON_TABLE(p_seats, '$[*]' COLUMNS (n INT UNSIGNED PATH '$')) j
      STRAIGHT_JOIN seat s ON s.performance_id = p_performance AND s.seat_number = j.n;
  END IF;
END;

DROP PROCEDURE IF EXISTS batch_store;

-- Rows that are new bear no id: a reservation, payment or charge of this batch is found again by its user, of whom there
-- is one in a batch, among the ids given since. Their ids are answered: `new_reservation` (by user), `new_payment`
-- (by reservation), `new_charge` (by user).
CREATE PROCEDURE batch_store(
    IN p_now BIGINT UNSIGNED,
    IN p_concert BIGINT UNSIGNED,
    IN p_new_users LONGTEXT,          -- [user, name, access hash]
    IN p_users LONGTEXT,              -- [user, balance]
    IN p_new_reservations LONGTEXT,   -- [user, place number, performance, seat numbers, seat count, amount, held until]
    IN p_reservations LONGTEXT,       -- [reservation, status before, status]
    IN p_seats LONGTEXT,              -- [performance, number, reservation before or 0, reservation or 0, taken until, user of a new reservation or '']
    IN p_performances LONGTEXT,       -- [performance, event seq]
    IN p_reservation_events LONGTEXT, -- [performance, seq, reservation or 0, user of a new one or '', kind]
    IN p_payments LONGTEXT,           -- [reservation, user, amount, balance]
    IN p_entries LONGTEXT,            -- [user, type, amount, balance after, reservation or 0]
    IN p_queue LONGTEXT,              -- [tail, admitted through, waiting, active, admitted total, no show total, event seq]
    IN p_new_places LONGTEXT,         -- [number, user, state, join seq, joined active, expires or 0]
    IN p_places LONGTEXT,             -- [number, state, live, admitted or 0, claimed or 0, expires or 0, ended or 0]
    IN p_queue_events LONGTEXT,       -- [seq, kind, number]
    IN p_answers LONGTEXT,            -- [user, key, status, before the id, behind it, whose id: R, P, C or '', what it is found by]
    IN p_forget LONGTEXT)             -- [user, key]: claimed, and not to be kept
  SQL SECURITY INVOKER
  COMMENT 'write what the rules have made, and commit'
BEGIN
  DECLARE v_reservation, v_entry BIGINT UNSIGNED DEFAULT 0;

  IF p_new_users IS NOT NULL THEN
    -- Again with the same id and key is the same user: an answer that was lost.
    INSERT INTO user (user_id, name, access_hash, created_at_ms)
    SELECT UNHEX(j.u), CONVERT(UNHEX(j.n) USING utf8mb4), UNHEX(j.h), CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)
      FROM JSON_TABLE(p_new_users, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', n VARCHAR(1000) PATH '$[1]', h CHAR(64) PATH '$[2]')) j
    ON DUPLICATE KEY UPDATE user.balance_minor = user.balance_minor;
  END IF;
  IF p_users IS NOT NULL THEN
    UPDATE JSON_TABLE(p_users, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', b BIGINT UNSIGNED PATH '$[1]')) j
      STRAIGHT_JOIN user u ON u.user_id = UNHEX(j.u) SET u.balance_minor = j.b;
  END IF;

  IF p_new_reservations IS NOT NULL THEN
    INSERT INTO reservation (user_id, concert_id, place_number, performance_id, seat_numbers, seat_count, amount_minor, status,
                             held_until_ms, sweep_at_ms, created_at_ms)
    SELECT UNHEX(j.u), p_concert, j.n, j.f, j.s, j.c, j.a, 'HELD', j.t, j.t, p_now
      FROM JSON_TABLE(p_new_reservations, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', n BIGINT UNSIGNED PATH '$[1]', f BIGINT UNSIGNED PATH '$[2]',
             s VARCHAR(600) PATH '$[3]', c INT UNSIGNED PATH '$[4]', a BIGINT UNSIGNED PATH '$[5]', t BIGINT UNSIGNED PATH '$[6]')) j;
    SET v_reservation = LAST_INSERT_ID();
  END IF;
  IF p_reservations IS NOT NULL THEN
    UPDATE JSON_TABLE(p_reservations, '$[*]' COLUMNS (r BIGINT UNSIGNED PATH '$[0]', w VARCHAR(16) PATH '$[1]', s VARCHAR(16) PATH '$[2]')) j
      STRAIGHT_JOIN reservation r ON r.reservation_id = j.r AND r.status = j.w
      SET r.status = j.s, r.sweep_at_ms = NULL, r.paid_at_ms = IF(j.s = 'PAID', p_now, r.paid_at_ms);
    IF ROW_COUNT() <> JSON_LENGTH(p_reservations) THEN
      SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = 'a reservation is not as it was read';
    END IF;
  END IF;
  IF p_seats IS NOT NULL THEN
    UPDATE JSON_TABLE(p_seats, '$[*]' COLUMNS (f BIGINT UNSIGNED PATH '$[0]', n INT UNSIGNED PATH '$[1]', w BIGINT UNSIGNED PATH '$[2]',
             r BIGINT UNSIGNED PATH '$[3]', t BIGINT UNSIGNED PATH '$[4]', u CHAR(32) PATH '$[5]')) j
      STRAIGHT_JOIN seat s ON s.performance_id = j.f AND s.seat_number = j.n AND s.reservation_id <=> NULLIF(j.w, 0)
      LEFT JOIN reservation r ON r.user_id = UNHEX(NULLIF(j.u, '')) AND r.reservation_id >= v_reservation AND r.performance_id = j.f
      SET s.reservation_id = COALESCE(r.reservation_id, NULLIF(j.r, 0)), s.taken_until_ms = j.t;
    IF ROW_COUNT() <> JSON_LENGTH(p_seats) THEN
      SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = 'a seat is not as it was read';
    END IF;
  END IF;
  -- One alone is written without a list: a table made of JSON costs as much as three statements.
  IF JSON_LENGTH(p_performances) = 1 THEN
    UPDATE performance SET event_seq = JSON_VALUE(p_performances, '$[0][1]')
     WHERE performance_id = CAST(JSON_VALUE(p_performances, '$[0][0]') AS UNSIGNED);
  ELSEIF p_performances IS NOT NULL THEN
    UPDATE JSON_TABLE(p_performances, '$[*]' COLUMNS (f BIGINT UNSIGNED PATH '$[0]', e BIGINT UNSIGNED PATH '$[1]')) j
      STRAIGHT_JOIN performance f ON f.performance_id = j.f SET f.event_seq = j.e;
  END IF;
  IF p_reservation_events IS NOT NULL THEN
    INSERT INTO reservation_event (reservation_id, kind, at_ms, performance_id, seq)
    SELECT COALESCE(r.reservation_id, NULLIF(j.r, 0)), j.k, p_now, j.f, j.e
      FROM JSON_TABLE(p_reservation_events, '$[*]' COLUMNS (f BIGINT UNSIGNED PATH '$[0]', e BIGINT UNSIGNED PATH '$[1]',
             r BIGINT UNSIGNED PATH '$[2]', u CHAR(32) PATH '$[3]', k VARCHAR(16) PATH '$[4]')) j
      LEFT JOIN reservation r ON r.user_id = UNHEX(NULLIF(j.u, '')) AND r.reservation_id >= v_reservation AND r.performance_id = j.f;
  END IF;
  IF p_payments IS NOT NULL THEN
    INSERT INTO payment (reservation_id, user_id, amount_minor, balance_minor, paid_at_ms)
    SELECT j.r, UNHEX(j.u), j.a, j.b, p_now
      FROM JSON_TABLE(p_payments, '$[*]' COLUMNS (r BIGINT UNSIGNED PATH '$[0]', u CHAR(32) PATH '$[1]', a BIGINT UNSIGNED PATH '$[2]',
             b BIGINT UNSIGNED PATH '$[3]')) j;
  END IF;
  IF p_entries IS NOT NULL THEN
    INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor, reservation_id, created_at_ms)
    SELECT UNHEX(j.u), j.y, j.a, j.b, NULLIF(j.r, 0), IF(p_now > 0, p_now, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED))
      FROM JSON_TABLE(p_entries, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', y VARCHAR(16) PATH '$[1]', a BIGINT PATH '$[2]',
             b BIGINT UNSIGNED PATH '$[3]', r BIGINT UNSIGNED PATH '$[4]')) j;
    SET v_entry = LAST_INSERT_ID();
  END IF;

  IF p_queue IS NOT NULL THEN
    UPDATE queue SET tail = JSON_VALUE(p_queue, '$[0]'), admitted_through = JSON_VALUE(p_queue, '$[1]'), waiting = JSON_VALUE(p_queue, '$[2]'),
                     active = JSON_VALUE(p_queue, '$[3]'), admitted_total = JSON_VALUE(p_queue, '$[4]'),
                     no_show_total = JSON_VALUE(p_queue, '$[5]'), event_seq = JSON_VALUE(p_queue, '$[6]')
     WHERE concert_id = p_concert;
  END IF;
  -- Before the new ones: whose pass has ended may join again in the same batch, and has one live place.
  IF p_places IS NOT NULL THEN
    UPDATE JSON_TABLE(p_places, '$[*]' COLUMNS (n BIGINT UNSIGNED PATH '$[0]', s VARCHAR(16) PATH '$[1]', l TINYINT PATH '$[2]',
             a BIGINT UNSIGNED PATH '$[3]', c BIGINT UNSIGNED PATH '$[4]', t BIGINT UNSIGNED PATH '$[5]', e BIGINT UNSIGNED PATH '$[6]')) j
      STRAIGHT_JOIN place p ON p.concert_id = p_concert AND p.number = j.n
      SET p.state = j.s, p.live = NULLIF(j.l, 0), p.admitted_at_ms = NULLIF(j.a, 0), p.claimed_at_ms = NULLIF(j.c, 0),
          p.expires_at_ms = NULLIF(j.t, 0), p.ended_at_ms = NULLIF(j.e, 0);
  END IF;
  IF p_new_places IS NOT NULL THEN
    INSERT INTO place (concert_id, number, user_id, state, live, join_seq, joined_active, joined_at_ms, admitted_at_ms, claimed_at_ms, expires_at_ms)
    SELECT p_concert, j.n, UNHEX(j.u), j.s, 1, j.e, j.a, p_now, IF(j.a, p_now, NULL), IF(j.a, p_now, NULL), NULLIF(j.t, 0)
      FROM JSON_TABLE(p_new_places, '$[*]' COLUMNS (n BIGINT UNSIGNED PATH '$[0]', u CHAR(32) PATH '$[1]', s VARCHAR(16) PATH '$[2]',
             e BIGINT UNSIGNED PATH '$[3]', a TINYINT PATH '$[4]', t BIGINT UNSIGNED PATH '$[5]')) j;
  END IF;
  IF p_queue_events IS NOT NULL THEN
    INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)
    SELECT p_concert, j.e, j.k, j.n, 0, p_now
      FROM JSON_TABLE(p_queue_events, '$[*]' COLUMNS (e BIGINT UNSIGNED PATH '$[0]', k VARCHAR(16) PATH '$[1]', n BIGINT UNSIGNED PATH '$[2]')) j;
  END IF;

  IF p_answers IS NOT NULL THEN
    UPDATE JSON_TABLE(p_answers, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', k VARCHAR(128) PATH '$[1]', s SMALLINT UNSIGNED PATH '$[2]',
             b MEDIUMTEXT PATH '$[3]', t MEDIUMTEXT PATH '$[4]', y CHAR(1) PATH '$[5]', x BIGINT UNSIGNED PATH '$[6]')) j
      STRAIGHT_JOIN idempotency_key k ON k.user_id = UNHEX(j.u) AND k.idem_key = CONVERT(UNHEX(j.k) USING ascii) COLLATE ascii_bin AND k.status IS NULL
      LEFT JOIN reservation r ON j.y = 'R' AND r.user_id = UNHEX(j.u) AND r.reservation_id >= v_reservation AND r.performance_id = j.x
      LEFT JOIN payment p ON j.y = 'P' AND p.reservation_id = j.x
      LEFT JOIN balance_entry e ON j.y = 'C' AND e.user_id = UNHEX(j.u) AND e.entry_id >= v_entry
      SET k.status = j.s, k.body = CONCAT(UNHEX(j.b), COALESCE(r.reservation_id, p.payment_id, e.entry_id, ''), UNHEX(j.t));
    IF ROW_COUNT() <> JSON_LENGTH(p_answers) THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'an answer for a key that was not claimed';
    END IF;
  END IF;
  IF p_forget IS NOT NULL THEN
    DELETE k FROM JSON_TABLE(p_forget, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', k VARCHAR(128) PATH '$[1]')) j
      STRAIGHT_JOIN idempotency_key k ON k.user_id = UNHEX(j.u) AND k.idem_key = CONVERT(UNHEX(j.k) USING ascii) COLLATE ascii_bin
     WHERE k.status IS NULL;
  END IF;

  IF JSON_LENGTH(p_new_reservations) = 1 THEN
    SELECT v_reservation AS new_reservation, UNHEX(JSON_VALUE(p_new_reservations, '$[0][0]')) AS user_id;
  ELSEIF p_new_reservations IS NOT NULL THEN
    SELECT r.reservation_id AS new_reservation, r.user_id
      FROM JSON_TABLE(p_new_reservations, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]', f BIGINT UNSIGNED PATH '$[2]')) j
      STRAIGHT_JOIN reservation r ON r.user_id = UNHEX(j.u) AND r.reservation_id >= v_reservation AND r.performance_id = j.f;
  END IF;
  IF p_payments IS NOT NULL THEN
    SELECT p.payment_id AS new_payment, p.reservation_id
      FROM JSON_TABLE(p_payments, '$[*]' COLUMNS (r BIGINT UNSIGNED PATH '$[0]')) j STRAIGHT_JOIN payment p ON p.reservation_id = j.r;
  ELSEIF p_entries IS NOT NULL THEN
    SELECT e.entry_id AS new_charge, e.user_id
      FROM JSON_TABLE(p_entries, '$[*]' COLUMNS (u CHAR(32) PATH '$[0]')) j
      STRAIGHT_JOIN balance_entry e ON e.user_id = UNHEX(j.u) AND e.entry_id >= v_entry AND e.type = 'CHARGE';
  END IF;
  COMMIT;
END;
