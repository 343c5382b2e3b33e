-- breaking: no, it only adds tables.
--
-- What studios are told: where to, what, and how each telling went.

CREATE TABLE studio.endpoint (
    workspace_id   uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    id             uuid        NOT NULL,
    url            text        NOT NULL,
    events         text[]      NOT NULL DEFAULT '{}',
    secret         bytea       NOT NULL,
    old_secret     bytea,
    old_until      timestamptz,
    disabled_why   text,
    failing_since  timestamptz,
    failures       integer     NOT NULL DEFAULT 0,
    open_until     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    CHECK ((old_secret IS NULL) = (old_until IS NULL))
);

COMMENT ON COLUMN studio.endpoint.events IS 'The types that are told; none means all';
COMMENT ON COLUMN studio.endpoint.secret IS 'Sealed';
COMMENT ON COLUMN studio.endpoint.old_secret IS 'Sealed; signs as well until old_until, while the endpoint changes over';
COMMENT ON COLUMN studio.endpoint.disabled_why IS 'Nothing is told while this is set';
COMMENT ON COLUMN studio.endpoint.failing_since IS 'When the first of the failures happened that no success has followed';
COMMENT ON COLUMN studio.endpoint.open_until IS 'Nothing is tried until then: it has failed several times in a row';

CREATE TABLE studio.delivery (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    id           uuid        NOT NULL,
    endpoint_id  uuid        NOT NULL,
    event_type   text        NOT NULL,
    body         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, endpoint_id) REFERENCES studio.endpoint ON DELETE CASCADE
);

CREATE INDEX delivery_endpoint ON studio.delivery (workspace_id, endpoint_id, created_at);
CREATE INDEX delivery_created ON studio.delivery (workspace_id, created_at);

-- Every post and what came of it.
CREATE TABLE studio.delivery_attempt (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    delivery_id  uuid        NOT NULL,
    at           timestamptz NOT NULL,
    status       smallint,
    took_ms      integer     NOT NULL,
    answer       text        NOT NULL,
    PRIMARY KEY (workspace_id, delivery_id, at),
    FOREIGN KEY (workspace_id, delivery_id) REFERENCES studio.delivery ON DELETE CASCADE
);

COMMENT ON COLUMN studio.delivery_attempt.status IS 'The HTTP status; null where no answer came';
COMMENT ON COLUMN studio.delivery_attempt.answer IS 'The beginning of the answer, or why there is none';

SELECT studio.put_under_tenancy('studio.endpoint');
SELECT studio.put_under_tenancy('studio.delivery');
SELECT studio.put_under_tenancy('studio.delivery_attempt');
