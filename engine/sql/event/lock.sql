-- Locks these events until the end, in one order: whoever is about to wait for one, and whoever lets it happen, so that the
-- second sees what the first did. Before any job is locked, and a statement of its own: only the next one sees it.
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT hashtextextended(event, 0) AS key FROM unnest($1::text[]) AS event ORDER BY 1 OFFSET 0
) events
