-- Forgets a schedule that no living process knows.
WITH gone AS (
    DELETE FROM engine.schedule s WHERE s.name = $1 AND NOT EXISTS (SELECT FROM engine.worker w WHERE s.name = ANY (w.schedules))
    RETURNING s.name
), ticks AS (
    DELETE FROM engine.tick t USING gone WHERE t.schedule = gone.name
)
SELECT count(*) AS "gone!" FROM gone
