//! What mod_sed asks of a script, as far as it can be told without running it.

/// Refuses what httpd refuses: addresses, a command, and what that command needs.
pub(super) fn check(script: &[u8]) -> Result<(), String> {
    let fail =
        |what: &str| Err(format!("Failed to compile sed expression. {what}: {}", String::from_utf8_lossy(script)));
    let Some(mut rest) = behind_address(script) else { return Ok(()) };
    if let Some(after) = rest.strip_prefix(b",") {
        let Some(after) = behind_address(after) else { return Ok(()) };
        rest = after;
    }
    while let Some(after) = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"!")) {
        rest = after;
    }
    match rest {
        [] => fail("unrecognized command"),
        [b's' | b'y'] => Ok(()),
        [command @ (b's' | b'y'), delimiter, body @ ..] => {
            let mut parts = body.split(|byte| byte == delimiter);
            let (Some(from), Some(to), Some(flags)) = (parts.next(), parts.next(), parts.next()) else {
                return fail("Illegal or missing delimiter");
            };
            match *command {
                b'y' if from.len() != to.len() => fail("strings for `y' command are different lengths"),
                b's' if !flags
                    .iter()
                    .all(|flag| matches!(flag, b'g' | b'p' | b'P' | b'w' | b'0'..=b'9' | b' ' | b';')) =>
                {
                    fail("command garbled")
                }
                _ => Ok(()),
            }
        }
        [b'{' | b'}' | b'#' | b':', ..] => Ok(()),
        [b'a' | b'c' | b'i', b'\\', ..] | [b'r' | b'w', b' ', ..] | [b'b' | b't', b' ' | b';', ..] | [b'b' | b't'] => {
            Ok(())
        }
        [b'd' | b'D' | b'g' | b'G' | b'h' | b'H' | b'l' | b'n' | b'N' | b'p' | b'P' | b'q' | b'x' | b'='] => Ok(()),
        [
            b'd' | b'D' | b'g' | b'G' | b'h' | b'H' | b'l' | b'n' | b'N' | b'p' | b'P' | b'q' | b'x' | b'=',
            b' ' | b';' | b'}' | b'#',
            ..,
        ] => Ok(()),
        [command, ..] if b"abcdDgGhHilnNpPqrtwx=".contains(command) => fail("command garbled"),
        _ => fail("unrecognized command"),
    }
}

/// What stands behind an address, if there is one; none: the text ends within it, which httpd takes.
fn behind_address(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'/', body @ ..] => body.iter().position(|&byte| byte == b'/').map(|at| &body[at + 1..]),
        [b'$', rest @ ..] => Some(rest),
        _ => Some(&text[text.iter().take_while(|byte| byte.is_ascii_digit()).count()..]),
    }
}
