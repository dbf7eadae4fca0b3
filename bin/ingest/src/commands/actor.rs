//! Who runs a command, as the audit log shall name it.

/// `cli:` and the name that was given, else the name of the process's user, else its number. Such a name is never a
/// token's subject, and is only as true as the shell that it was typed in.
pub(super) fn name(given: Option<&str>) -> String {
    let given = given.map(str::trim).filter(|name| !name.is_empty());
    let name = given.map_or_else(user, |name| name.chars().filter(|c| !c.is_control()).take(100).collect());
    format!("cli:{name}")
}

fn user() -> String {
    let number = rustix::process::getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id == number).then(|| name.to_owned())
    });
    found.unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_is_taken_and_a_missing_one_is_the_users() {
        let user = format!("cli:{}", user());
        for (given, expected) in
            [(Some("alice"), "cli:alice"), (Some(" "), &user), (None, &user), (Some("a\nb"), "cli:ab")]
        {
            assert_eq!(name(given), expected);
        }
    }
}
