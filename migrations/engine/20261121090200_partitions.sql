-- breaking: no, it only adds functions and partitions.
-- How partitions come and go. The functions run as the owner of the tables, so that a login that may only read and write them can
-- keep house as well; each refuses what would lose anything. They wait for one another, by a lock on the rules that no ack waits for (and not by an
-- advisory one: behind that, what others have made meanwhile might not be seen yet).

-- The ends that operators look for are few among those that are completed. A job that completes does not touch it.
CREATE INDEX history_not_completed ON engine.history (outcome, id) WHERE outcome <> 'completed';

-- The day on which may go what ends now and is kept for so long, in UTC: rounded up, so that what is kept for longer has fewer
-- partitions. A day up to ten days, a week up to a hundred, a month beyond.
CREATE FUNCTION engine.goes_on(keep interval) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN keep <= interval '10 days' THEN last + interval '1 day'
                WHEN keep <= interval '100 days' THEN date_trunc('week', last) + interval '1 week'
                ELSE date_trunc('month', last) + interval '1 month' END::date
    FROM (SELECT date_trunc('day', engine.now() AT TIME ZONE 'UTC' + keep) AS last) of_the_days
$$;

-- The first day of the month, in UTC, that is so many months from now.
CREATE FUNCTION engine.month(ahead integer) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (date_trunc('month', engine.now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date
$$;

-- The tables that are kept by month.
CREATE FUNCTION engine.monthly() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY['failure', 'output', 'run', 'step', 'tag']
$$;

-- Makes the partition of the history for what goes on that day. What came before it was there is moved into it.
CREATE FUNCTION engine.make_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    name text := to_char(day, '"history_"YYYY_MM_DD');
BEGIN
    LOCK TABLE engine.retention IN SHARE ROW EXCLUSIVE MODE;
    IF to_regclass('engine.' || name) IS NULL THEN
        -- Attached, not created in place: that would lock out everybody who reads or writes the table.
        EXECUTE format('CREATE TABLE engine.%I (LIKE engine.history INCLUDING ALL)', name);
        EXECUTE format('WITH came AS (DELETE FROM engine.history_default WHERE goes = %L RETURNING *) INSERT INTO engine.%I SELECT * FROM came', day, name);
        EXECUTE format('ALTER TABLE engine.history ATTACH PARTITION engine.%I FOR VALUES IN (%L)', name, day);
    END IF;
END $$;

-- Makes the partitions for jobs that are created in that month, given by its first day.
CREATE FUNCTION engine.make_month(month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    first timestamptz := month::timestamp AT TIME ZONE 'UTC';
    next timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    parent text;
    name text;
BEGIN
    LOCK TABLE engine.retention IN SHARE ROW EXCLUSIVE MODE;
    FOREACH parent IN ARRAY engine.monthly() LOOP
        name := parent || to_char(month, '"_"YYYY_MM');
        IF to_regclass('engine.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE engine.%I (LIKE engine.%I INCLUDING ALL) WITH (fillfactor = %s)', name, parent,
                           CASE parent WHEN 'step' THEN 70 ELSE 100 END);
            EXECUTE format('WITH came AS (DELETE FROM engine.%I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *) INSERT INTO engine.%5$I SELECT * FROM came',
                           parent || '_default', CASE parent WHEN 'run' THEN 'created_at' WHEN 'tag' THEN 'at' WHEN 'output' THEN 'at' ELSE 'born' END,
                           first, next, name);
            EXECUTE format('ALTER TABLE engine.%I ATTACH PARTITION engine.%I FOR VALUES FROM (%L) TO (%L)', parent, name, first, next);
        END IF;
    END LOOP;
END $$;

-- What still needs a month: how many of its jobs are live or set aside, and whether the history has one of them.
CREATE FUNCTION engine.held_by(month date, OUT live bigint, OUT dead bigint, OUT ended boolean) LANGUAGE sql STABLE AS $$
    WITH span AS (SELECT month::timestamp AT TIME ZONE 'UTC' AS first, (month + interval '1 month') AT TIME ZONE 'UTC' AS next)
    SELECT (SELECT count(*) FROM engine.job j WHERE j.created_at >= span.first AND j.created_at < span.next),
           (SELECT count(*) FROM engine.dead_letter d WHERE d.created_at >= span.first AND d.created_at < span.next),
           EXISTS (SELECT FROM engine.history h WHERE h.created_at >= span.first AND h.created_at < span.next)
               OR EXISTS (SELECT FROM engine.history h WHERE h.finished_at >= span.first AND h.finished_at < span.next)
    FROM span
$$;

-- Drops the partition of the history whose day has come.
CREATE FUNCTION engine.drop_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    LOCK TABLE engine.retention IN SHARE ROW EXCLUSIVE MODE;
    IF day > (engine.now() AT TIME ZONE 'UTC')::date OR EXISTS (SELECT FROM engine.retention r WHERE r.goes = day) THEN
        RAISE 'the history of jobs that go on % is still to be kept', day;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS engine.%I', to_char(day, '"history_"YYYY_MM_DD'));
END $$;

-- Drops a month that is over and none of whose jobs is left.
CREATE FUNCTION engine.drop_month(month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    parent text;
    held record;
BEGIN
    LOCK TABLE engine.retention IN SHARE ROW EXCLUSIVE MODE;
    -- What is asked cannot change any more: no job comes to an earlier month, and one that moves between the tables is seen in one of
    -- them. Nobody is locked out meanwhile; who began to write there within a week of its end has written by now.
    SELECT * INTO held FROM engine.held_by(month);
    IF month + interval '1 month 7 days' > engine.now() AT TIME ZONE 'UTC' OR held.live > 0 OR held.dead > 0 OR held.ended THEN
        RAISE 'the month of % is still to be kept: % live jobs, % set aside, in the history: %', month, held.live, held.dead, held.ended;
    END IF;
    FOREACH parent IN ARRAY engine.monthly() LOOP
        EXECUTE format('DROP TABLE IF EXISTS engine.%I', parent || to_char(month, '"_"YYYY_MM'));
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION engine.make_day, engine.make_month, engine.drop_day, engine.drop_month FROM PUBLIC;

-- What ends well is looked at for a month, what did not for a season.
INSERT INTO engine.retention (queue, outcome, keep, goes)
SELECT '', outcome, keep, engine.goes_on(keep)
FROM (VALUES ('completed', interval '30 days'), ('degraded', interval '90 days'), ('cancelled', interval '90 days')) AS defaults(outcome, keep);
SELECT engine.make_day(day) FROM (SELECT DISTINCT goes AS day FROM engine.retention) days;
SELECT engine.make_month(engine.month(ahead)) FROM generate_series(0, 1) AS ahead;
