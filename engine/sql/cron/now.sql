-- What time it is.
SELECT engine.now() AS "now!"
