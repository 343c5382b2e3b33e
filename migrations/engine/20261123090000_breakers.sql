-- breaking: no, it only adds tables.
--
-- Circuit breakers: one truth for the fleet about services that are out of order. A service that is well has no row.

CREATE TABLE engine.breaker (
    key            text        PRIMARY KEY,          -- the service, or service/workspace
    service        text        NOT NULL,
    workspace      uuid,                             -- null: the service as a whole
    failures       integer     NOT NULL,             -- in a row
    last_workspace uuid,                             -- whose call failed last
    reason         text        NOT NULL,             -- the last failure, or what an operator said
    opened_at      timestamptz,                      -- null: it only counts
    open_until     timestamptz,                      -- when it may be tried
    probe          uuid,                             -- who tries it
    probe_until    timestamptz,                      -- until when nobody else does
    tripped        boolean     NOT NULL DEFAULT false, -- by an operator, until an operator resets it
    changed_at     timestamptz NOT NULL,
    CHECK ((opened_at IS NULL) = (open_until IS NULL)),
    CHECK ((probe IS NULL) = (probe_until IS NULL))
);

COMMENT ON TABLE engine.breaker IS 'Services that fail, as a whole and for a workspace; open ones are not called';

-- What breakers did and what was done to them, for as long as events are kept.
CREATE TABLE engine.breaker_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text        NOT NULL,
    what       text        NOT NULL CHECK (what IN ('opened', 'probed', 'closed', 'tripped', 'reset')),
    note       text        NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT engine.clock()
);

CREATE INDEX breaker_log_key ON engine.breaker_log (key, id);
CREATE INDEX breaker_log_at ON engine.breaker_log USING brin (happened_at);

COMMENT ON TABLE engine.breaker_log IS 'Transitions of breakers, by themselves and by operators';
