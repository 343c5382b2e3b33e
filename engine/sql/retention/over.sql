-- The partitions whose time has come: days of the history, and where $1 says that it is time for the longer look (it reads the history),
-- months that have been over for a week and none of whose jobs is left.
SELECT 'drop_day' AS "what!", day AS "day!" FROM (
    SELECT to_date(c.relname, '"history_"YYYY_MM_DD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'engine.history'::regclass AND c.relname ~ '^history_\d'
) days
WHERE day <= (engine.now() AT TIME ZONE 'UTC')::date AND day NOT IN (SELECT goes FROM engine.retention)
UNION ALL
SELECT 'drop_month', month FROM (
    SELECT to_date(c.relname, '"step_"YYYY_MM') AS month FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE $1 AND i.inhparent = 'engine.step'::regclass AND c.relname ~ '^step_\d'
    OFFSET 0
) months, LATERAL engine.held_by(month) AS held
WHERE month + interval '1 month 7 days' <= engine.now() AT TIME ZONE 'UTC' AND held.live = 0 AND held.dead = 0 AND NOT held.ended
