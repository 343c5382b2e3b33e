//! Why a command did not do what it was asked: one sentence with the way out, and the exit code.

use std::{fmt, io};

use autopilot_engine::ops::OpsError;
use autopilot_engine::schema::Misfit;
use autopilot_engine::secrets::VaultError;
use autopilot_engine::{EnqueueError, Strain};
use autopilot_workflows::state::SealedError;
use autopilot_workflows::tenancy::TenancyError;

use crate::exit::Exit;

/// A command's failure.
#[derive(Debug)]
pub(crate) struct Fail {
    exit: Exit,
    message: String,
}

impl Fail {
    /// A failure with this exit code; the message says what, where and what to do, and holds no secret.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fail {}

impl From<sqlx::Error> for Fail {
    fn from(error: sqlx::Error) -> Self {
        let strain = Strain::of(&error);
        let advice = strain.map(|strain| format!("; {}: {}", strain.cause(), strain.action()));
        let advice = advice.unwrap_or_default();
        if error.as_database_error().is_some() {
            Self::new(Exit::Failed, format!("the database refused: {error}{advice}"))
        } else {
            let message = format!(
                "the database did not answer: {error}{advice}; what was committed stays committed"
            );
            Self::new(Exit::Unreachable, message)
        }
    }
}

impl From<OpsError> for Fail {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::NotFound(_) | OpsError::Unknown { .. } => {
                Self::new(Exit::NotFound, error.to_string())
            }
            OpsError::Database(error) => error.into(),
            // Whatever the engine adds: the thing itself did not work.
            OpsError::Refused { .. } | _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

impl From<EnqueueError> for Fail {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Database(error) => error.into(),
            EnqueueError::Encode { .. } | EnqueueError::Contended { .. } | _ => {
                Self::new(Exit::Failed, error.to_string())
            }
        }
    }
}

impl From<Misfit> for Fail {
    fn from(error: Misfit) -> Self {
        match error {
            Misfit::Database(error) => error.into(),
            Misfit::TooOld { .. } | Misfit::TooNew { .. } | Misfit::Changed { .. } | _ => {
                Self::new(Exit::Schema, error.to_string())
            }
        }
    }
}

impl From<TenancyError> for Fail {
    fn from(error: TenancyError) -> Self {
        match error {
            TenancyError::Database(error) => error.into(),
            TenancyError::RoleMissing
            | TenancyError::RolePowerful { .. }
            | TenancyError::RoleMember { .. }
            | TenancyError::RoleOwns { .. }
            | TenancyError::NotMember { .. }
            | TenancyError::NotForced { .. }
            | TenancyError::Policy { .. }
            | TenancyError::Unrestricted { .. } => Self::new(Exit::Schema, error.to_string()),
        }
    }
}

impl From<VaultError> for Fail {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Database(error) => error.into(),
            VaultError::WrongKey { .. }
            | VaultError::MissingKey { .. }
            | VaultError::DamagedKey { .. }
            | VaultError::Erased { .. }
            | VaultError::Malformed { .. }
            | VaultError::Tampered { .. }
            | VaultError::NotText { .. }
            | VaultError::TooLong
            | VaultError::Randomness(_) => Self::usage(error.to_string()),
        }
    }
}

impl From<SealedError> for Fail {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Database(error) => error.into(),
            SealedError::Vault(error) => error.into(),
        }
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}
