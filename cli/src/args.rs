//! The command's arguments. The texts here are its help, its manual page and its completions.

use crate::estate::Found;
use crate::help;
use crate::status::{CancelArgs, StatusArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Why is this PHP setting in force?
///
/// outlive reads php.ini, httpd.conf, .htaccess, .user.ini and FPM pool files as PHP and Apache do, and says which
/// value of a directive is in force for a request, which line set it, and why each other line has no effect. Neither PHP
/// nor Apache needs to be installed.
#[derive(Debug, Parser)]
#[command(name = "outlive", version, max_term_width = 100, after_help = help::ALL)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the values in force
    #[command(after_help = help::GET)]
    Get(NamesArgs),
    /// Explain why a value is in force: every line that sets it, weakest first
    #[command(after_help = help::EXPLAIN)]
    Explain(NamesArgs),
    /// Print every directive with its value and where it comes from
    #[command(after_help = help::DUMP)]
    Dump(DumpArgs),
    /// Find mistakes that PHP and Apache accept without a message
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Compare two configurations, two requests or two PHP versions: which values differ, because of which lines
    #[command(after_help = help::DIFF)]
    Diff(DiffArgs),
    /// List the web servers, PHPs and pools of this machine, with the names that --php takes
    #[command(after_help = help::WHERE)]
    Where(WhereArgs),
    /// Read ini texts as PHP does
    Ini {
        /// The command for ini texts
        #[command(subcommand)]
        command: IniCommand,
    },
    /// Show a scoreboard: the requests in flight, and those that dead processes left unfinished
    Status(StatusArgs),
    /// Cancel a request in a scoreboard, whichever process it runs in
    Cancel(CancelArgs),
    /// Play the demo: a form, a locked table, a closed browser, and what the configuration decides
    Demo,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// Write a page for each command into this directory, with every option
        #[arg(long)]
        directory: Option<PathBuf>,
    },
}

/// The commands for ini texts
#[derive(Debug, Subcommand)]
pub enum IniCommand {
    /// Print the result of PHP's parse_ini_file for each file, one line of JSON per file
    #[command(after_help = help::INI_PARSE)]
    Parse(ParseArgs),
}

/// `get` and `explain`
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The directives; and at most one URL or path, for the values in force there
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<OsString>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `dump`
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// The URL, or the path of a file, for which the values are in force
    #[arg(value_name = "URL|PATH")]
    pub what: Option<OsString>,
    /// Only those that differ from the built-in default
    #[arg(long)]
    pub changed: bool,
    /// Print only a hash of the directives that outlive acts on, without paths: equal on hosts with the same policy
    #[arg(long, conflicts_with_all = ["changed", "format", "json"])]
    pub fingerprint: bool,
    /// Columns, a php.ini that sets the same values, or JSON
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "table|ini|json", hide_possible_values = true)]
    pub format: Format,
    /// As --format json
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub request: RequestArgs,
}

/// How `dump` prints
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    Table,
    /// A php.ini that sets the same values
    Ini,
    /// JSON
    Json,
}

/// `where`
#[derive(Debug, Args)]
pub struct WhereArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Look below this directory: an unpacked image, a mounted disk, a copy of a machine's tree
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A php.ini, a pool, httpd's main file, or a directory such as /etc/php/8.2/fpm or /etc/apache2, in place of the
    /// options for it. Without any: the servers and PHPs of this machine
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Also say where plain-INI tools read the files differently from PHP
    #[arg(long)]
    pub portable: bool,
    /// Print every code of a finding with its severities and its meaning, and check nothing
    #[arg(long, conflicts_with_all = ["paths", "portable"])]
    pub list: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The two sides
    #[arg(value_name = "SIDE", num_args = 0..)]
    pub sides: Vec<OsString>,
    /// Options of side A alone, as one text
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub a: Option<OsString>,
    /// Options of side B alone
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub b: Option<OsString>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `ini parse`
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The scanner mode: read constants, operators and ${}; leave values as written; or also type booleans, null and numbers
    #[arg(long, value_enum, default_value_t = Mode::Normal, value_name = "normal|raw|typed", hide_possible_values = true)]
    pub mode: Mode,
    /// The PHP version that is the model
    #[arg(long, value_name = "V", default_value = "8.2")]
    pub php_version: String,
    /// A variable for ${NAME}
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Let ${NAME} see this process's environment
    #[arg(long)]
    pub process_env: bool,
    /// A constant besides the core ones
    #[arg(long, value_name = "NAME=VALUE")]
    pub constant: Vec<OsString>,
    /// A configuration entry, which ${NAME} uses before variables
    #[arg(short = 'd', value_name = "NAME=VALUE")]
    pub define: Vec<OsString>,
}

/// Scanner modes
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Constants, operators, ${}; every value is text
    Normal,
    /// Values as written
    Raw,
    /// As normal, with booleans, null and numbers typed
    Typed,
}

