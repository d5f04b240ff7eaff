-- SPDX-License-Identifier: 0BSD
-- The database and its two users, once before the first `boxofficectl migrate`, as the database's administrator:
--
--   mariadb < users.sql
--   boxofficectl migrate
--   mariadb < grants.sql
--
-- boxoffice runs the service and the operator's commands; what it may do is in grants.sql, table by table.
-- boxoffice_migrate changes the schema, and makes and restores backups; the service never has its rights. It does
-- all that with `database_migrate_user = boxoffice_migrate` in boxoffice.conf.
--
-- As it stands, MariaDB knows them by the system account that connects (unix_socket): boxoffice is the service's own,
-- and boxoffice_migrate is run with `runuser -u boxoffice_migrate -- boxofficectl migrate`. No password is anywhere.
--
-- With passwords instead (another host; MySQL; no wish for a second system account): replace IDENTIFIED VIA unix_socket by
-- IDENTIFIED BY 'PASSWORD', and @localhost by @'ADDRESS' of the service's host where that is another one (in grants.sql too).
-- The passwords go into files named by database_password_file (readable by the service) and
-- database_migrate_password_file (readable by root only).
--
-- It does no harm when it is run again: a user that is there keeps its way to prove itself.

CREATE DATABASE IF NOT EXISTS boxoffice CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE USER IF NOT EXISTS boxoffice@localhost         IDENTIFIED VIA unix_socket;
CREATE USER IF NOT EXISTS boxoffice_migrate@localhost IDENTIFIED VIA unix_socket;

-- To change the schema, and to move data where a migration needs that. Procedures belong to who made them, so that this
-- user, and not the service's, sees their text, which a backup needs.
GRANT CREATE, ALTER, DROP, INDEX, CREATE ROUTINE, ALTER ROUTINE, SELECT, INSERT, UPDATE, DELETE
  ON boxoffice.* TO boxoffice_migrate@localhost;
