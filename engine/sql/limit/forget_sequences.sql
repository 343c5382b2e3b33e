-- Forgets who is in a sequence and has ended without a word: quarantined, for example. Reads the table.
DELETE FROM engine.sequence WHERE (key, place) IN (
    SELECT s.key, s.place FROM engine.sequence s WHERE NOT engine.stands(s.job, s.holds) LIMIT 1000 FOR UPDATE SKIP LOCKED
)
