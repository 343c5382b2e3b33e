-- Which of the ticks $2 of schedule $1 were taken already. Index: tick_pkey.
SELECT at FROM engine.tick WHERE schedule = $1 AND at = ANY ($2::timestamptz[])
