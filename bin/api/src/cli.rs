//! The command line.

use std::ffi::OsString;

/// How the program is called.
pub(crate) const USAGE: &str = "\
usage: api            serve the REST API; everything else comes from the environment
       api migrate    bring the database's schema up to date, as its owner
       api routes     print the route table";

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Serve,
    Migrate,
    Routes,
    Help,
}

/// Arguments that mean nothing.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown argument {0:?}")]
pub(crate) struct UnknownArgument(OsString);

/// From the arguments after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UnknownArgument> {
    let mut arguments = arguments.into_iter();
    let command = match arguments.next() {
        None => return Ok(Command::Serve),
        Some(argument) => match argument.to_str() {
            Some("migrate") => Command::Migrate,
            Some("routes") => Command::Routes,
            Some("help" | "--help" | "-h") => Command::Help,
            _ => return Err(UnknownArgument(argument)),
        },
    };
    arguments.next().map_or(Ok(command), |more| Err(UnknownArgument(more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused() {
        for (line, expected) in [
            ("", Ok(Command::Serve)),
            ("migrate", Ok(Command::Migrate)),
            ("routes", Ok(Command::Routes)),
            ("--help", Ok(Command::Help)),
            ("serve", Err("serve")),
            ("migrate now", Err("now")),
            ("--port", Err("--port")),
        ] {
            let arguments = line.split_whitespace().map(OsString::from);
            let expected = expected.map_err(|argument| UnknownArgument(argument.into()));
            assert_eq!(parse(arguments), expected, "{line}");
        }
    }
}
