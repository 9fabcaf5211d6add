//! Directives that may decide which file answers, or with which values, and are not evaluated here. Each is reported with file
//! and line, so that nothing is silently left out.

/// What a directive that is not evaluated may change; `name` as in the table of modules. With the argument `Off` it changes
/// nothing.
pub(crate) fn influence(name: &str, args: &[u8]) -> Option<&'static str> {
    let what = match name {
        "AliasPreservePath" => "an alias of a location may lead to another file",
        "CacheQuickHandler" => "a cache may answer before any section is looked at",
        "CheckSpelling" | "CheckCaseOnly" => "a misspelt URI may be redirected",
        "LuaMapHandler" | "LuaHookTranslateName" | "LuaHookMapToStorage" => "a script may choose the file",
        "LuaQuickHandler" => "a script may answer",
        "MDRequireHttps" => "requests over http may be redirected",
        "ModMimeUsePathInfo" => "extensions in the path behind a file may choose its handler",
        "ProxyPassInherit" => "requests may be passed to another server",
        "RegexDefaultOptions" => "regular expressions may match otherwise",
        "RemoteIPHeader" => "the client's address may be another one",
        "SSLRequire" => "access may be refused",
        "StrictHostCheck" => "a host name that no server has may be refused",
        "UseCanonicalName" => "conditions may see another server name",
        "UseCanonicalPhysicalPort" => "conditions may see another port",
        "VHostCGIMode" => "programs may be refused",
        "VirtualDocumentRootIP" => "the document root may be another one",
        "VirtualScriptAlias" | "VirtualScriptAliasIP" => "a URI may lead to another file",
        _ => return None,
    };
    let value = super::tokens::next_token(args).0;
    (!value.eq_ignore_ascii_case(b"off")).then_some(what)
}
