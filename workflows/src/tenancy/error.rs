//! Why the database does not isolate the tenants as it has to.

/// A breach of the rule that [`verify`](super::verify()) checks. Each names the object and the statement that mends it.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The role does not exist.
    #[error("the role autopilot_tenant does not exist in this cluster: run the migrations")]
    RoleMissing,
    /// The role can do what no tenant may.
    #[error(
        "the role autopilot_tenant has the attribute {attribute}, which ignores row-level security: run \
         `ALTER ROLE autopilot_tenant NOSUPERUSER NOBYPASSRLS`"
    )]
    RolePowerful {
        /// `SUPERUSER` or `BYPASSRLS`.
        attribute: &'static str,
    },
    /// The role could become another one.
    #[error(
        "the role autopilot_tenant is a member of {other} and has its rights: run \
         `REVOKE {other} FROM autopilot_tenant`"
    )]
    RoleMember {
        /// The other role, quoted where necessary.
        other: String,
    },
    /// The role owns something, and an owner may take row-level security off.
    #[error(
        "the role autopilot_tenant owns {object}, and an owner may switch row-level security off: give it \
         another owner, or run `REASSIGN OWNED BY autopilot_tenant TO CURRENT_USER`"
    )]
    RoleOwns {
        /// What it owns.
        object: String,
    },
    /// Our login may not take on the role.
    #[error(
        "the login {login} may not take on the role autopilot_tenant: run `GRANT autopilot_tenant TO {login}` \
         as the one who created the role"
    )]
    NotMember {
        /// The login, quoted where necessary.
        login: String,
    },
    /// The tenant role reaches a table that is not under forced row-level security.
    #[error(
        "the role autopilot_tenant reaches {table}, which is not under forced row-level security. For a \
         tenant's table run `ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`; for \
         any other `REVOKE ALL ON {table} FROM autopilot_tenant, PUBLIC`"
    )]
    NotForced {
        /// The table or view, with its schema.
        table: String,
    },
    /// A tenant's table has another policy than the one by workspace.
    #[error(
        "{table} needs exactly one policy, by workspace: drop those it has, then run \
         `SELECT studio.put_under_tenancy('{table}')`"
    )]
    Policy {
        /// The table, with its schema.
        table: String,
    },
    /// The tenant role has a right that row-level security does not restrict.
    #[error(
        "the role autopilot_tenant may TRUNCATE, reference or put triggers on {table}, which row-level \
         security does not restrict: run `REVOKE TRUNCATE, REFERENCES, TRIGGER ON {table} FROM \
         autopilot_tenant, PUBLIC`"
    )]
    Unrestricted {
        /// The table, with its schema.
        table: String,
    },
    /// The catalogue could not be read.
    #[error("could not read whether the tenants are isolated: {0}")]
    Database(#[from] sqlx::Error),
}
