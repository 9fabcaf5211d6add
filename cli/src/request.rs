//! From options to the request that they describe.

use crate::args::RequestArgs;
use crate::output::Problem;
use crate::text;
use outlive::target::Target;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The parts of a URL.
struct Url<'a> {
    scheme: &'a [u8],
    port: u16,
    /// What a browser would say in its Host header.
    authority: &'a [u8],
    uri: &'a [u8],
}

fn url(text: &OsStr) -> Result<Url<'_>, Problem> {
    let bad = || {
        let text = text.to_string_lossy();
        let hint =
            if text.contains("//") || text.is_empty() { String::new() } else { format!(", such as http://{text}") };
        Problem::Call(format!("--url {text}: this takes http://HOST[:PORT]/PATH or https://…{hint}"))
    };
    let bytes = text.as_bytes();
    let (scheme, rest) = match (bytes.strip_prefix(b"http://"), bytes.strip_prefix(b"https://")) {
        (Some(rest), _) => (&b"http"[..], rest),
        (_, Some(rest)) => (&b"https"[..], rest),
        _ => return Err(bad()),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(end);
    let colon = authority.iter().rposition(|&byte| byte == b':').filter(|&at| !authority[at..].contains(&b']'));
    let (host, port) = match colon {
        None => (authority, 0),
        Some(at) => {
            let port = std::str::from_utf8(&authority[at + 1..]).ok().and_then(|port| port.parse().ok());
            (&authority[..at], port.ok_or_else(bad)?)
        }
    };
    if host.is_empty() {
        return Err(bad());
    }
    Ok(Url { scheme, port, authority, uri: if uri.is_empty() { b"/" } else { uri } })
}

/// The client that asks where none is named: somebody at this machine.
pub const THIS_MACHINE: &str = "127.0.0.1";

/// Hands over the target that the options describe.
pub fn with_target<T>(args: &RequestArgs, then: impl FnOnce(&Target<'_>) -> T) -> Result<T, Problem> {
    fn bytes(text: &Option<OsString>) -> Option<&[u8]> {
        text.as_deref().map(OsStr::as_bytes)
    }
    let url = args.url.as_deref().map(url).transpose()?;
    for (given, option) in [(args.host.is_some(), "--host"), (args.uri.is_some(), "--uri")] {
        if given && url.is_some() {
            return Err(Problem::Call(format!("--url and {option} exclude each other: give one of them")));
        }
    }
    let headers: Vec<(&[u8], &[u8])> = args.header.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    let named = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    let target = Target {
        // A given Host header decides which server answers.
        server_name: bytes(&args.host).or(named.map(|(_, host)| *host)).or(url.as_ref().map(|url| url.authority)),
        server_address: bytes(&args.address),
        port: args.port.or(url.as_ref().map(|url| url.port)).unwrap_or_default(),
        scheme: url.as_ref().map(|url| url.scheme),
        method: bytes(&args.method),
        protocol: bytes(&args.protocol),
        uri: bytes(&args.uri).or(url.as_ref().map(|url| url.uri)),
        filename: bytes(&args.file),
        document_root: bytes(&args.document_root),
        client_address: bytes(&args.client).or(Some(THIS_MACHINE.as_bytes())),
        user: bytes(&args.user),
        routes: false, // what httpd itself would do
        headers: &headers,
    };
    Ok(then(&target))
}

fn header(text: &OsStr) -> Result<(&[u8], &[u8]), Problem> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':');
    let colon =
        colon.ok_or_else(|| Problem::Call(format!("--header {}: this takes 'Name: value'", text.to_string_lossy())))?;
    Ok((bytes[..colon].trim_ascii(), bytes[colon + 1..].trim_ascii()))
}

/// Names, and what is asked for among them: an argument with `://` is a URL, one with `/`, and `.` and `..`, is a path; everything else is
/// a name, whatever exists on disk.
pub fn divided(words: &[OsString], request: &RequestArgs) -> Result<(Vec<OsString>, RequestArgs), Problem> {
    let mut request = request.clone();
    let mut names = Vec::new();
    for word in words {
        let bytes = word.as_bytes();
        let is_url = bytes.windows(3).any(|three| three == b"://");
        if !is_url && !bytes.contains(&b'/') && bytes != b"." && bytes != b".." {
            names.push(word.clone());
            continue;
        }
        served_at(word, &mut request)?;
    }
    if names.is_empty() {
        return Err(Problem::Call("name at least one directive, such as memory_limit".into()));
    }
    Ok((names, request))
}

/// Asks for what is served at a URL or a path.
pub fn served_at(word: &OsStr, request: &mut RequestArgs) -> Result<(), Problem> {
    let shown = text::shown(word.as_bytes());
    if request.url.is_some() || request.file.is_some() {
        return Err(Problem::Call(format!(
            "{shown}: one URL or path is asked for already (with --url, --file or before)"
        )));
    }
    if word.as_bytes().windows(3).any(|three| three == b"://") {
        request.url = Some(word.to_owned());
        return Ok(());
    }
    let path = Path::new(word);
    let looks_like_host = !path.is_absolute() && !word.as_bytes().starts_with(b".");
    if looks_like_host && path.symlink_metadata().is_err() {
        return Err(Problem::Call(format!("{shown}: there is no such path; did you mean http://{shown}?")));
    }
    let path = std::path::absolute(path)?;
    request.file = Some(path.into_os_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let of =
            |text: &'static str| url(OsStr::new(text)).ok().map(|url| (url.scheme, url.authority, url.port, url.uri));
        assert_eq!(of("http://a.b"), Some((&b"http"[..], &b"a.b"[..], 0, &b"/"[..])));
        assert_eq!(of("https://a:8443/x?y"), Some((&b"https"[..], &b"a:8443"[..], 8443, &b"/x?y"[..])));
        assert_eq!(of("http://[::1]:80/"), Some((&b"http"[..], &b"[::1]:80"[..], 80, &b"/"[..])));
        assert_eq!(of("http://[::1]/"), Some((&b"http"[..], &b"[::1]"[..], 0, &b"/"[..])));
        assert_eq!(of("ftp://a/"), None);
        assert_eq!(of("http:///x"), None);
        assert_eq!(of("http://a:x/"), None);
    }
}
