-- 001: the tables.
--
-- Conventions. Times are milliseconds since 1970-01-01T00:00:00Z, by the database's clock (…_at_ms,
-- …_until_ms); money is in the currency's minor unit (…_minor). What decides sits in one row each
-- (queue, place, seat, user.balance_minor); what happened (queue_event, reservation_event, payment,
-- balance_entry) is only ever appended, and `boxofficectl audit` replays it against the first kind.
--
-- There are no foreign keys: a child's insert would take a shared lock on its parent, and parents
-- (queue, user) are updated in the same transactions, which deadlocks under load. The audit looks
-- for orphans instead.
--
-- A migration must do no harm when it is run again: its statements commit one by one, and the process may
-- die between two of them.
--
-- Locks are always taken in this order: user, reservation, seat (by number), queue, place. (A hold: see 003.)

CREATE TABLE IF NOT EXISTS concert (
  concert_id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'public id',
  title             VARCHAR(200) NOT NULL COMMENT 'as shown to buyers, any language',
  sales_open_at_ms  BIGINT UNSIGNED NULL COMMENT 'nobody is let in before, ms since 1970; NULL: no bound',
  sales_close_at_ms BIGINT UNSIGNED NULL COMMENT 'nobody joins from then on, ms since 1970; NULL: no bound',
  created_at_ms     BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (concert_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what is sold; each has one queue';

CREATE TABLE IF NOT EXISTS performance (
  performance_id    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'public id',
  concert_id        BIGINT UNSIGNED NOT NULL COMMENT 'the concert it is a date of',
  starts_at_ms      BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  venue             VARCHAR(200) NOT NULL COMMENT 'as shown to buyers',
  price_minor       BIGINT UNSIGNED NOT NULL COMMENT 'of one seat, minor units',
  total_seats       INT UNSIGNED NOT NULL COMMENT 'seats are numbered 1 to this',
  sales_open_at_ms  BIGINT UNSIGNED NULL COMMENT 'no hold before, ms since 1970; NULL: as the concert',
  sales_close_at_ms BIGINT UNSIGNED NULL COMMENT 'no hold from then on, ms since 1970; NULL: as the concert',
  created_at_ms     BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (performance_id),
  KEY performance_by_concert (concert_id, starts_at_ms)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='one date of a concert';

CREATE TABLE IF NOT EXISTS seat (
  performance_id BIGINT UNSIGNED NOT NULL COMMENT 'the date',
  seat_number    INT UNSIGNED NOT NULL COMMENT '1 to performance.total_seats',
  reservation_id BIGINT UNSIGNED NULL COMMENT 'who holds, held last or owns it; NULL: nobody',
  taken_until_ms BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'free from then on, ms since 1970: 0 free, the end of a hold, 9223372036854775807 sold',
  PRIMARY KEY (performance_id, seat_number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='who has a seat, and until when';

CREATE TABLE IF NOT EXISTS user (
  user_id       BINARY(16) NOT NULL COMMENT 'UUID',
  name          VARCHAR(100) NOT NULL COMMENT 'as given',
  access_hash   BINARY(32) NOT NULL COMMENT 'SHA-256 of the access key''s secret; the key itself is not kept',
  balance_minor BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'prepaid money, minor units; always the sum of balance_entry',
  created_at_ms BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='a buyer';

CREATE TABLE IF NOT EXISTS queue (
  concert_id       BIGINT UNSIGNED NOT NULL COMMENT 'the concert; one row each',
  tail             BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'the last number drawn; 0: none yet',
  admitted_through BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'every number up to this was let in or has left',
  waiting          BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'places in state WAITING',
  active           BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'places in state ACTIVE',
  admitted_total   BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'places ever let in, at joining or later',
  no_show_total    BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'places let in that never showed up in time',
  max_active       BIGINT UNSIGNED NOT NULL COMMENT 'cap on active',
  paused           TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '1: nobody is let in',
  draining         TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '1: nobody joins',
  event_seq        BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'the last seq given to a place (join_seq) or a queue_event; no gaps',
  PRIMARY KEY (concert_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='counters of a waiting queue; its row lock orders all that happens to it';

CREATE TABLE IF NOT EXISTS place (
  concert_id     BIGINT UNSIGNED NOT NULL COMMENT 'the queue',
  number         BIGINT UNSIGNED NOT NULL COMMENT 'by order of joining: 1, 2, 3 … without gaps',
  user_id        BINARY(16) NOT NULL COMMENT 'who',
  state          ENUM('WAITING','ACTIVE','COMPLETED','LEFT','EXPIRED') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'where it stands',
  live           TINYINT UNSIGNED NULL COMMENT '1 while WAITING or ACTIVE, else NULL: one live place per user and concert',
  join_seq       BIGINT UNSIGNED NOT NULL COMMENT 'its seq among the queue''s events: this row is its own event of joining',
  joined_active  TINYINT UNSIGNED NOT NULL COMMENT '1: let in at joining, without an ADMIT event',
  joined_at_ms   BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  admitted_at_ms BIGINT UNSIGNED NULL COMMENT 'let in, ms since 1970',
  claimed_at_ms  BIGINT UNSIGNED NULL COMMENT 'first shown up after being let in, ms since 1970',
  expires_at_ms  BIGINT UNSIGNED NULL COMMENT 'ACTIVE only: when the pass (or the time to show up) ends, ms since 1970',
  ended_at_ms    BIGINT UNSIGNED NULL COMMENT 'COMPLETED, LEFT or EXPIRED since, ms since 1970',
  PRIMARY KEY (concert_id, number),
  UNIQUE KEY place_live (concert_id, user_id, live),
  KEY place_overdue (concert_id, expires_at_ms)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='a user''s place in a queue';

CREATE TABLE IF NOT EXISTS queue_event (
  concert_id BIGINT UNSIGNED NOT NULL COMMENT 'the queue',
  seq        BIGINT UNSIGNED NOT NULL COMMENT 'order of events, given under the queue row''s lock; shares its numbers with place.join_seq',
  kind       ENUM('ADMIT','COMPLETE','LEAVE','EXPIRE','NO_SHOW','CAP','PAUSE','RESUME','DRAIN') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'what happened',
  number     BIGINT UNSIGNED NOT NULL COMMENT 'the place, or 0 for what an operator did',
  value      BIGINT UNSIGNED NOT NULL COMMENT 'CAP: the new cap; DRAIN: 1 on, 0 off; else 0',
  at_ms      BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (concert_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what happened to a queue, appended only';

CREATE TABLE IF NOT EXISTS reservation (
  reservation_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'public id',
  user_id        BINARY(16) NOT NULL COMMENT 'who',
  concert_id     BIGINT UNSIGNED NOT NULL COMMENT 'of the performance, kept here for speed',
  place_number   BIGINT UNSIGNED NOT NULL COMMENT 'the queue place that made the hold',
  performance_id BIGINT UNSIGNED NOT NULL COMMENT 'the date',
  seat_numbers   VARCHAR(600) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'ascending, comma separated; never changes',
  seat_count     INT UNSIGNED NOT NULL COMMENT 'how many seat_numbers',
  amount_minor   BIGINT UNSIGNED NOT NULL COMMENT 'seat_count x price at holding, minor units',
  status         ENUM('HELD','PAID','RELEASED','EXPIRED','CANCELLED') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'HELD counts only until held_until_ms',
  held_until_ms  BIGINT UNSIGNED NOT NULL COMMENT 'the hold''s end, ms since 1970; never renewed',
  sweep_at_ms    BIGINT UNSIGNED NULL COMMENT 'held_until_ms while HELD, else NULL: what the ticker has to free, sparse',
  created_at_ms  BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  paid_at_ms     BIGINT UNSIGNED NULL COMMENT 'ms since 1970',
  PRIMARY KEY (reservation_id),
  KEY reservation_by_user (user_id, reservation_id),
  KEY reservation_sweep (sweep_at_ms)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='one user''s seats of one performance';

CREATE TABLE IF NOT EXISTS reservation_event (
  reservation_id BIGINT UNSIGNED NOT NULL COMMENT 'the reservation',
  kind           ENUM('HELD','PAID','RELEASED','EXPIRED','CANCELLED') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the status it took; each at most once',
  at_ms          BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (reservation_id, kind)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='what happened to a reservation and its seats, appended only';

CREATE TABLE IF NOT EXISTS payment (
  payment_id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'public id',
  reservation_id BIGINT UNSIGNED NOT NULL COMMENT 'what was paid; at most once',
  user_id        BINARY(16) NOT NULL COMMENT 'who paid',
  amount_minor   BIGINT UNSIGNED NOT NULL COMMENT 'minor units',
  balance_minor  BIGINT UNSIGNED NOT NULL COMMENT 'what was left right after, minor units',
  paid_at_ms     BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (payment_id),
  UNIQUE KEY payment_once (reservation_id),
  KEY payment_by_user (user_id, payment_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='a reservation turned into owned seats, appended only';

CREATE TABLE IF NOT EXISTS balance_entry (
  entry_id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'public id; of a CHARGE also the chargeId',
  user_id             BINARY(16) NOT NULL COMMENT 'whose balance',
  type                ENUM('CHARGE','PAYMENT','REFUND') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'why',
  amount_minor        BIGINT NOT NULL COMMENT 'signed: what was added, minor units',
  balance_after_minor BIGINT UNSIGNED NOT NULL COMMENT 'minor units',
  reservation_id      BIGINT UNSIGNED NULL COMMENT 'PAYMENT and REFUND: of what',
  created_at_ms       BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970',
  PRIMARY KEY (entry_id),
  KEY balance_entry_by_user (user_id, entry_id),
  UNIQUE KEY balance_entry_once (reservation_id, type)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='all that ever happened to balances, appended only';

CREATE TABLE IF NOT EXISTS idempotency_key (
  user_id       BINARY(16) NOT NULL COMMENT 'keys belong to a user',
  idem_key      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as sent, without quotes',
  request_hash  BINARY(32) NOT NULL COMMENT 'SHA-256 of method, path and body',
  status        SMALLINT UNSIGNED NULL COMMENT 'HTTP status of the first answer; never NULL once committed',
  body          MEDIUMBLOB NULL COMMENT 'the first answer, byte for byte',
  created_at_ms BIGINT UNSIGNED NOT NULL COMMENT 'ms since 1970; kept 24 hours',
  PRIMARY KEY (user_id, idem_key),
  KEY idempotency_key_age (created_at_ms)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='first answers, for requests that are sent again';
