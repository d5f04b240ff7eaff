-- SPDX-License-Identifier: 0BSD
-- 003: a hold in fewer statements; a payment whose hold runs out under it is told so; a stored answer stays.
--
-- Holding: the user's place is locked first, and so lets one hold of a user run at a time: a performance is of one concert,
-- in which a user has one live place. Seats are taken by conditional updates, in ascending order; one that comes
-- too late for what the plain look saw undoes all, and looks again.
--
-- Locks: place, then seats by number. What holds those seats and waits for that place can only be another request
-- of the same user (leaving, or paying) at the instant when the hold of a seat runs out; the server ends that by
-- 1213, and the door runs it again.

DROP PROCEDURE IF EXISTS reservation_hold;

-- Holds seats: all of them or none. p_numbers: ascending, distinct, comma separated; p_count of them.
-- Answers reservation_id, concert_id, amount_minor, held_until_ms, created_at_ms; with SEAT_TAKEN, the
-- taken ones in `seat_numbers`.
CREATE PROCEDURE reservation_hold(IN p_user BINARY(16), IN p_concert BIGINT UNSIGNED, IN p_number BIGINT UNSIGNED,
                                  IN p_performance BIGINT UNSIGNED, IN p_numbers VARCHAR(600) CHARACTER SET ascii,
                                  IN p_count INT UNSIGNED, IN p_count_max INT UNSIGNED,
                                  IN p_hold_ttl_ms BIGINT UNSIGNED, IN p_active_ttl_ms BIGINT UNSIGNED,
                                  IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_request_hash BINARY(32))
  SQL SECURITY INVOKER
  COMMENT 'set seats aside for a user'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_now, v_concert, v_price, v_open, v_close, v_until, v_expires, v_claimed, v_reservation BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_total, v_seat, v_have INT UNSIGNED;
  DECLARE v_rounds INT UNSIGNED DEFAULT 0;
  DECLARE v_state VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;
  DECLARE v_rest, v_taken VARCHAR(600) CHARACTER SET ascii;

  looks: LOOP
    START TRANSACTION;
    IF p_key IS NOT NULL THEN
      CALL idem_claim(p_user, p_key, p_request_hash, v_code);
      IF v_code IS NOT NULL THEN
        CALL idem_answer(p_user, p_key, v_code);
        LEAVE main;
      END IF;
    END IF;

    SELECT state, expires_at_ms, claimed_at_ms INTO v_state, v_expires, v_claimed
      FROM place WHERE concert_id = p_concert AND number = p_number AND user_id = p_user FOR UPDATE;
    -- After the lock: `now` is read where the pass can't end any more.
    SELECT f.concert_id, f.price_minor, f.total_seats, COALESCE(f.sales_open_at_ms, c.sales_open_at_ms),
           COALESCE(f.sales_close_at_ms, c.sales_close_at_ms)
      INTO v_concert, v_price, v_total, v_open, v_close
      FROM performance f JOIN concert c ON c.concert_id = f.concert_id WHERE f.performance_id = p_performance;
    SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
    SET v_code = CASE
      WHEN v_concert <> p_concert THEN 'QUEUE_TOKEN_WRONG_CONCERT'
      WHEN v_state IS NULL THEN 'QUEUE_TOKEN_INVALID'
      WHEN v_state = 'WAITING' THEN 'QUEUE_NOT_ADMITTED'
      WHEN v_state <> 'ACTIVE' OR v_expires <= v_now THEN 'QUEUE_TOKEN_EXPIRED'
      WHEN v_concert IS NULL THEN 'PERFORMANCE_NOT_FOUND'
      WHEN CAST(SUBSTRING_INDEX(p_numbers, ',', -1) AS UNSIGNED) > v_total THEN 'SEAT_NOT_FOUND'
      WHEN v_open > v_now OR v_close <= v_now THEN 'SALES_CLOSED'
    END;
    IF v_code IS NOT NULL THEN
      LEAVE looks;
    END IF;

    -- A plain look, so that a crowd after one seat is refused without waiting; what it sees is committed. (SELECT INTO:
    -- a subquery in IF or SET would take shared locks.)
    SET v_rest = p_numbers, v_taken = '';
    WHILE v_rest <> '' DO
      SET v_seat = CAST(SUBSTRING_INDEX(v_rest, ',', 1) AS UNSIGNED),
          v_rest = IF(LOCATE(',', v_rest), SUBSTRING(v_rest, LOCATE(',', v_rest) + 1), '');
      SELECT taken_until_ms INTO v_until FROM seat WHERE performance_id = p_performance AND seat_number = v_seat;
      IF v_until > v_now THEN
        SET v_taken = CONCAT(v_taken, IF(v_taken = '', '', ','), v_seat);
      END IF;
    END WHILE;
    IF v_taken <> '' THEN
      SET v_code = 'SEAT_TAKEN';
      LEAVE looks;
    END IF;
    SELECT COALESCE(SUM(seat_count), 0) INTO v_have FROM reservation
     WHERE user_id = p_user AND performance_id = p_performance
       AND (status = 'PAID' OR (status = 'HELD' AND held_until_ms > v_now));
    IF v_have + p_count > p_count_max THEN
      SET v_code = 'SEAT_LIMIT_EXCEEDED';
      LEAVE looks;
    END IF;

    SET v_until = v_now + p_hold_ttl_ms;
    INSERT INTO reservation (user_id, concert_id, place_number, performance_id, seat_numbers, seat_count,
                             amount_minor, status, held_until_ms, sweep_at_ms, created_at_ms)
    VALUES (p_user, p_concert, p_number, p_performance, p_numbers, p_count,
            p_count * v_price, 'HELD', v_until, v_until, v_now);
    SET v_reservation = LAST_INSERT_ID(), v_rest = p_numbers, v_have = 0;
    WHILE v_rest <> '' DO
      SET v_seat = CAST(SUBSTRING_INDEX(v_rest, ',', 1) AS UNSIGNED),
          v_rest = IF(LOCATE(',', v_rest), SUBSTRING(v_rest, LOCATE(',', v_rest) + 1), '');
      UPDATE seat SET reservation_id = v_reservation, taken_until_ms = v_until
       WHERE performance_id = p_performance AND seat_number = v_seat AND taken_until_ms <= v_now;
      SET v_have = v_have + ROW_COUNT();
    END WHILE;
    IF v_have = p_count THEN
      INSERT INTO reservation_event (reservation_id, kind, at_ms) VALUES (v_reservation, 'HELD', v_now);
      -- Showing up starts the pass; a hold stretches it to at least the hold's end.
      UPDATE place SET expires_at_ms = GREATEST(IF(v_claimed IS NULL, v_now + p_active_ttl_ms, v_expires), v_until),
                       claimed_at_ms = COALESCE(v_claimed, v_now)
       WHERE concert_id = p_concert AND number = p_number;
      SET v_code = 'OK';
      LEAVE looks;
    END IF;
    -- Somebody was quicker since the look. (But not for ever: a seat without its row would be that.)
    ROLLBACK;
    SET v_rounds = v_rounds + 1;
    IF v_rounds = 100 THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seats that are neither free nor taken';
    END IF;
  END LOOP;

  IF p_key IS NULL THEN
    COMMIT;
  END IF;
  SELECT v_code AS code, v_reservation AS reservation_id, v_concert AS concert_id, p_count * v_price AS amount_minor,
         v_until AS held_until_ms, v_now AS created_at_ms, v_taken AS seat_numbers;
