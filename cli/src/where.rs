//! `outlive where`: lists the servers and PHPs.

use crate::args::{SourceArgs, WhereArgs};
use crate::estate::{self, Machine, Php, WebServer, question};
use crate::load::{self, Loaded};
use crate::output::{Answer, DIM, Problem, STRONG, note};
use crate::{json, text};
use outlive::config::{Layer, Pool, Sapi};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// One PHP of the list.
struct Row<'m> {
    id: String,
    sapi: Sapi,
    version: Option<String>,
    php_ini: Option<String>,
    scanned: Vec<String>,
    server: Option<&'m WebServer>,
    pools: &'m [Pool],
    pool_ids: Vec<String>,
    running: bool,
    found_by: String,
    notes: Vec<String>,
}

/// Lists it.
pub fn run(args: &WhereArgs) -> Result<Answer, Problem> {
    let source = SourceArgs { root: args.root.clone(), ..SourceArgs::default() };
    let machine = estate::machine(&source)?;
    machine.notes.iter().for_each(|text| note(text));
    let rows = rows(&machine, &source);
    if args.json {
        let mut out = String::new();
        json::list(&mut out, &rows, write_json);
        out.push('\n');
        return Ok(Answer::raw(out));
    }
    Ok(Answer::text(as_text(&machine, &rows)))
}

fn rows<'m>(machine: &'m Machine, source: &SourceArgs) -> Vec<Row<'m>> {
    let mut rows = Vec::new();
    let mut has_apache = false;
    for server in machine.servers.iter().filter(|server| !server.is_nginx) {
        has_apache = true;
        match question::of_apache(machine, server, source) {
            Ok((_, loaded)) if loaded.config.httpd().is_some_and(|httpd| httpd.php_module().is_some()) => {
                let mut row = row(&loaded, server.running.is_some());
                row.server = Some(server);
                row.notes.clone_from(&server.notes);
                rows.push(row);
            }
            Ok(_) => {}
            Err(problem) => note(&format!("{}: {}", server.view.shown(&server.config), problem.text())),
        }
    }
    for php in machine.phps.iter().filter(|php| php.sapi != Sapi::Apache || !has_apache) {
        match of_php(php, source) {
            Ok(row) => rows.push(row),
            Err(problem) => note(&format!("{}: {}", php.id(), problem.text())),
        }
    }
    rows.sort_by_key(|row| matches!(row.sapi, Sapi::Cgi | Sapi::Cli));
    rows
}

fn of_php<'m>(php: &'m Php, source: &SourceArgs) -> Result<Row<'m>, Problem> {
    let pools = match php.pools() {
        Ok(pools) => &pools[..],
        Err(why) => {
            note(&format!("{}: {why}", php.id()));
            &[]
        }
    };
    let mut options = php.source(source, pools.first());
    if pools.is_empty() {
        // Its php.ini can be found nevertheless.
        options.fpm_pool = None;
    }
    let loaded = load::config(&options)?;
    let mut row = row(&loaded, php.running.is_some());
    row.id = php.id();
    row.version = php.version().map(|version| version.to_string());
    row.pools = pools;
    row.pool_ids = pools.iter().map(|pool| php.pool_id(&pool.name)).collect();
    row.notes.clone_from(&loaded.context.notes);
    Ok(row)
}

fn row<'m>(loaded: &Loaded, running: bool) -> Row<'m> {
    let Loaded { config, context, .. } = loaded;
    let files = |wanted: Layer| {
        let all = config.ini_files().filter(move |(layer, ..)| *layer == wanted);
        all.map(|(_, file, _)| text::shown(file)).collect::<Vec<_>>()
    };
    Row {
        id: context.id(config),
        sapi: config.sapi(),
        version: Some(config.php_version().to_string()),
        php_ini: files(Layer::PhpIni).pop(),
        scanned: files(Layer::ScanDir),
        server: None,
        pools: &[],
        pool_ids: Vec::new(),
        running,
        found_by: context.found_by.clone().unwrap_or_else(|| {
            context.unknown.as_ref().map_or_else(|| "its module".to_owned(), |unknown| unknown.why.clone())
        }),
        notes: Vec::new(),
    }
}

