-- Makes room of what the queue's dead rows take. Whoever is at it already does it for us; and nobody is locked out so that
-- an empty end of the file can be cut off.
VACUUM (SKIP_LOCKED, TRUNCATE off) engine.job
