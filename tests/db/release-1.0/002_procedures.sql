-- SPDX-License-Identifier: 0BSD
-- 002: the writes, one procedure each, so that a write costs one round trip. (Holding, paying and storing the answer
-- of a key are in 003, which replaced the first forms of them.)
--
-- Each public procedure is one transaction and answers one row. Its first column, `code`, is OK (or
-- JOINED, ALREADY_IN), the name of an error in fcgi-app/err.def, or REPLAY with the first answer of an
-- idempotency key. Given a key, it leaves the transaction open: the caller stores its answer with
-- idem_store, which commits both. Without a key it commits itself. All checks come before the first
-- write, so a refusal has nothing to undo; an SQL error is for the caller to roll back.
--
-- Checks run in the order that clients are promised: credentials, replay of a key, queue pass, the
-- object, its state, the money. Locks: user, reservation, seat by number, queue, place.
--
-- A refusal may rest on a plain read (what it saw was committed, so it was true); a change never does.
-- `now` is read after the locks it matters for have been got, never before.

-- Claims a key inside the caller's transaction. o_code: NULL when it is new, else the answer's code.
-- While the first request with a key runs, its row is locked: another one waits here for the outcome,
-- and is told IDEMPOTENCY_IN_PROGRESS when that takes longer than a lock may be waited for.
-- (NOWAIT, which would tell at once, is not allowed in MariaDB's stored procedures.)
CREATE PROCEDURE IF NOT EXISTS idem_claim(IN p_user BINARY(16), IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                            IN p_request_hash BINARY(32), OUT o_code VARCHAR(32))
  SQL SECURITY INVOKER
  COMMENT 'first use of an idempotency key, or what it was used for'
BEGIN
  DECLARE v_hash BINARY(32) DEFAULT NULL;
  DECLARE EXIT HANDLER FOR 1205 SET o_code = 'IDEMPOTENCY_IN_PROGRESS';
  SET o_code = NULL;
  SELECT request_hash INTO v_hash FROM idempotency_key WHERE user_id = p_user AND idem_key = p_key;
  IF v_hash IS NULL THEN
    BEGIN
      DECLARE EXIT HANDLER FOR 1062
        SELECT request_hash INTO v_hash FROM idempotency_key WHERE user_id = p_user AND idem_key = p_key;
      INSERT INTO idempotency_key (user_id, idem_key, request_hash, created_at_ms)
      VALUES (p_user, p_key, p_request_hash, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED));
    END;
  END IF;
  IF v_hash IS NOT NULL THEN
    SET o_code = IF(v_hash = p_request_hash, 'REPLAY', 'IDEMPOTENCY_KEY_REUSED');
  END IF;
END;

-- Answers in place of the work when idem_claim said so, and ends the transaction.
CREATE PROCEDURE IF NOT EXISTS idem_answer(IN p_user BINARY(16), IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                             IN p_code VARCHAR(32))
  SQL SECURITY INVOKER
  COMMENT 'the first answer of a key'
BEGIN
  IF p_code = 'REPLAY' THEN
    SELECT p_code AS code, status, body FROM idempotency_key WHERE user_id = p_user AND idem_key = p_key;
  ELSE
    SELECT p_code AS code;
  END IF;
  ROLLBACK;
END;

-- Ends a live place. The caller holds the queue row and the place row locked.
CREATE PROCEDURE IF NOT EXISTS place_end(IN p_concert BIGINT UNSIGNED, IN p_number BIGINT UNSIGNED, IN p_from VARCHAR(16) CHARACTER SET ascii,
                           IN p_to VARCHAR(16) CHARACTER SET ascii, IN p_kind VARCHAR(16) CHARACTER SET ascii,
                           IN p_now BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'a place ends: row, counters, event'
BEGIN
  UPDATE place SET state = p_to, live = NULL, expires_at_ms = NULL, ended_at_ms = p_now
   WHERE concert_id = p_concert AND number = p_number;
  UPDATE queue SET event_seq = event_seq + 1,
                   active = active - IF(p_from = 'ACTIVE', 1, 0),
                   waiting = waiting - IF(p_from = 'WAITING', 1, 0),
                   no_show_total = no_show_total + IF(p_kind = 'NO_SHOW', 1, 0)
   WHERE concert_id = p_concert;
  INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)
  SELECT concert_id, event_seq, p_kind, p_number, 0, p_now FROM queue WHERE concert_id = p_concert;
