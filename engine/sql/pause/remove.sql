-- Resumes. Whoever stood aside is let back by the statements that follow.
DELETE FROM engine.pause WHERE scope = $1 AND name = $2