/// Where to read from
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where to read from")]
pub struct SourceArgs {
    /// Use PHP's built-in defaults; read no file
    #[arg(long)]
    pub built_in: bool,
    /// One php.ini
    #[arg(long, value_name = "FILE")]
    pub php_ini: Option<PathBuf>,
    /// Look for php.ini as PHP does: PHPRC, then --php-ini-path and its conf.d
    #[arg(long)]
    pub php_ini_search: bool,
    /// The compiled-in directory of php.ini, such as /etc/php/8.2/fpm
    #[arg(long, value_name = "DIR")]
    pub php_ini_path: Option<PathBuf>,
    /// Directories of more .ini files, separated by `:` as in PHP_INI_SCAN_DIR
    #[arg(long, value_name = "DIRS")]
    pub scan_dir: Option<OsString>,
    /// Apache's main configuration file (Debian's envvars beside it is read, too)
    #[arg(long, value_name = "FILE")]
    pub httpd_conf: Option<PathBuf>,
    /// The directory that Apache's relative paths start from (httpd -d)
    #[arg(long, value_name = "DIR")]
    pub server_root: Option<PathBuf>,
    /// Define a name for <IfDefine> and ${NAME} (httpd -D)
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<OsString>,
    /// Apache's version, for <IfVersion>
    #[arg(long, value_name = "V")]
    pub httpd_version: Option<String>,
    /// A directive before Apache's main file (httpd -C)
    #[arg(long, value_name = "DIRECTIVE")]
    pub httpd_before: Vec<OsString>,
    /// A directive after Apache's main file (httpd -c)
    #[arg(long, value_name = "DIRECTIVE")]
    pub httpd_after: Vec<OsString>,
    /// nginx's main configuration file, where nginx stands in front of PHP-FPM
    #[arg(long, value_name = "FILE")]
    pub nginx_conf: Option<PathBuf>,
    /// Everything below this directory: an unpacked image, a mounted disk, a copy of a machine's tree
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// One of the PHPs that `outlive where` lists; the beginning of its name is enough
    #[arg(long, value_name = "ID")]
    pub php: Option<OsString>,
    /// An FPM pool file, or php-fpm.conf; --fpm-conf is the same
    #[arg(long, alias = "fpm-conf", value_name = "FILE")]
    pub fpm_pool: Option<PathBuf>,
    /// The directory that relative includes of php-fpm.conf start from (php-fpm -p)
    #[arg(long, value_name = "DIR")]
    pub fpm_prefix: Option<PathBuf>,
    /// The pool in it; the first one if not given
    #[arg(long, value_name = "NAME")]
    pub pool: Option<OsString>,
    /// Set a directive, as php -d does
    #[arg(short = 'd', value_name = "NAME[=VALUE]")]
    pub set: Vec<OsString>,
    /// A parameter that the web server passes to FPM: PHP_VALUE=… or PHP_ADMIN_VALUE=…
    #[arg(long, value_name = "PARAM=TEXT")]
    pub fastcgi_param: Vec<OsString>,
    /// A variable of the request that ${NAME} in .user.ini finds: HTTP_HOST, DOCUMENT_ROOT, what the web server sets
    #[arg(long, value_name = "NAME=VALUE")]
    pub cgi_variable: Vec<OsString>,
    /// apache2handler, fpm-fcgi, cgi-fcgi, cli-server or cli; without it, the SAPI that the files suggest
    #[arg(long, value_name = "NAME")]
    pub sapi: Option<OsString>,
    /// The PHP version that is the model: 7.4 to 8.5 [default: 8.2]
    #[arg(long, value_name = "V")]
    pub php_version: Option<String>,
    /// An extension that this PHP has compiled in, besides those of Debian's
    #[arg(long, value_name = "EXTENSION")]
    pub compiled_in: Vec<OsString>,
    /// A variable: ${NAME} in files, PHPRC, PHP_INI_SCAN_DIR
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Take variables from this process's environment, too
    #[arg(long)]
    pub process_env: bool,
    /// With --json: also print which files the answer rests on, and how they were found
    #[arg(long)]
    pub context: bool,
    /// What discovery found, without options.
    #[arg(skip)]
    pub found: Option<Arc<Found>>,
}

/// Which request
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which request")]
pub struct RequestArgs {
    /// Scheme, host, port and path in one
    #[arg(long, value_name = "URL")]
    pub url: Option<OsString>,
    /// The requested host
    #[arg(long, value_name = "NAME")]
    pub host: Option<OsString>,
    /// The local port
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// The local address
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<OsString>,
    /// Path and query
    #[arg(long, value_name = "PATH")]
    pub uri: Option<OsString>,
    /// The method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<OsString>,
    /// The protocol
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<OsString>,
    /// The file served, where it does not follow from DocumentRoot or Alias
    #[arg(long, value_name = "PATH")]
    pub file: Option<OsString>,
    /// The document root, for .user.ini
    #[arg(long, value_name = "DIR")]
    pub document_root: Option<OsString>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<OsString>,
    /// A logged-in user; without it, a required login is answered with 401
    #[arg(long, value_name = "NAME")]
    pub user: Option<OsString>,
    /// A request header
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<OsString>,
}
