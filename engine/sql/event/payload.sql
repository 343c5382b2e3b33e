-- What an event brought, if it has come. Index: event_pkey.
SELECT payload::text AS "payload!" FROM engine.event WHERE key = $1
