-- breaking: no, it only adds tables.
--
-- Platform tables: they span the workspaces, so the tenant role has no grant on them.

CREATE TABLE studio.workspace (
    id                 uuid        PRIMARY KEY,
    created_at         timestamptz NOT NULL DEFAULT now(),
    stripe_customer_id text        UNIQUE,
    due_since          timestamptz,
    last_outcome       text
);

COMMENT ON COLUMN studio.workspace.due_since IS 'When it was last paid or changed, while that is not fully provisioned; else null';
COMMENT ON COLUMN studio.workspace.last_outcome IS 'How the last provisioning run ended';

CREATE INDEX workspace_due ON studio.workspace (due_since) WHERE due_since IS NOT NULL;

-- Every verified webhook, once: the provider's event id is the key, so a repeated delivery changes nothing.
CREATE TABLE studio.inbox (
    provider     text        NOT NULL,
    event_id     text        NOT NULL,
    event_type   text        NOT NULL,
    workspace_id uuid,
    payload      bytea       NOT NULL,
    headers      jsonb       NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    state        text        NOT NULL DEFAULT 'received'
                 CHECK (state IN ('received', 'processed', 'unroutable', 'ignored', 'failed')),
    reason       text,
    job_id       uuid,
    processed_at timestamptz,
    PRIMARY KEY (provider, event_id)
);

COMMENT ON COLUMN studio.inbox.payload IS 'The raw bytes whose signature was verified';
COMMENT ON COLUMN studio.inbox.workspace_id IS 'Null while nobody knows whose event it is; no foreign key, for the same reason';

-- What an operator has to look at.
CREATE INDEX inbox_stuck ON studio.inbox (state, received_at) WHERE state IN ('unroutable', 'failed');