END;

-- Draws a number, or tells the one that the user has. Answers code JOINED or ALREADY_IN, number, state,
-- ahead (NULL: not known here, ask the board), joined_at_ms, expires_at_ms.
CREATE PROCEDURE IF NOT EXISTS queue_join(IN p_user BINARY(16), IN p_access_hash BINARY(32), IN p_concert BIGINT UNSIGNED,
                            IN p_active_ttl_ms BIGINT UNSIGNED, IN p_window_max BIGINT UNSIGNED,
                            IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_request_hash BINARY(32))
  SQL SECURITY INVOKER
  COMMENT 'join a waiting queue'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_now, v_open, v_close, v_found, v_proven BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_tail, v_through, v_waiting, v_active, v_cap, v_seq BIGINT UNSIGNED;
  DECLARE v_paused, v_draining TINYINT UNSIGNED;
  DECLARE v_number, v_joined, v_expires, v_claimed BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_state VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;

  -- Who asks, for what, and whether they are in: each found by a whole key, so one quick statement.
  SELECT 1, c.concert_id, c.sales_open_at_ms, c.sales_close_at_ms, p.number, p.state, p.joined_at_ms, p.expires_at_ms
    INTO v_proven, v_found, v_open, v_close, v_number, v_state, v_joined, v_expires
    FROM user u LEFT JOIN concert c ON c.concert_id = p_concert
    LEFT JOIN place p ON p.concert_id = p_concert AND p.user_id = p_user AND p.live = 1
   WHERE u.user_id = p_user AND u.access_hash = p_access_hash;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  IF v_proven IS NULL THEN
    SELECT 'CREDENTIALS_INVALID' AS code;
    LEAVE main;
  END IF;

  START TRANSACTION;
  IF p_key IS NOT NULL THEN
    CALL idem_claim(p_user, p_key, p_request_hash, v_code);
    IF v_code IS NOT NULL THEN
      CALL idem_answer(p_user, p_key, v_code);
      LEAVE main;
    END IF;
  END IF;

  join_rule: BEGIN
    -- Another device of the same user was quicker between the look and the lock: the key of live places says
    -- so, and the number that it drew is the answer. Nothing has been written here by then.
    DECLARE EXIT HANDLER FOR 1062
      BEGIN
        SELECT number, state, joined_at_ms, expires_at_ms INTO v_number, v_state, v_joined, v_expires
          FROM place WHERE concert_id = p_concert AND user_id = p_user AND live = 1;
        SET v_code = 'ALREADY_IN';
      END;
    IF v_found IS NULL THEN
      SET v_code = 'CONCERT_NOT_FOUND';
      LEAVE join_rule;
    END IF;
    IF v_number IS NOT NULL AND (v_state = 'WAITING' OR v_expires > v_now) THEN
      SET v_code = 'ALREADY_IN';
      LEAVE join_rule;
    END IF;

    SELECT tail, admitted_through, waiting, active, max_active, paused, draining, event_seq
      INTO v_tail, v_through, v_waiting, v_active, v_cap, v_paused, v_draining, v_seq
      FROM queue WHERE concert_id = p_concert FOR UPDATE;
    SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
    IF v_close <= v_now OR v_draining THEN
      SET v_code = 'SALES_CLOSED';
      LEAVE join_rule;
    END IF;
    IF v_number IS NOT NULL THEN
      -- The pass had run out, and no ticker had come by yet. Has one now?
      SET v_number = NULL;
      SELECT number, state, joined_at_ms, expires_at_ms, claimed_at_ms
        INTO v_number, v_state, v_joined, v_expires, v_claimed
        FROM place WHERE concert_id = p_concert AND user_id = p_user AND live = 1 FOR UPDATE;
      IF v_number IS NOT NULL THEN
        IF v_state = 'WAITING' OR v_expires > v_now THEN
          SET v_code = 'ALREADY_IN';
          LEAVE join_rule;
        END IF;
        CALL place_end(p_concert, v_number, 'ACTIVE', 'EXPIRED', IF(v_claimed IS NULL, 'NO_SHOW', 'EXPIRE'), v_now);
        SET v_active = v_active - 1, v_seq = v_seq + 1;
      END IF;
    END IF;
    -- With nobody waiting, all numbers drawn so far were let in or have left.
    IF v_waiting = 0 THEN
      SET v_through = v_tail;
    ELSEIF v_tail - v_through >= p_window_max THEN
      SET v_code = 'BUSY';
      LEAVE join_rule;
    END IF;

    SET v_number = v_tail + 1, v_joined = v_now, v_code = 'JOINED', v_expires = NULL, v_state = 'WAITING';
    IF v_waiting = 0 AND v_active < v_cap AND NOT v_paused AND (v_open IS NULL OR v_open <= v_now) THEN
      SET v_state = 'ACTIVE', v_expires = v_now + p_active_ttl_ms, v_through = v_number;
    END IF;
    INSERT INTO place (concert_id, number, user_id, state, live, join_seq, joined_active, joined_at_ms,
                       admitted_at_ms, claimed_at_ms, expires_at_ms)
    VALUES (p_concert, v_number, p_user, v_state, 1, v_seq + 1, v_state = 'ACTIVE', v_now,
            IF(v_state = 'ACTIVE', v_now, NULL), IF(v_state = 'ACTIVE', v_now, NULL), v_expires);
    UPDATE queue SET tail = v_number, admitted_through = v_through, event_seq = v_seq + 1,
                     waiting = waiting + IF(v_state = 'WAITING', 1, 0),
                     active = active + IF(v_state = 'ACTIVE', 1, 0),
                     admitted_total = admitted_total + IF(v_state = 'ACTIVE', 1, 0)
     WHERE concert_id = p_concert;
  END;

  IF p_key IS NULL THEN
    COMMIT;
  END IF;
  SELECT v_code AS code, v_number AS number, v_state AS state,
         IF(v_code = 'JOINED', v_waiting, NULL) AS ahead, v_joined AS joined_at_ms, v_expires AS expires_at_ms;
