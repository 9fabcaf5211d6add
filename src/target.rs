//! What a request asks for.

/// The request that settings are resolved for. Everything is optional; texts are bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// The host that was asked for (the `Host` header or the URL's), with or without a port.
    pub server_name: Option<&'a [u8]>,
    /// The local address that was connected to, as text; none: 127.0.0.1, or where no virtual host is there, any that has one of the
    /// host's name.
    pub server_address: Option<&'a [u8]>,
    /// The local port that was connected to; 0: unknown (80, or 443 with scheme `https`).
    pub port: u16,
    /// `http` or `https`; none: `http`.
    pub scheme: Option<&'a [u8]>,
    /// The method; none: `GET`.
    pub method: Option<&'a [u8]>,
    /// `HTTP/1.1`, `HTTP/1.0`, …; none: `HTTP/1.1`.
    pub protocol: Option<&'a [u8]>,
    /// The request target as received: path and query, still encoded. With neither this nor `filename`, the answer is what is
    /// in force for the whole server.
    pub uri: Option<&'a [u8]>,
    /// The file served, where the caller knows it; none: derived from the httpd configuration.
    pub filename: Option<&'a [u8]>,
    /// The document root, where the caller knows it (what FastCGI calls `DOCUMENT_ROOT`).
    pub document_root: Option<&'a [u8]>,
    /// The host answers paths by itself, as servers with routes do: without a `DocumentRoot` and a `filename`, no file is looked for, and
    /// the answer is what is in force for the path.
    pub routes: bool,
    /// The client's address, as text.
    pub client_address: Option<&'a [u8]>,
    /// The user who has logged in; `None`: nobody, so a required login is answered with 401.
    pub user: Option<&'a [u8]>,
    /// Request headers, name and value.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}
