-- breaking: no, it only adds tables.
--
-- Envelope encryption: one random data key per workspace, stored only in wrapped form. The keys that wrap them (the
-- keyring) never stand in the database, so a dump of it opens nothing.

CREATE SCHEMA IF NOT EXISTS engine;

CREATE TABLE engine.data_key (
    workspace  uuid        NOT NULL,
    id         uuid        NOT NULL,
    kek        text        NOT NULL,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, id)
);

COMMENT ON TABLE engine.data_key IS 'One data key per workspace, wrapped; deleting the row erases what it sealed';
COMMENT ON COLUMN engine.data_key.kek IS 'Id of the keyring entry that wrapped the key';

-- Two processes that need a workspace's first key at once must end up with the same one. A random nonce allows a key
-- 2^32 messages, more than a workspace ever seals, so there is no second generation yet; the sealed values name their
-- key, so this index is all that has to go for one.
CREATE UNIQUE INDEX data_key_one_per_workspace ON engine.data_key (workspace);

CREATE TABLE engine.key_check (
    kek   text  PRIMARY KEY,
    value bytea NOT NULL
);

COMMENT ON TABLE engine.key_check IS 'Opens only under the right key of that id: a wrong key is refused at start, before it seals anything';
