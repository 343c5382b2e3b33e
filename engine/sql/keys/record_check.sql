-- Records the check value of a key id at its first use. The first process wins; the others read its value again.
INSERT INTO engine.key_check (kek, value)
VALUES ($1, $2)
ON CONFLICT (kek) DO NOTHING
