-- Gives back what was claimed for us in a claim whose answer was lost (L12). Moves: running -> ready, before
-- all others, as their turn had come; the attempt is not counted. Scans the small hot table; runs only after a failed claim.
UPDATE engine.job j SET state = 0, worker = NULL, attempt = j.attempt - 1, lane = -1, share = 0, has_turn = false, run_at = engine.clock()
WHERE j.worker = $1 AND j.state = 1 AND j.id <> ALL ($2::uuid[])