END;

-- Gives seats of a reservation to another (or to nobody), in ascending order. The list is what
-- reservation.seat_numbers holds. Seats that p_from no longer has stay as they are; o_changed counts.
CREATE PROCEDURE IF NOT EXISTS seats_move(IN p_performance BIGINT UNSIGNED, IN p_numbers VARCHAR(600) CHARACTER SET ascii,
                            IN p_from BIGINT UNSIGNED, IN p_to BIGINT UNSIGNED, IN p_until BIGINT UNSIGNED,
                            OUT o_changed INT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'seats change hands'
BEGIN
  DECLARE v_rest VARCHAR(600) CHARACTER SET ascii DEFAULT p_numbers;
  DECLARE v_seat VARCHAR(12) CHARACTER SET ascii;
  SET o_changed = 0;
  WHILE v_rest <> '' DO
    SET v_seat = SUBSTRING_INDEX(v_rest, ',', 1), v_rest = IF(LOCATE(',', v_rest), SUBSTRING(v_rest, LOCATE(',', v_rest) + 1), '');
    UPDATE seat SET reservation_id = p_to, taken_until_ms = p_until
     WHERE performance_id = p_performance AND seat_number = CAST(v_seat AS UNSIGNED) AND reservation_id = p_from;
    SET o_changed = o_changed + ROW_COUNT();
  END WHILE;
END;

-- Ends a HELD reservation whose row the caller holds locked; its seats are free from now on.
CREATE PROCEDURE IF NOT EXISTS reservation_end(IN p_reservation BIGINT UNSIGNED, IN p_performance BIGINT UNSIGNED,
                                 IN p_numbers VARCHAR(600) CHARACTER SET ascii,
                                 IN p_status VARCHAR(16) CHARACTER SET ascii, IN p_now BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'a hold ends unpaid: row, seats, event'
BEGIN
  DECLARE v_ignored INT UNSIGNED;
  UPDATE reservation SET status = p_status, sweep_at_ms = NULL WHERE reservation_id = p_reservation;
  CALL seats_move(p_performance, p_numbers, p_reservation, NULL, 0, v_ignored);
  INSERT INTO reservation_event (reservation_id, kind, at_ms) VALUES (p_reservation, p_status, p_now);
END;

-- Gives a place back, waiting or active, with the holds made in it.
CREATE PROCEDURE IF NOT EXISTS queue_leave(IN p_user BINARY(16), IN p_concert BIGINT UNSIGNED, IN p_number BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'leave a waiting queue'
main: BEGIN
  DECLARE v_now, v_reservation, v_performance, v_until BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_numbers VARCHAR(600) CHARACTER SET ascii;
  DECLARE v_state, v_seen VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;

  again: LOOP
  SELECT state INTO v_seen FROM place WHERE concert_id = p_concert AND number = p_number AND user_id = p_user;
  IF v_seen IS NULL OR v_seen NOT IN ('WAITING', 'ACTIVE') THEN
    SELECT IF(v_seen IS NULL, 'QUEUE_TOKEN_INVALID', 'OK') AS code;
    LEAVE main;
  END IF;

  START TRANSACTION;
  IF v_seen = 'ACTIVE' THEN
    SELECT COUNT(*) INTO v_now FROM user WHERE user_id = p_user FOR UPDATE;
    holds: LOOP
      SET v_reservation = NULL;
      SELECT reservation_id, performance_id, seat_numbers, held_until_ms
        INTO v_reservation, v_performance, v_numbers, v_until
        FROM reservation WHERE user_id = p_user AND concert_id = p_concert AND status = 'HELD'
       ORDER BY reservation_id LIMIT 1 FOR UPDATE;
      IF v_reservation IS NULL THEN
        LEAVE holds;
      END IF;
      SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
      CALL reservation_end(v_reservation, v_performance, v_numbers, IF(v_until <= v_now, 'EXPIRED', 'RELEASED'), v_now);
    END LOOP;
  END IF;
  SELECT tail INTO v_now FROM queue WHERE concert_id = p_concert FOR UPDATE;
  SELECT state INTO v_state FROM place WHERE concert_id = p_concert AND number = p_number FOR UPDATE;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  IF v_state = v_seen THEN
    CALL place_end(p_concert, p_number, v_state, 'LEFT', 'LEAVE', v_now);
    COMMIT;
    SELECT 'OK' AS code;
    LEAVE main;
  END IF;
  -- Let in or ended meanwhile: there may be holds now that were not looked for.
  ROLLBACK;
  END LOOP;
END;

-- One tick of one queue: ends what is overdue, then lets in by number while there is room. At most
-- p_batch of each. Answers how many of each.
CREATE PROCEDURE IF NOT EXISTS queue_tick(IN p_concert BIGINT UNSIGNED, IN p_claim_ttl_ms BIGINT UNSIGNED, IN p_batch INT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'end overdue passes and let people in'
BEGIN
  DECLARE v_now, v_open, v_number, v_claimed, v_through, v_seq, v_waiting, v_active, v_cap BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_paused TINYINT UNSIGNED;
  DECLARE v_done TINYINT DEFAULT 0;
  DECLARE v_ended, v_admitted, v_room INT UNSIGNED DEFAULT 0;
  -- SKIP LOCKED: a place that is just being claimed or stretched is not overdue any more.
  DECLARE overdue CURSOR FOR
    SELECT number, claimed_at_ms FROM place WHERE concert_id = p_concert AND expires_at_ms <= v_now
     ORDER BY expires_at_ms LIMIT p_batch FOR UPDATE SKIP LOCKED;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;

  START TRANSACTION;
  SELECT c.sales_open_at_ms INTO v_open FROM concert c WHERE c.concert_id = p_concert;
  SELECT paused INTO v_paused FROM queue WHERE concert_id = p_concert FOR UPDATE;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED), v_done = 0;

  OPEN overdue;
  ending: LOOP
    FETCH overdue INTO v_number, v_claimed;
    IF v_done THEN
      LEAVE ending;
    END IF;
    CALL place_end(p_concert, v_number, 'ACTIVE', 'EXPIRED', IF(v_claimed IS NULL, 'NO_SHOW', 'EXPIRE'), v_now);
    SET v_ended = v_ended + 1;
  END LOOP;
  CLOSE overdue;

  SELECT admitted_through, event_seq, waiting, active, max_active
    INTO v_through, v_seq, v_waiting, v_active, v_cap FROM queue WHERE concert_id = p_concert;
  IF NOT v_paused AND v_waiting > 0 AND v_active < v_cap AND (v_open IS NULL OR v_open <= v_now) THEN
    SET v_room = LEAST(v_cap - v_active, v_waiting, p_batch);
    INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)
    SELECT p_concert, v_seq + ROW_NUMBER() OVER (ORDER BY w.number), 'ADMIT', w.number, 0, v_now
      FROM (SELECT number FROM place
             WHERE concert_id = p_concert AND number > v_through AND state = 'WAITING'
             ORDER BY number LIMIT v_room) w;
    SET v_admitted = ROW_COUNT();
    UPDATE place p JOIN queue_event e ON e.concert_id = p.concert_id AND e.number = p.number
       SET p.state = 'ACTIVE', p.admitted_at_ms = v_now, p.expires_at_ms = v_now + p_claim_ttl_ms
     WHERE e.concert_id = p_concert AND e.seq > v_seq AND e.seq <= v_seq + v_admitted AND p.concert_id = p_concert;
    UPDATE queue SET event_seq = v_seq + v_admitted, waiting = waiting - v_admitted, active = active + v_admitted,
                     admitted_total = admitted_total + v_admitted,
                     admitted_through = GREATEST(v_through, COALESCE((SELECT MAX(number) FROM queue_event
                        WHERE concert_id = p_concert AND seq > v_seq AND seq <= v_seq + v_admitted), 0))
     WHERE concert_id = p_concert;
  END IF;
  COMMIT;
  SELECT 'OK' AS code, v_ended AS ended, v_admitted AS admitted;
END;

-- What an operator does to a queue. p_kind: CAP (p_value the cap), PAUSE, RESUME, DRAIN (1 on, 0 off).
CREATE PROCEDURE IF NOT EXISTS queue_command(IN p_concert BIGINT UNSIGNED, IN p_kind VARCHAR(16) CHARACTER SET ascii, IN p_value BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'cap, pause, resume, drain'
main: BEGIN
  DECLARE v_seq BIGINT UNSIGNED DEFAULT NULL;
  START TRANSACTION;
  SELECT event_seq + 1 INTO v_seq FROM queue WHERE concert_id = p_concert FOR UPDATE;
  IF v_seq IS NULL THEN
    ROLLBACK;
    SELECT 'CONCERT_NOT_FOUND' AS code;
    LEAVE main;
  END IF;
  UPDATE queue SET event_seq = v_seq,
                   max_active = IF(p_kind = 'CAP', p_value, max_active),
                   paused = CASE p_kind WHEN 'PAUSE' THEN 1 WHEN 'RESUME' THEN 0 ELSE paused END,
                   draining = IF(p_kind = 'DRAIN', p_value, draining)
   WHERE concert_id = p_concert;
  INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)
  VALUES (p_concert, v_seq, p_kind, 0, p_value, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED));
  COMMIT;
  SELECT 'OK' AS code;
END;

CREATE PROCEDURE IF NOT EXISTS concert_add(IN p_title VARCHAR(200) CHARACTER SET utf8mb4, IN p_max_active BIGINT UNSIGNED,
                             IN p_open BIGINT UNSIGNED, IN p_close BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'a concert and its queue'
BEGIN
  DECLARE v_now, v_concert BIGINT UNSIGNED;
  START TRANSACTION;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  INSERT INTO concert (title, sales_open_at_ms, sales_close_at_ms, created_at_ms) VALUES (p_title, p_open, p_close, v_now);
  SET v_concert = LAST_INSERT_ID();
  INSERT INTO queue (concert_id, max_active, event_seq) VALUES (v_concert, p_max_active, 1);
  INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms) VALUES (v_concert, 1, 'CAP', 0, p_max_active, v_now);
  COMMIT;
  SELECT 'OK' AS code, v_concert AS concert_id;
END;

CREATE PROCEDURE IF NOT EXISTS performance_add(IN p_concert BIGINT UNSIGNED, IN p_starts BIGINT UNSIGNED, IN p_venue VARCHAR(200) CHARACTER SET utf8mb4,
                                 IN p_price BIGINT UNSIGNED, IN p_seats INT UNSIGNED,
                                 IN p_open BIGINT UNSIGNED, IN p_close BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'a date of a concert and its seats'
main: BEGIN
  DECLARE v_performance BIGINT UNSIGNED;
  DECLARE v_seats INT UNSIGNED DEFAULT 1;
  IF NOT EXISTS (SELECT 1 FROM concert WHERE concert_id = p_concert) THEN
    SELECT 'CONCERT_NOT_FOUND' AS code;
    LEAVE main;
  END IF;
  START TRANSACTION;
  INSERT INTO performance (concert_id, starts_at_ms, venue, price_minor, total_seats, sales_open_at_ms, sales_close_at_ms, created_at_ms)
  VALUES (p_concert, p_starts, p_venue, p_price, p_seats, p_open, p_close, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED));
  SET v_performance = LAST_INSERT_ID();
  INSERT INTO seat (performance_id, seat_number) VALUES (v_performance, 1);
  -- Doubling: as many statements as the logarithm of the hall.
  WHILE v_seats < p_seats DO
    INSERT INTO seat (performance_id, seat_number)
    SELECT v_performance, seat_number + v_seats FROM seat
     WHERE performance_id = v_performance AND seat_number + v_seats <= p_seats;
    SET v_seats = v_seats * 2;
  END WHILE;
  COMMIT;
  SELECT 'OK' AS code, v_performance AS performance_id;
END;

-- Gives a hold back before it ends.
CREATE PROCEDURE IF NOT EXISTS reservation_release(IN p_user BINARY(16), IN p_access_hash BINARY(32), IN p_reservation BIGINT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'a user gives a hold back'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_now, v_performance, v_until BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_status VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;
  DECLARE v_numbers VARCHAR(600) CHARACTER SET ascii;
  IF NOT EXISTS (SELECT 1 FROM user WHERE user_id = p_user AND access_hash = p_access_hash) THEN
    SELECT 'CREDENTIALS_INVALID' AS code;
    LEAVE main;
  END IF;
  START TRANSACTION;
  SELECT performance_id, seat_numbers, status, held_until_ms INTO v_performance, v_numbers, v_status, v_until
    FROM reservation WHERE reservation_id = p_reservation AND user_id = p_user FOR UPDATE;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  SET v_code = CASE
    WHEN v_status IS NULL THEN 'RESERVATION_NOT_FOUND'
    WHEN v_status = 'PAID' THEN 'ALREADY_PAID'
    WHEN v_status IN ('RELEASED', 'CANCELLED') THEN 'RESERVATION_ENDED'
    WHEN v_status = 'EXPIRED' OR v_until <= v_now THEN 'HOLD_EXPIRED'
    ELSE 'OK'
  END;
  IF v_code = 'OK' THEN
    CALL reservation_end(p_reservation, v_performance, v_numbers, 'RELEASED', v_now);
  END IF;
  COMMIT;
  SELECT v_code AS code;
END;

-- Cancels: a paid one gives back exactly what was paid, once; a hold just ends. Answers the reservation.
CREATE PROCEDURE IF NOT EXISTS reservation_cancel(IN p_user BINARY(16), IN p_access_hash BINARY(32), IN p_reservation BIGINT UNSIGNED,
                                    IN p_cutoff_ms BIGINT UNSIGNED, IN p_balance_max BIGINT UNSIGNED,
                                    IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_request_hash BINARY(32))
  SQL SECURITY INVOKER
  COMMENT 'a user gives seats back for their price'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_now, v_performance, v_amount, v_until, v_balance, v_starts BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_count, v_moved INT UNSIGNED DEFAULT 0;
  DECLARE v_status VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;
  DECLARE v_numbers VARCHAR(600) CHARACTER SET ascii;

  IF NOT EXISTS (SELECT 1 FROM user WHERE user_id = p_user AND access_hash = p_access_hash) THEN
    SELECT 'CREDENTIALS_INVALID' AS code;
    LEAVE main;
  END IF;
  START TRANSACTION;
  IF p_key IS NOT NULL THEN
    CALL idem_claim(p_user, p_key, p_request_hash, v_code);
    IF v_code IS NOT NULL THEN
      CALL idem_answer(p_user, p_key, v_code);
      LEAVE main;
    END IF;
  END IF;

  cancel_rule: BEGIN
    SELECT balance_minor INTO v_balance FROM user WHERE user_id = p_user FOR UPDATE;
    SELECT performance_id, seat_numbers, seat_count, amount_minor, status, held_until_ms
      INTO v_performance, v_numbers, v_count, v_amount, v_status, v_until
      FROM reservation WHERE reservation_id = p_reservation AND user_id = p_user FOR UPDATE;
    SELECT starts_at_ms INTO v_starts FROM performance WHERE performance_id = v_performance;
    SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
    SET v_code = CASE
      WHEN v_status IS NULL THEN 'RESERVATION_NOT_FOUND'
      WHEN v_status IN ('RELEASED', 'CANCELLED') THEN 'RESERVATION_ENDED'
      WHEN v_status = 'EXPIRED' OR (v_status = 'HELD' AND v_until <= v_now) THEN 'HOLD_EXPIRED'
      WHEN v_now + p_cutoff_ms > v_starts THEN 'CANCEL_TOO_LATE'
      WHEN v_status = 'PAID' AND v_balance + v_amount > p_balance_max THEN 'BALANCE_LIMIT_EXCEEDED'
    END;
    IF v_code IS NOT NULL THEN
      LEAVE cancel_rule;
    END IF;
    CALL reservation_end(p_reservation, v_performance, v_numbers, 'CANCELLED', v_now);
    IF v_status = 'PAID' THEN
      UPDATE user SET balance_minor = v_balance + v_amount WHERE user_id = p_user;
      INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor, reservation_id, created_at_ms)
      VALUES (p_user, 'REFUND', v_amount, v_balance + v_amount, p_reservation, v_now);
    END IF;
    SET v_code = 'OK';
  END;

  IF p_key IS NULL THEN
    COMMIT;
  END IF;
  IF v_code = 'OK' THEN
    SELECT 'OK' AS code, reservation_id, concert_id, performance_id, seat_numbers, amount_minor, status,
           held_until_ms, created_at_ms, paid_at_ms FROM reservation WHERE reservation_id = p_reservation;
  ELSE
    SELECT v_code AS code;
  END IF;
END;

-- Adds money. Answers entry_id (the charge's id), balance_minor.
CREATE PROCEDURE IF NOT EXISTS account_charge(IN p_user BINARY(16), IN p_access_hash BINARY(32), IN p_amount BIGINT UNSIGNED,
                                IN p_balance_max BIGINT UNSIGNED,
                                IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_request_hash BINARY(32))
  SQL SECURITY INVOKER
  COMMENT 'add money to a balance'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_balance, v_entry BIGINT UNSIGNED DEFAULT NULL;

  IF NOT EXISTS (SELECT 1 FROM user WHERE user_id = p_user AND access_hash = p_access_hash) THEN
    SELECT 'CREDENTIALS_INVALID' AS code;
    LEAVE main;
  END IF;
  START TRANSACTION;
  IF p_key IS NOT NULL THEN
    CALL idem_claim(p_user, p_key, p_request_hash, v_code);
    IF v_code IS NOT NULL THEN
      CALL idem_answer(p_user, p_key, v_code);
      LEAVE main;
    END IF;
  END IF;
  SELECT balance_minor INTO v_balance FROM user WHERE user_id = p_user FOR UPDATE;
  IF v_balance + p_amount > p_balance_max THEN
    SET v_code = 'BALANCE_LIMIT_EXCEEDED';
  ELSE
    SET v_balance = v_balance + p_amount, v_code = 'OK';
    UPDATE user SET balance_minor = v_balance WHERE user_id = p_user;
    INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor, reservation_id, created_at_ms)
    VALUES (p_user, 'CHARGE', p_amount, v_balance, NULL, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED));
    SET v_entry = LAST_INSERT_ID();
  END IF;
  IF p_key IS NULL THEN
    COMMIT;
  END IF;
  SELECT v_code AS code, v_entry AS entry_id, v_balance AS balance_minor;
