-- The server's version, what it promises about commits, and who follows it: how many standbys are connected, and how many
-- of them commits wait for (whose state is shown to those who may see it).
SELECT current_setting('server_version') AS "version!", current_setting('server_version_num')::integer AS "number!",
       current_setting('fsync') AS "fsync!", current_setting('full_page_writes') AS "full_page_writes!",
       current_setting('synchronous_commit') AS "synchronous_commit!", current_setting('synchronous_standby_names') AS "standbys!",
       pg_is_in_recovery() AS "in_recovery!",
       (SELECT count(*) FROM pg_stat_replication) AS "connected!",
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS "waited_for!",
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IS NULL) AS "hidden!"
