-- The live children of these jobs, locked in the order of their ids. Index: job_wakes, job_pkey.
SELECT id FROM engine.job WHERE id = ANY (ARRAY(
    SELECT c.id FROM unnest($1::uuid[]) AS parent
    JOIN engine.job c ON c.wakes > 'child:' || parent || '/' AND c.wakes < 'child:' || parent || '0'
)) ORDER BY id FOR UPDATE
