-- The partitions that are needed now or next month, and are not there. Index: those of the catalogue.
SELECT 'make_day' AS "what!", day AS "day!" FROM (SELECT DISTINCT engine.goes_on(keep) AS day FROM engine.retention) days
WHERE to_regclass(to_char(day, '"engine.history_"YYYY_MM_DD')) IS NULL
UNION ALL
SELECT 'make_month', month FROM (SELECT engine.month(ahead) AS month FROM generate_series(0, 1) AS ahead) months
WHERE EXISTS (SELECT FROM unnest(engine.monthly()) AS parent WHERE to_regclass('engine.' || parent || to_char(month, '"_"YYYY_MM')) IS NULL)
