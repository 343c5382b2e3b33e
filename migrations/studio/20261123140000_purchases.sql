-- breaking: no, it only adds a table.
--
-- What is bought for a studio, written down before the call: where its answer was lost, or whoever asked has died, it may still be under
-- way, and not to find what it buys proves nothing.

CREATE TABLE studio.purchase (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    goods        text        NOT NULL CHECK (goods IN ('twilio_account', 'phone_number')),
    begun_at     timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, goods)
);

COMMENT ON COLUMN studio.purchase.begun_at IS 'When it was begun, or its answer was lost; one that was refused leaves no row';

SELECT studio.put_under_tenancy('studio.purchase');
