-- The keys that somebody stands aside for, after the key $1, up to 1,000, each found with one descent. Index: job_blocked.
WITH RECURSIVE waited AS (
    (SELECT j.blocked_on FROM engine.job j WHERE j.blocked_on > 'limit:' || $1 AND j.blocked_on < 'limit;' ORDER BY j.blocked_on LIMIT 1)
    UNION ALL
    SELECT next.blocked_on FROM waited, LATERAL (
        SELECT j.blocked_on FROM engine.job j WHERE j.blocked_on > waited.blocked_on AND j.blocked_on < 'limit;'
        ORDER BY j.blocked_on LIMIT 1
    ) next
)
SELECT substr(blocked_on, 7) AS "key!" FROM waited LIMIT 1000
