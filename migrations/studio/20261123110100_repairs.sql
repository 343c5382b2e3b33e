-- breaking: no, it only adds tables and an index.
--
-- What checks found to differ from what was written down, and what became of it. Platform tables: they are shown over all studios.

CREATE TABLE studio.repair (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    found_at     timestamptz NOT NULL,
    component    text        NOT NULL,
    found        text        NOT NULL,
    done         text        NOT NULL,
    run_id       uuid,
    outcome      text        NOT NULL CHECK (outcome IN ('under_way', 'mended', 'failed', 'written_down', 'told')),
    ended_at     timestamptz,
    CHECK ((outcome = 'under_way') = (ended_at IS NULL))
);

COMMENT ON COLUMN studio.repair.outcome IS 'under_way: its run has not ended; written_down: our books were wrong and are right; told: only a person can mend it';

CREATE INDEX repair_workspace ON studio.repair (workspace_id, id);
CREATE INDEX repair_under_way ON studio.repair (workspace_id) WHERE outcome = 'under_way';
CREATE INDEX repair_found ON studio.repair (found_at);

-- When it was looked last who is to be checked, and which providers the process knew that looked: what is new since then may have mended something.
CREATE TABLE studio.check_sweep (
    is_only    boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    swept_at   timestamptz NOT NULL,
    configured text[]      NOT NULL
);

-- Whom a setting helps that was missing.
CREATE INDEX health_not_set_up ON studio.health (component) WHERE standing = 'not_set_up';
