-- Forgets old ticks: the last thousand of each schedule are kept for a month. Index: tick_pkey.
DELETE FROM engine.tick t WHERE t.at < engine.now() - interval '31 days'
