//! What is wrong with the routes of a contract, for whoever can change it.

use std::fmt;

use portolan_schema::http::{Place, RuleFault};

use super::Binding;
use super::entry::names;

/// Something about the routes that whoever set them up did not mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A rule that cannot be used.
    Rule(RuleFault),
    /// A rule that another one leaves no request.
    Conflict {
        /// The one without requests.
        loser: Party,
        /// The one that has them: of two rules of a configuration, and of two
        /// annotations, the first in the order of files and declarations; a
        /// rule of a configuration before an annotation.
        winner: Party,
    },
    /// A named route that belongs to another RPC, whose service has the same
    /// short name and comes first.
    NameTaken {
        /// The one without requests.
        loser: Party,
        /// The one that has them.
        winner: Party,
    },
    /// An automatic or named route that a rule hides: rules come first.
    Hidden {
        /// The route.
        loser: Party,
        /// The rule.
        winner: Party,
    },
}

/// One of two routes that want the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The HTTP methods, with commas between them; `*` for any.
    pub methods: String,
    /// The path or path template.
    pub path: String,
    /// The full name of the RPC, such as `users.v1.Users.Get`.
    pub rpc: String,
    /// Where the rule is written, if it is one.
    pub place: Option<Place>,
}

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something can be reached, but not in every way that one may expect.
    Warning,
    /// A rule has no effect.
    Error,
}

impl Finding {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Rule(_) => Severity::Error,
            // The same RPC answers, if with variables of other names.
            Self::Conflict { loser, winner } if loser.rpc == winner.rpc => Severity::Warning,
            Self::Conflict { .. } => Severity::Error,
            Self::NameTaken { .. } | Self::Hidden { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(fault) => fault.fmt(formatter),
            Self::Conflict { loser, winner } => write!(
                formatter,
                "{loser} is the same as {winner}, which comes first and answers; change one of them"
            ),
            Self::NameTaken { loser, winner } => write!(
                formatter,
                "{loser} is the same as that of {}, which comes first and answers; call the \
                 other by its rules or by /{}",
                winner.rpc,
                loser.grpc_path(),
            ),
            Self::Hidden { loser, winner } => {
                write!(formatter, "{loser} is hidden by the rule {winner}")
            }
        }
    }
}

impl Party {
    pub(super) fn of(binding: &Binding) -> Self {
        Self {
            methods: names(binding.methods.as_deref()),
            path: binding.path.to_string(),
            rpc: binding.route.path.trim_start_matches('/').replace('/', "."),
            place: binding.place.clone(),
        }
    }

    fn grpc_path(&self) -> String {
        let (service, method) = self.rpc.rsplit_once('.').unwrap_or_default();
        format!("{service}/{method}")
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            methods,
            path,
            rpc,
            place,
        } = self;
        write!(formatter, "`{methods} {path}` of {rpc}")?;
        match place {
            Some(place) => write!(formatter, " ({place})"),
            None => Ok(()),
        }
    }
}

/// Findings that somebody wanted none of. Its text has a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteErrors(Vec<Finding>);

impl RouteErrors {
    pub(crate) fn of(findings: &[Finding]) -> Self {
        Self(findings.to_vec())
    }

    /// What was found, errors and warnings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for RouteErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter();
        let errors = errors.filter(|finding| finding.severity() == Severity::Error);
        for (position, finding) in errors.enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            finding.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for RouteErrors {}
