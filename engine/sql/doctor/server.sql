-- The server's version and what it promises about commits.
SELECT current_setting('server_version') AS "version!", current_setting('server_version_num')::integer AS "number!",
       current_setting('fsync') AS "fsync!", current_setting('full_page_writes') AS "full_page_writes!",
       current_setting('synchronous_commit') AS "synchronous_commit!", current_setting('synchronous_standby_names') AS "standbys!"
