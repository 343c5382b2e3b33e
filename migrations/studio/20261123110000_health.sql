-- breaking: no, it only adds tables, columns with a default, and a count.
--
-- How each studio stands, written by whoever finds it out and in the same transaction: looking at it asks no provider, and finds what is not well without
-- looking at what is. Platform tables: they span the workspaces, so the tenant role has no grant on them.

-- What was seen last of each part of a studio. What changes by itself (a run under way, breakers, what was set aside) is not here: that is read where it is.
CREATE TABLE studio.health (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    component    text        NOT NULL CHECK (component IN ('provisioning', 'stripe', 'twilio', 'whatsapp', 'email')),
    standing     text        NOT NULL CHECK (standing IN ('working', 'failing', 'waiting', 'not_set_up')),
    severity     text        CHECK (severity IN ('info', 'warning', 'critical')),
    detail       text        NOT NULL,
    next         text        NOT NULL,
    action       text        NOT NULL,
    since        timestamptz NOT NULL,
    checked_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, component)
);

COMMENT ON COLUMN studio.health.severity IS 'Null: nothing is wrong; info: nothing has to be done';
COMMENT ON COLUMN studio.health.next IS 'What happens without anybody doing anything';
COMMENT ON COLUMN studio.health.action IS 'What a person does: a command or a setting';
COMMENT ON COLUMN studio.health.since IS 'Since when it stands so';

CREATE INDEX health_unwell ON studio.health (workspace_id, severity) WHERE severity IN ('warning', 'critical');

-- A run that was degraded before there was this table; its parts are looked at with the first check.
INSERT INTO studio.health (workspace_id, component, standing, severity, detail, next, action, since, checked_at)
SELECT id, 'provisioning', 'failing', 'warning', 'the last provisioning left something out', 'it is looked at within the day, and a new run starts if that helps',
       'autopilot provision ' || id, now(), now()
FROM studio.workspace WHERE last_outcome = 'degraded';

-- When each studio's providers are asked next. The default spreads them evenly over a day.
ALTER TABLE studio.workspace ADD COLUMN check_at timestamptz NOT NULL DEFAULT now() + random() * interval '1 day';
ALTER TABLE studio.workspace ADD COLUMN check_wait interval;
UPDATE studio.workspace SET check_wait = interval '10 minutes', check_at = now() WHERE last_outcome = 'degraded';

COMMENT ON COLUMN studio.workspace.check_wait IS 'Null: it is well, and asked about once a day; else how long the next check waited for';

CREATE INDEX workspace_check ON studio.workspace (check_at);
CREATE INDEX workspace_check_unwell ON studio.workspace (check_at) WHERE check_wait IS NOT NULL;

-- How many workspaces there are, in sixteen parts so that two registrations seldom wait for each other: counting them would touch each.
CREATE TABLE studio.workspace_tally (
    part       smallint PRIMARY KEY,
    workspaces bigint   NOT NULL
) WITH (fillfactor = 50);

INSERT INTO studio.workspace_tally
SELECT part, (SELECT count(*) FROM studio.workspace WHERE get_byte(uuid_send(id), 15) % 16 = part) FROM generate_series(0, 15) AS part;

CREATE FUNCTION studio.tally_workspaces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE studio.workspace_tally AS tally SET workspaces = tally.workspaces + CASE TG_OP WHEN 'INSERT' THEN told.rows ELSE -told.rows END
    FROM (SELECT get_byte(uuid_send(id), 15) % 16 AS part, count(*) AS rows FROM changed GROUP BY 1) AS told
    WHERE tally.part = told.part;
    RETURN NULL;
END
$$;

CREATE TRIGGER workspace_comes AFTER INSERT ON studio.workspace REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION studio.tally_workspaces();
CREATE TRIGGER workspace_goes AFTER DELETE ON studio.workspace REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION studio.tally_workspaces();
