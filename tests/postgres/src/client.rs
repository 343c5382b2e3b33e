//! Asks a cluster by the client program that its installation holds.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::detect::Installation;
use crate::initdb::SUPERUSER;
use crate::{Error, keeper};

/// Where and as whom to ask.
pub(crate) struct Client<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) port: u16,
    pub(crate) password: &'a str,
}

impl Client<'_> {
    /// Runs statements and answers their rows as text, one a line, columns separated by `|`.
    /// `variables` may be used in the text as `:'name'`, quoted by psql.
    pub(crate) fn query(
        &self,
        database: &str,
        sql: &str,
        variables: &[(&str, &str)],
    ) -> Result<String, Error> {
        let program = self.installation.program("psql");
        let mut command = Command::new(&program);
        keeper::clear_environment(&mut command);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGPASSWORD", self.password)
            .env("PGDATABASE", database)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        for (name, value) in variables {
            command.arg("-v").arg(format!("{name}={value}"));
        }
        // Through standard input, because psql takes no variables in the text of `-c`.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::spawn(&program))?;
        if let Some(mut input) = child.stdin.take() {
            // When psql could not connect it reads nothing; its own message says why.
            input.write_all(sql.as_bytes()).ok();
        }
        let output = child.wait_with_output().map_err(Error::spawn(&program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Failed { program, status: output.status, output: text })
    }
}
