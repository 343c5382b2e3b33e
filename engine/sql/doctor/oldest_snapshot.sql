-- Who keeps vacuum from cleaning: the oldest snapshot of a session, a replication slot or a prepared transaction.
SELECT holder AS "holder!", seconds AS "seconds!" FROM (
    SELECT format('session %s (%s, %s)', pid, coalesce(nullif(application_name, ''), 'no name'), state) AS holder,
           extract(epoch FROM clock_timestamp() - xact_start)::double precision AS seconds, age(backend_xmin) AS xids
    FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    UNION ALL
    SELECT format('prepared transaction %s', gid), extract(epoch FROM clock_timestamp() - prepared)::double precision, age(transaction)
    FROM pg_prepared_xacts
    UNION ALL
    SELECT format('replication slot %s (%s transactions behind)', slot_name, greatest(age(xmin), age(catalog_xmin))), 0,
           greatest(age(xmin), age(catalog_xmin))
    FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
) holders
ORDER BY xids DESC LIMIT 1
