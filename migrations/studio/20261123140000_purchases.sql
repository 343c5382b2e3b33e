-- breaking: no, it only adds a table.
--
-- What is bought for a studio, written down before the call: where its answer was lost, or whoever asked has died, it may still be under
-- way, and not to find what it buys proves nothing.

CREATE TABLE studio.purchase (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    goods        text        NOT NULL CHECK (goods IN ('twilio_account', 'phone_number')),
    begun_at     timestamptz NOT NULL,
    ended_at     timestamptz,
    PRIMARY KEY (workspace_id, goods)
);

COMMENT ON COLUMN studio.purchase.ended_at IS 'Since when it is known that it took place; one that was refused leaves no row';

SELECT studio.put_under_tenancy('studio.purchase');
