-- SPDX-License-Identifier: 0BSD
-- What an operator does: commands to a queue, and adding what is sold. Each is one transaction and answers one row, whose
-- first column is `code`.
--
-- This file is run anew whenever its text changes (see boxofficectl migrate).

DROP PROCEDURE IF EXISTS queue_command;

-- p_kind: CAP (p_value the cap), PAUSE, RESUME, DRAIN (1 on, 0 off).
CREATE PROCEDURE queue_command(IN p_concert BIGINT UNSIGNED, IN p_kind VARCHAR(16) CHARACTER SET ascii, IN p_value BIGINT UNSIGNED)
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

DROP PROCEDURE IF EXISTS concert_add;

CREATE PROCEDURE concert_add(IN p_title VARCHAR(200) CHARACTER SET utf8mb4, IN p_max_active BIGINT UNSIGNED,
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

DROP PROCEDURE IF EXISTS performance_add;

CREATE PROCEDURE performance_add(IN p_concert BIGINT UNSIGNED, IN p_starts BIGINT UNSIGNED, IN p_venue VARCHAR(200) CHARACTER SET utf8mb4,
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
