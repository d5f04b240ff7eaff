-- SPDX-License-Identifier: 0BSD
-- What the service may do, as the database's administrator, after each `boxofficectl migrate`: a new version may have new
-- tables. It only adds rights, so it can be run while the service runs.
--
-- The procedures run with the rights of who calls them (SQL SECURITY INVOKER), so these are the rights of each
-- statement in them too. What happened is only ever appended: queue_event, reservation_event, payment and balance_entry
-- can be neither changed nor deleted with these rights, whatever is found in the program. tests/site/rights.py takes
-- each right away in turn and sees something break.

GRANT EXECUTE                        ON boxoffice.*                 TO boxoffice@localhost;

-- What decides: one row each, kept up to date, never deleted.
GRANT SELECT, INSERT, UPDATE         ON boxoffice.user              TO boxoffice@localhost;
GRANT SELECT, INSERT, UPDATE         ON boxoffice.queue             TO boxoffice@localhost;
GRANT SELECT, INSERT, UPDATE         ON boxoffice.place             TO boxoffice@localhost;
GRANT SELECT, INSERT, UPDATE         ON boxoffice.seat              TO boxoffice@localhost;
GRANT SELECT, INSERT, UPDATE         ON boxoffice.reservation       TO boxoffice@localhost;

-- What is sold, added by the operator.
GRANT SELECT, INSERT                 ON boxoffice.concert           TO boxoffice@localhost;
GRANT SELECT, INSERT, UPDATE         ON boxoffice.performance       TO boxoffice@localhost;

-- What happened: appended only.
GRANT SELECT, INSERT                 ON boxoffice.queue_event       TO boxoffice@localhost;
GRANT SELECT, INSERT                 ON boxoffice.reservation_event TO boxoffice@localhost;
GRANT SELECT, INSERT                 ON boxoffice.payment           TO boxoffice@localhost;
GRANT SELECT, INSERT                 ON boxoffice.balance_entry     TO boxoffice@localhost;

-- First answers, deleted after a day.
GRANT SELECT, INSERT, UPDATE, DELETE ON boxoffice.idempotency_key   TO boxoffice@localhost;

-- Whether the schema is up to date.
GRANT SELECT                         ON boxoffice.schema_migration  TO boxoffice@localhost;