END;

-- Marks holds that ran out and frees their seats (which have been free for others since they ran out).
CREATE PROCEDURE IF NOT EXISTS holds_expire(IN p_batch INT UNSIGNED)
  SQL SECURITY INVOKER
  COMMENT 'tidy up after holds that ran out'
BEGIN
  DECLARE v_now, v_reservation, v_performance BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_numbers VARCHAR(600) CHARACTER SET ascii;
  DECLARE v_done TINYINT DEFAULT 0;
  DECLARE v_ended INT UNSIGNED DEFAULT 0;
  DECLARE overdue CURSOR FOR
    SELECT reservation_id, performance_id, seat_numbers FROM reservation WHERE sweep_at_ms <= v_now
     ORDER BY sweep_at_ms LIMIT p_batch FOR UPDATE SKIP LOCKED;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  START TRANSACTION;
  SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
  OPEN overdue;
  ending: LOOP
    FETCH overdue INTO v_reservation, v_performance, v_numbers;
    IF v_done THEN
      LEAVE ending;
    END IF;
    CALL reservation_end(v_reservation, v_performance, v_numbers, 'EXPIRED', v_now);
    SET v_ended = v_ended + 1;
  END LOOP;
  CLOSE overdue;
  COMMIT;
  SELECT 'OK' AS code, v_ended AS ended;
END;