fn write_json(out: &mut String, row: &Row<'_>) {
    let mut object = json::Object::new(out);
    object.text("id", row.id.as_bytes());
    object.text("sapi", row.sapi.name().as_bytes());
    object.maybe("version", row.version.as_deref().map(str::as_bytes));
    object.maybe("php_ini", row.php_ini.as_deref().map(str::as_bytes));
    json::list(object.key(b"scanned"), &row.scanned, |out, file| json::maybe(out, Some(file.as_bytes())));
    match row.server {
        None => object.plain("server", "null"),
        Some(server) => {
            let mut inner = json::Object::new(object.key(b"server"));
            inner.text("kind", if server.is_nginx { b"nginx" } else { b"apache" });
            inner.text("config", server.config.as_os_str().as_bytes());
            inner.end();
        }
    }
    json::list(object.key(b"pools"), row.pools, |out, pool| {
        let listen = pool.line(b"listen");
        let mut object = json::Object::new(out);
        object.text("name", &pool.name);
        object.maybe("listen", listen.map(|(listen, _)| listen));
        object.maybe("file", listen.and_then(|(_, origin)| origin.file.as_deref()));
        object.plain("line", json::line(listen.map_or(0, |(_, origin)| origin.line)));
        object.end();
    });
    object.plain("running", row.running);
    object.text("found_by", row.found_by.as_bytes());
    object.end();
}

fn as_text(machine: &Machine, rows: &[Row<'_>]) -> String {
    let mut out = String::new();
    let ids = rows.iter().flat_map(|row| row.pool_ids.iter().chain([&row.id]));
    let width = ids.map(|id| id.chars().count()).max().unwrap_or_default();
    for row in rows {
        let running = if row.running { "running" } else { "not running, as far as is known" };
        let running = match row.sapi {
            Sapi::Cli => "serves no request",
            Sapi::Cgi => "started for each request",
            _ => running,
        };
        let ini = row.php_ini.as_deref().unwrap_or("no php.ini");
        let scanned = match row.scanned.len() {
            0 => String::new(),
            1 => " + 1 file".into(),
            many => format!(" + {many} files"),
        };
        let version = if row.version.is_none() { ", version not known" } else { "" };
        let _ = writeln!(out, "{STRONG}{:width$}{STRONG:#}  {ini}{scanned}  {DIM}{running}{version}{DIM:#}", row.id);
        let blank = " ".repeat(width);
        let _ = writeln!(out, "{blank}  {DIM}{}{DIM:#}", row.found_by);
        if let Some(server) = row.server {
            let _ = writeln!(out, "{blank}  in Apache, {}", server.view.shown(&server.config));
        }
        for (pool, id) in row.pools.iter().zip(&row.pool_ids) {
            let (listen, origin) = match pool.line(b"listen") {
                Some((listen, origin)) => (text::shown(listen), format!("{origin}")),
                None => ("no listen".into(), String::new()),
            };
            let _ = writeln!(out, "{STRONG}{id:width$}{STRONG:#}  listens on {listen}  {DIM}{origin}{DIM:#}");
        }
        for note in &row.notes {
            let _ = writeln!(out, "{blank}  {note}");
        }
    }
    let servers: Vec<&WebServer> = machine.servers.iter().collect();
    if !servers.is_empty() {
        let _ = writeln!(out, "\n{STRONG}Web servers{STRONG:#}");
    }
    for server in servers {
        let kind = if server.is_nginx { "nginx" } else { "Apache" };
        let state = match server.running {
            Some(pid) => format!("running, process {pid}"),
            None => "not running, as far as is known".into(),
        };
        let _ = writeln!(out, "  {kind:6}  {}  {DIM}{state}{DIM:#}", server.view.shown(&server.config));
        for note in &server.notes {
            let _ = writeln!(out, "          {note}");
        }
    }
    out
}
