//! The check at start: what the tenant role can touch is under forced row-level security, by workspace.
//!
//! The migrations make it so. Whoever restores a dump, hardens roles by hand or adds a table can undo it silently,
//! and nothing would fail until one studio reads another's rows. So the process refuses to start instead.

use sqlx::{PgConnection, PgPool};

use super::TenancyError;

/// Verifies the tenant role and everything it can touch.
///
/// # Errors
/// The first breach found, with the statement that mends it.
pub async fn verify(pool: &PgPool) -> Result<(), TenancyError> {
    let mut conn = pool.acquire().await?;
    verify_on(&mut conn).await
}

pub(super) async fn verify_on(conn: &mut PgConnection) -> Result<(), TenancyError> {
    verify_role(conn).await?;
    verify_tables(conn).await
}

async fn verify_role(conn: &mut PgConnection) -> Result<(), TenancyError> {
    let role = sqlx::query!(
        r#"SELECT rolsuper AS "superuser!", rolbypassrls AS "bypasses!",
               (SELECT quote_ident(pg_get_userbyid(roleid)) FROM pg_auth_members
                WHERE member = tenant.oid LIMIT 1) AS member_of,
               (SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
                WHERE refclassid = 'pg_authid'::regclass AND refobjid = tenant.oid AND deptype = 'o'
                  AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                LIMIT 1) AS owns,
               quote_ident(current_user) AS "login!",
               pg_has_role(current_user, tenant.oid,
                   CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
               ) AS "may_set!"
           FROM pg_roles AS tenant
           WHERE rolname = 'autopilot_tenant'"#
    )
    .fetch_optional(conn)
    .await?
    .ok_or(TenancyError::RoleMissing)?;

    if role.superuser {
        return Err(TenancyError::RolePowerful { attribute: "SUPERUSER" });
    }
    if role.bypasses {
        return Err(TenancyError::RolePowerful { attribute: "BYPASSRLS" });
    }
    if let Some(other) = role.member_of {
        return Err(TenancyError::RoleMember { other });
    }
    if let Some(object) = role.owns {
        return Err(TenancyError::RoleOwns { object });
    }
    if !role.may_set {
        return Err(TenancyError::NotMember { login: role.login });
    }
    Ok(())
}

/// Looks at what the role reaches: by any way in our own schemas, by a grant to it anywhere else. What others
/// grant to PUBLIC in their own schemas is theirs to judge.
async fn verify_tables(conn: &mut PgConnection) -> Result<(), TenancyError> {
    let reached = sqlx::query!(
        r#"WITH tenant AS (SELECT oid FROM pg_roles WHERE rolname = 'autopilot_tenant'),
           reached AS (
               SELECT class.oid, class.relrowsecurity AND class.relforcerowsecurity AS forced,
                      has_table_privilege(tenant.oid, class.oid, 'TRUNCATE, REFERENCES, TRIGGER') AS unrestricted,
                      format('%I.%I', nspname, relname) AS name
               FROM pg_class AS class
               JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
               CROSS JOIN tenant
               WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
                 AND (nspname IN ('engine', 'studio')
                          AND (has_table_privilege(tenant.oid, class.oid,
                                   'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                               OR has_any_column_privilege(tenant.oid, class.oid,
                                   'SELECT, INSERT, UPDATE, REFERENCES'))
                      OR EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = tenant.oid)
                      OR EXISTS (SELECT FROM pg_attribute, aclexplode(attacl)
                                 WHERE attrelid = class.oid AND grantee = tenant.oid))
           )
           SELECT name AS "table!", forced AS "forced!", unrestricted AS "unrestricted!",
                  (SELECT count(*) = 1 AND bool_and(
                              polcmd = '*'
                              AND pg_get_expr(polqual, polrelid) LIKE '(workspace\_id = %''app.workspace\_id''%'
                              AND pg_get_expr(polqual, polrelid) = pg_get_expr(polwithcheck, polrelid))
                   FROM pg_policy WHERE polrelid = reached.oid) AS "by_workspace!"
           FROM reached
           ORDER BY name"#
    )
    .fetch_all(conn)
    .await?;

    for row in reached {
        let table = row.table;
        if !row.forced {
            return Err(TenancyError::NotForced { table });
        }
        if row.unrestricted {
            return Err(TenancyError::Unrestricted { table });
        }
        if !row.by_workspace {
            return Err(TenancyError::Policy { table });
        }
    }
    Ok(())
}
