-- Reads the check values of the keyring's ids. Moves nothing.
SELECT kek, value
FROM engine.key_check
WHERE kek = ANY ($1::text[])
