-- What takes how much room: the days of the history, and the months of all that is kept by month; what came while there was no
-- partition for it stands in those without a day. Reads the catalogue.
SELECT CASE WHEN p.relname = 'history' THEN 'history' ELSE 'month' END AS "what!",
       CASE WHEN c.relname ~ '_default$' THEN NULL
            WHEN p.relname = 'history' THEN to_date(c.relname, '"history_"YYYY_MM_DD')
            ELSE to_date(right(c.relname, 7), 'YYYY_MM') END AS day,
       sum(pg_total_relation_size(c.oid))::bigint AS "bytes!", sum(greatest(c.reltuples, 0))::bigint AS "rows!"
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relnamespace = 'engine'::regnamespace AND p.relkind = 'p'
GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST
