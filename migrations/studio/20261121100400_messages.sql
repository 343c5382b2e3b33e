-- breaking: no, it only adds tables and a column.
--
-- What providers tell us of: payments, members and the messages to them.

ALTER TABLE studio.inbox ADD COLUMN occurred_at timestamptz;

COMMENT ON COLUMN studio.inbox.occurred_at IS 'When it happened, where the provider says so';

-- Platform tables: asked before it is known which tenant to enter.

-- A provider's own name of something that belongs to one workspace: account:…, number:…, contact:…, message:….
CREATE TABLE studio.route (
    provider     text NOT NULL CHECK (provider IN ('stripe', 'twilio', 'whatsapp')),
    name         text NOT NULL COLLATE "C",
    workspace_id uuid NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    PRIMARY KEY (provider, name)
);

CREATE INDEX route_workspace ON studio.route (workspace_id);

-- Tenant tables.

CREATE TABLE studio.payment (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    object_id    text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('invoice', 'top_up', 'refund', 'dispute')),
    status       text        NOT NULL,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    version      timestamptz NOT NULL,
    rank         smallint    NOT NULL,
    PRIMARY KEY (workspace_id, object_id, kind)
);

COMMENT ON COLUMN studio.payment.amount IS 'In the currency''s smallest unit';
COMMENT ON COLUMN studio.payment.version IS 'When the newest event about it happened; of two in one second the higher rank counts';

CREATE TABLE studio.contact (
    workspace_id    uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    id              uuid        NOT NULL,
    wa_id           text,
    user_id         text,
    last_inbound_at timestamptz,
    opted_out_at    timestamptz,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, wa_id),
    UNIQUE (workspace_id, user_id),
    CHECK (wa_id IS NOT NULL OR user_id IS NOT NULL)
);

COMMENT ON COLUMN studio.contact.wa_id IS 'The telephone number as WhatsApp writes it: digits only';
COMMENT ON COLUMN studio.contact.user_id IS 'Who has a user name may show no number: WhatsApp''s own id of the person, for one business';

-- How far a message has come: statuses come in any order, and it never goes back.
CREATE FUNCTION studio.message_rank(state text) RETURNS integer LANGUAGE sql IMMUTABLE
RETURN array_position(ARRAY['intended', 'accepted', 'sent', 'delivered', 'read', 'failed', 'withheld'], state);

-- A message to a member: written down before it is sent, so that it is known what may have been sent.
CREATE TABLE studio.message (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    id           uuid        NOT NULL,
    contact_id   uuid        NOT NULL,
    content      jsonb       NOT NULL,
    state        text        NOT NULL DEFAULT 'intended'
                 CHECK (studio.message_rank(state) IS NOT NULL),
    message_id   text,
    failure      jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    doubted_at   timestamptz,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES studio.contact ON DELETE CASCADE
);

COMMENT ON COLUMN studio.message.id IS 'Goes with the message as biz_opaque_callback_data, and comes back with each status';
COMMENT ON COLUMN studio.message.doubted_at IS 'Since when it is not known whether it was sent';
COMMENT ON COLUMN studio.message.message_id IS 'WhatsApp''s id of it, wamid.…, once that is known';

SELECT studio.put_under_tenancy('studio.payment');
SELECT studio.put_under_tenancy('studio.contact');
SELECT studio.put_under_tenancy('studio.message');
