//! Directives that may decide which file answers, or with which values, and that are not evaluated here: each is named with file
//! and line, so that nothing is silently left out.

/// Names, and what they may change. Those that are written with `Off` change nothing.
const INFLUENCES: &[(&str, &str)] = &[
    ("CacheQuickHandler", "a cache may answer before any section is looked at"),
    ("CheckSpelling", "a misspelt URI may be redirected"),
    ("CheckCaseOnly", "a misspelt URI may be redirected"),
    ("DirectoryCheckHandler", "a directory with a handler of its own may get no index file"),
    ("DirectoryIndexRedirect", "an index file may be redirected to"),
    ("LuaMapHandler", "a script may choose the file"),
    ("LuaHookTranslateName", "a script may choose the file"),
    ("LuaHookMapToStorage", "a script may choose the file"),
    ("LuaQuickHandler", "a script may answer"),
    ("MDRequireHttps", "requests over http may be redirected"),
    ("ModMimeUsePathInfo", "extensions in the path behind a file may choose its handler"),
    ("ProxyPassInherit", "requests may be passed to another server"),
    ("RegexDefaultOptions", "regular expressions may match otherwise"),
    ("RemoteIPHeader", "the client's address may be another one"),
    ("SSLRequireSSL", "requests over http may be refused"),
    ("SSLRequire", "access may be refused"),
    ("StrictHostCheck", "a host name that no server has may be refused"),
    ("UseCanonicalName", "conditions may see another server name"),
    ("UseCanonicalPhysicalPort", "conditions may see another port"),
    ("VHostCGIMode", "programs may be refused"),
    ("VirtualDocumentRootIP", "the document root may be another one"),
    ("VirtualScriptAlias", "a URI may lead to another file"),
    ("VirtualScriptAliasIP", "a URI may lead to another file"),
];

/// What a directive that is only kept may change.
pub(super) fn influence(name: &str, args: &[u8]) -> Option<&'static str> {
    let (_, what) = INFLUENCES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    let value = super::words::next_word(args).0;
    (!value.eq_ignore_ascii_case(b"off")).then_some(what)
}
