-- Pauses or resumes a schedule. What was due meanwhile is missed: its policy says what becomes of it.
UPDATE engine.schedule SET paused = $2, reason = $3 WHERE name = $1
