-- Hints at the queues $1: there is work. The channel is the one that listen.rs listens on.
SELECT pg_notify('autopilot', queue) FROM unnest($1::text[]) AS queue
