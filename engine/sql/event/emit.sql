-- Keeps an event; the first one counts. Index: event_pkey.
INSERT INTO engine.event (key, payload) VALUES ($1, $2::text::json) ON CONFLICT (key) DO NOTHING