END;

DROP PROCEDURE IF EXISTS reservation_pay;

-- Pays a hold. Answers payment_id, concert_id, performance_id, seat_numbers, amount_minor, balance_minor,
-- paid_at_ms; with INSUFFICIENT_BALANCE the amount and the balance.
CREATE PROCEDURE reservation_pay(IN p_user BINARY(16), IN p_access_hash BINARY(32), IN p_concert BIGINT UNSIGNED,
                                 IN p_number BIGINT UNSIGNED, IN p_reservation BIGINT UNSIGNED,
                                 IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, IN p_request_hash BINARY(32))
  SQL SECURITY INVOKER
  COMMENT 'turn a hold into owned seats'
main: BEGIN
  DECLARE v_code VARCHAR(32) DEFAULT NULL;
  DECLARE v_now, v_owner_concert, v_performance, v_amount, v_until, v_balance, v_expires, v_claimed, v_payment BIGINT UNSIGNED DEFAULT NULL;
  DECLARE v_count, v_moved INT UNSIGNED DEFAULT 0;
  DECLARE v_state, v_status VARCHAR(16) CHARACTER SET ascii DEFAULT NULL;
  DECLARE v_numbers VARCHAR(600) CHARACTER SET ascii DEFAULT NULL;

  SELECT COUNT(*) INTO v_count FROM user WHERE user_id = p_user AND access_hash = p_access_hash;
  IF v_count = 0 THEN
    SELECT 'CREDENTIALS_INVALID' AS code;
    LEAVE main;
  END IF;

  looks: LOOP
    START TRANSACTION;
    IF p_key IS NOT NULL THEN
      CALL idem_claim(p_user, p_key, p_request_hash, v_code);
      IF v_code IS NOT NULL THEN
        CALL idem_answer(p_user, p_key, v_code);
        LEAVE main;
      END IF;
    END IF;

    SELECT state, expires_at_ms INTO v_state, v_expires
      FROM place WHERE concert_id = p_concert AND number = p_number AND user_id = p_user;
    SELECT balance_minor INTO v_balance FROM user WHERE user_id = p_user FOR UPDATE;
    SELECT concert_id, performance_id, seat_numbers, seat_count, amount_minor, status, held_until_ms
      INTO v_owner_concert, v_performance, v_numbers, v_count, v_amount, v_status, v_until
      FROM reservation WHERE reservation_id = p_reservation AND user_id = p_user FOR UPDATE;
    SET v_now = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED);
    SET v_code = CASE
      WHEN v_owner_concert <> p_concert THEN 'QUEUE_TOKEN_WRONG_CONCERT'
      WHEN v_state IS NULL THEN 'QUEUE_TOKEN_INVALID'
      WHEN v_state = 'WAITING' THEN 'QUEUE_NOT_ADMITTED'
      WHEN v_state <> 'ACTIVE' OR v_expires <= v_now THEN 'QUEUE_TOKEN_EXPIRED'
      WHEN v_status IS NULL THEN 'RESERVATION_NOT_FOUND'
      WHEN v_status = 'PAID' THEN 'ALREADY_PAID'
      WHEN v_status IN ('RELEASED', 'CANCELLED') THEN 'RESERVATION_ENDED'
      WHEN v_status = 'EXPIRED' OR v_until <= v_now THEN 'HOLD_EXPIRED'
      WHEN v_balance < v_amount THEN 'INSUFFICIENT_BALANCE'
    END;
    IF v_code IS NOT NULL THEN
      LEAVE looks;
    END IF;
    -- The seats are this reservation's while its hold lasts. Their locks also keep off buyers whose
    -- clock passes the hold's end while this commits.
    CALL seats_move(v_performance, v_numbers, p_reservation, p_reservation, 9223372036854775807, v_moved);
    IF v_moved <> v_count THEN
      -- It ran out between the look and the seats' locks, and they are another's now: look again.
      IF CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED) >= v_until THEN
        ROLLBACK;
        ITERATE looks;
      END IF;
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a live hold without its seats';
    END IF;
    SET v_balance = v_balance - v_amount;
    UPDATE user SET balance_minor = v_balance WHERE user_id = p_user;
    INSERT INTO payment (reservation_id, user_id, amount_minor, balance_minor, paid_at_ms)
    VALUES (p_reservation, p_user, v_amount, v_balance, v_now);
    SET v_payment = LAST_INSERT_ID();
    INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor, reservation_id, created_at_ms)
    VALUES (p_user, 'PAYMENT', -CAST(v_amount AS SIGNED), v_balance, p_reservation, v_now);
    UPDATE reservation SET status = 'PAID', paid_at_ms = v_now, sweep_at_ms = NULL WHERE reservation_id = p_reservation;
    INSERT INTO reservation_event (reservation_id, kind, at_ms) VALUES (p_reservation, 'PAID', v_now);

    -- Last, because it is shared by all: the queue. The pass is looked at again under its lock; when
    -- it ended meanwhile, nothing of the above has happened.
    SELECT tail INTO v_until FROM queue WHERE concert_id = p_concert FOR UPDATE;
    SELECT state, expires_at_ms, claimed_at_ms INTO v_state, v_expires, v_claimed
      FROM place WHERE concert_id = p_concert AND number = p_number FOR UPDATE;
    IF v_state <> 'ACTIVE' OR v_expires <= v_now THEN
      ROLLBACK;
      SELECT 'QUEUE_TOKEN_EXPIRED' AS code;
      LEAVE main;
    END IF;
    IF v_claimed IS NULL THEN
      UPDATE place SET claimed_at_ms = v_now WHERE concert_id = p_concert AND number = p_number;
    END IF;
    CALL place_end(p_concert, p_number, 'ACTIVE', 'COMPLETED', 'COMPLETE', v_now);
    SET v_code = 'OK';
    LEAVE looks;
  END LOOP;

  IF p_key IS NULL THEN
    COMMIT;
  END IF;
  SELECT v_code AS code, v_payment AS payment_id, v_owner_concert AS concert_id, v_performance AS performance_id,
         v_numbers AS seat_numbers, v_amount AS amount_minor, v_balance AS balance_minor, v_now AS paid_at_ms;
END;

DROP PROCEDURE IF EXISTS idem_store;

-- Stores the answer of a key that this transaction claimed, and commits it with the work. An answer that is there
-- already is never replaced. A refusal may come before the key was claimed: it is not kept.
CREATE PROCEDURE idem_store(IN p_user BINARY(16), IN p_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                            IN p_status SMALLINT UNSIGNED, IN p_body MEDIUMBLOB)
  SQL SECURITY INVOKER
  COMMENT 'the first answer of a key, committed with the work'
BEGIN
  UPDATE idempotency_key SET status = p_status, body = p_body
   WHERE user_id = p_user AND idem_key = p_key AND status IS NULL;
  IF ROW_COUNT() <> 1 AND p_status < 300 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'an answer for a key that was not claimed';
  END IF;
  COMMIT;
END;
