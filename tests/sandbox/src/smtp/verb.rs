//! The commands that the server knows.

/// A command; `Connect` stands for the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Connect,
    Hello,
    Auth,
    Noop,
    Mail,
    Recipient,
    Data,
    Reset,
    Quit,
    Unknown,
}

impl Verb {
    /// Parses a command line into its verb and the rest.
    pub(super) fn parse(line: &str) -> (Self, &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = match word.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => Self::Hello,
            "AUTH" => Self::Auth,
            "NOOP" => Self::Noop,
            "MAIL" => Self::Mail,
            "RCPT" => Self::Recipient,
            "DATA" => Self::Data,
            "RSET" => Self::Reset,
            "QUIT" => Self::Quit,
            _ => Self::Unknown,
        };
        (verb, rest)
    }

    /// The name that fault rules match as `method`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Hello => "EHLO",
            Self::Auth => "AUTH",
            Self::Noop => "NOOP",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The name in the ledger.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Connect => "smtp.connect",
            Self::Hello => "smtp.ehlo",
            Self::Auth => "smtp.auth",
            Self::Noop => "smtp.noop",
            Self::Mail => "smtp.mail",
            Self::Recipient => "smtp.rcpt",
            Self::Data => "smtp.data",
            Self::Reset => "smtp.rset",
            Self::Quit => "smtp.quit",
            Self::Unknown => "smtp.unknown",
        }
    }
}
