-- SPDX-License-Identifier: 0BSD
-- 004: what happens to a performance's seats is numbered, as what happens to a queue is; and what changed lately
-- can be asked for without a look at what did not.
--
-- (002 and 003 were procedures, whose current texts stand in sql/current/. Those of the first release stay in a
-- database that it has filled, so that its workers go on until they have been replaced; nothing here calls them.)
--
-- Events of a performance get the next number of its row, under its lock, and the reservation's event bears it.
-- Events from before this migration have none; the audit judges them by what they say alone.
--
-- touched_at is the server's own note of when a row was changed last: for the ticker, which looks at a few
-- seconds back and compares event_seq. Nothing is decided by it.

DROP PROCEDURE IF EXISTS migration_004;

CREATE PROCEDURE migration_004()
  SQL SECURITY INVOKER
  COMMENT 'does no harm when it is run again; IF NOT EXISTS of a column is MariaDB''s alone'
BEGIN
  IF NOT EXISTS (SELECT 1 FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'performance' AND column_name = 'event_seq') THEN
    ALTER TABLE performance
      ADD COLUMN event_seq BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'the last seq given to a reservation_event of it; no gaps',
      ADD COLUMN touched_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) COMMENT 'changed last',
      ADD KEY performance_touched (touched_at);
  END IF;
  IF NOT EXISTS (SELECT 1 FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'queue' AND column_name = 'touched_at') THEN
    ALTER TABLE queue
      ADD COLUMN touched_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) COMMENT 'changed last',
      ADD KEY queue_touched (touched_at);
  END IF;
  IF NOT EXISTS (SELECT 1 FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'reservation_event' AND column_name = 'seq') THEN
    ALTER TABLE reservation_event
      ADD COLUMN performance_id BIGINT UNSIGNED NULL COMMENT 'the reservation''s; NULL with seq',
      ADD COLUMN seq BIGINT UNSIGNED NULL COMMENT 'order of events of the performance, given under its row''s lock; NULL: from before 004',
      ADD UNIQUE KEY reservation_event_order (performance_id, seq);
  END IF;
  IF NOT EXISTS (SELECT 1 FROM information_schema.statistics
                  WHERE table_schema = DATABASE() AND table_name = 'place' AND index_name = 'place_due') THEN
    ALTER TABLE place ADD KEY place_due (expires_at_ms), DROP KEY place_overdue;
  END IF;
END;

CALL migration_004();

DROP PROCEDURE migration_004;
