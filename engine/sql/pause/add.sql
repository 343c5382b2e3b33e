-- Pauses a queue, a kind or a workspace; the first reason stays. Claims heed it from the commit on.
INSERT INTO engine.pause (scope, name, reason) VALUES ($1, $2, $3) ON CONFLICT (scope, name) DO NOTHING
