-- How many jobs of each kind were set aside and wait for a person, and since when the first. Reads what was set aside.
SELECT kind AS "kind!", count(*) AS "jobs!", min(died_at) AS "oldest!" FROM engine.dead_letter GROUP BY kind ORDER BY 2 DESC, 1
