-- Whether this role may vacuum the table of jobs: for another one, VACUUM does nothing but warn.
SELECT pg_has_role(relowner, 'USAGE') AS "owns!" FROM pg_class WHERE oid = 'engine.job'::regclass
