-- breaking: no, it only adds a role, a schema and a function.
--
-- The rule of this schema: whatever the tenant role can touch is under forced row-level security, by workspace; what
-- is not under it carries no grant for the tenant role at all. `workflows::tenancy::verify` refuses to start otherwise.

CREATE SCHEMA IF NOT EXISTS studio;

-- Roles belong to the cluster, not to the database: another database may hold the role already, or create it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'autopilot_tenant') THEN
        CREATE ROLE autopilot_tenant NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- A superuser may set any role; everybody else needs to be a member (from Postgres 16 on: one that may SET ROLE).
DO $$
DECLARE
    membership text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF NOT pg_has_role(current_user, 'autopilot_tenant', membership) THEN
        EXECUTE format('GRANT autopilot_tenant TO %I', current_user);
    END IF;
EXCEPTION
    WHEN unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA studio TO autopilot_tenant;

-- The one way to make a tenant table. The variable reads as '' on a connection that has used it once, hence NULLIF.
CREATE FUNCTION studio.put_under_tenancy(tenant_table regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format(
        'CREATE POLICY tenant ON %s
             USING (workspace_id = NULLIF(current_setting(''app.workspace_id'', true), '''')::uuid)
             WITH CHECK (workspace_id = NULLIF(current_setting(''app.workspace_id'', true), '''')::uuid)',
        tenant_table
    );
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO autopilot_tenant', tenant_table);
END
$$;

REVOKE ALL ON FUNCTION studio.put_under_tenancy(regclass) FROM PUBLIC;
