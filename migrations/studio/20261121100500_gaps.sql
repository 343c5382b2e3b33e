-- breaking: no, it only adds a table.
--
-- What providers were asked for because it may not have been delivered. A platform table: it tells of accounts, not of tenants' data.

-- Up to when it is known that nothing is missing of what a provider can be asked for.
CREATE TABLE studio.inbox_gap (
    provider   text        NOT NULL CHECK (provider IN ('stripe', 'twilio', 'whatsapp')),
    account    text        NOT NULL COLLATE "C",
    whole_until timestamptz NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    found      bigint      NOT NULL DEFAULT 0,
    found_last integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (provider, account)
);

COMMENT ON COLUMN studio.inbox_gap.account IS 'The provider''s account that was asked, or empty where there is one only';
COMMENT ON COLUMN studio.inbox_gap.found IS 'Events that had not been delivered, over all times';
