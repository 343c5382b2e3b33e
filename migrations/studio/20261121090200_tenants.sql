-- breaking: no, it only adds tables.
--
-- Tenant tables: the workspace comes first in every key. Where a provider's id is unique across workspaces, two studios
-- sharing it would act on each other's account, which is worse than the existence such an error tells.

CREATE TABLE studio.profile (
    workspace_id       uuid    PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    name               text    NOT NULL,
    country            char(2) NOT NULL DEFAULT 'DE' CHECK (country ~ '^[A-Z]{2}$'),
    locale             text    NOT NULL DEFAULT 'de-DE',
    contact_email      text    NOT NULL,
    twilio_address_sid text,
    twilio_bundle_sid  text
);

CREATE TABLE studio.subscription (
    workspace_id           uuid        PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    stripe_customer_id     text        NOT NULL,
    stripe_subscription_id text        NOT NULL,
    status                 text        NOT NULL,
    price_id               text        NOT NULL,
    current_period_end     timestamptz,
    checked_at             timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE studio.twilio_account (
    workspace_id   uuid        PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    account_sid    text        NOT NULL UNIQUE,
    auth_token     bytea       NOT NULL,
    api_key_sid    text,
    api_key_secret bytea,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CHECK ((api_key_sid IS NULL) = (api_key_secret IS NULL))
);

COMMENT ON COLUMN studio.twilio_account.auth_token IS 'Sealed';
COMMENT ON COLUMN studio.twilio_account.api_key_secret IS 'Sealed';

CREATE TABLE studio.phone_number (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    sid          text        NOT NULL UNIQUE,
    number       text        NOT NULL,
    voice_url    text,
    sms_url      text,
    bought_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, sid)
);

CREATE TABLE studio.whatsapp_channel (
    workspace_id        uuid        PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    phone_number_id     text        NOT NULL,
    business_account_id text        NOT NULL,
    display_number      text        NOT NULL,
    verified_name       text        NOT NULL,
    checked_at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE studio.email_account (
    workspace_id uuid    PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    host         text    NOT NULL,
    port         integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    username     text    NOT NULL,
    password     bytea   NOT NULL,
    tls          text    NOT NULL CHECK (tls IN ('implicit', 'starttls', 'none')),
    verified_at  timestamptz
);

COMMENT ON COLUMN studio.email_account.password IS 'Sealed';

CREATE TABLE studio.ai_rule (
    workspace_id uuid    NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    name         text    NOT NULL,
    enabled      boolean NOT NULL DEFAULT true,
    prompt       text    NOT NULL,
    position     integer NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, name)
);

CREATE TABLE studio.coach_settings (
    workspace_id uuid        PRIMARY KEY REFERENCES studio.workspace ON DELETE CASCADE,
    enabled      boolean     NOT NULL DEFAULT false,
    language     text        NOT NULL,
    tone         text        NOT NULL,
    window_start time        NOT NULL,
    window_end   time        NOT NULL,
    time_zone    text        NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE studio.smoke_test (
    workspace_id uuid        NOT NULL REFERENCES studio.workspace ON DELETE CASCADE,
    provider     text        NOT NULL,
    ok           boolean     NOT NULL,
    detail       text        NOT NULL,
    checked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, provider)
);

SELECT studio.put_under_tenancy('studio.profile');
SELECT studio.put_under_tenancy('studio.subscription');
SELECT studio.put_under_tenancy('studio.twilio_account');
SELECT studio.put_under_tenancy('studio.phone_number');
SELECT studio.put_under_tenancy('studio.whatsapp_channel');
SELECT studio.put_under_tenancy('studio.email_account');
SELECT studio.put_under_tenancy('studio.ai_rule');
SELECT studio.put_under_tenancy('studio.coach_settings');
SELECT studio.put_under_tenancy('studio.smoke_test');
