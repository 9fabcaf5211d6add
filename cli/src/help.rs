//! What stands below the options in each `--help`. Lines are short enough for any terminal.

/// The command itself.
pub const ALL: &str = "\
Examples:
  outlive explain upload_max_filesize https://shop.example/
  outlive where
  outlive get max_execution_time --php-ini /etc/php/8.2/fpm/php.ini
  outlive explain memory_limit --httpd-conf /etc/apache2/apache2.conf \\
      --url http://example.org/shop/
  outlive check /etc/php/8.2/fpm
  outlive diff 8.2 8.4 --php-ini php.ini

A directory may stand where a file may. On a terminal the first line says what
the answer is for: PHP version, SAPI, files, and how they were found.

Exit status: 0 fine; 1 the answer is no, or problems were found; 2 the call
or a file could not be used. JSON is described by the schemas in
share/outlive/schema.";

macro_rules! extensions {
    () => {
        "

Extensions: as soon as one line of php.ini or -d loads an extension, only the
directives of those that are loaded, and of those that Debian compiles in
(date, filter, openssl, pcre, session, standard, zlib ...), are there; name
others with --compiled-in. As long as no line loads any, all are there."
    };
}

macro_rules! secrets {
    () => {
        "

Secrets: a value that holds one, by its name or as in tcp://user:password@host,
is *** (null in JSON; get says it on standard error) unless who calls may read
the file that sets it. The real user counts, not the rights that a setuid
command adds. What options set is shown."
    };
}

/// `where`
pub const WHERE: &str = "\
The first column is what --php takes: version, SAPI, pool. Servers that run are
found in /proc, the others by where distributions, panels and images put their
files; what a PHP was built with is read from its program, which is not run.

With --root everything is looked for below a directory: an unpacked image, a
mounted disk, a copy. Links lead nowhere else then, and neither processes nor
the environment of this machine count.";

/// `get`
pub const GET: &str = concat!(
    "\
Examples:
  outlive get memory_limit --php-ini /etc/php/8.2/cli/php.ini
  outlive get display_errors memory_limit --json \\
      --httpd-conf /etc/apache2/apache2.conf --url http://example.org/

One name gives the bare value, several give NAME = VALUE.
Exit status: 0; 1 there is no such directive, or the server would not run a
program for this request (404, a redirect ...); 2 the call or a file could
not be used, who calls may not see a value, or it is not known (with --json:
{\"unknown\": REASON}).",
    secrets!(),
    extensions!()
);

/// `explain`
pub const EXPLAIN: &str = concat!(
    "\
Examples:
  outlive explain memory_limit --httpd-conf /etc/apache2/apache2.conf \\
      --php-ini-search --php-ini-path /etc/php/8.2/apache2 \\
      --url http://example.org/shop/
  outlive explain precision --fpm-pool /etc/php/8.2/fpm/pool.d/www.conf \\
      --file /srv/www/index.php --document-root /srv/www

The weakest layer comes first. > marks the value in force, x what was refused.
Exit status: as get.",
    secrets!(),
    extensions!()
);

/// `dump`
pub const DUMP: &str = concat!(
    "\
Examples:
  outlive dump --changed --php-ini-search --php-ini-path /etc/php/8.2/fpm
  outlive dump --format ini --fpm-pool www.conf > effective.ini

It shows what ini_get_all() would, and which line is behind each value. Exit
status 2: some value is not known, and is not given as one.",
    secrets!(),
    extensions!()
);

/// `check`
pub const CHECK: &str = "\
Examples:
  outlive check php.ini
  outlive check /etc/php/8.2/fpm
  outlive check /etc/apache2 --url http://example.org/shop/
  outlive check --portable --json php.ini

With a URL or --file, the .htaccess and .user.ini files of that request are
checked as well. Notes do not count as problems.
Exit status: 0 nothing suspicious; 1 warnings or errors; 2 the call or a file
could not be used.";

/// `diff`
pub const DIFF: &str = concat!(
    "\
A side is one of
  a file       a php.ini, a pool or httpd's main file, by what is in it
  a directory  such as /etc/php/8.2/fpm, /etc/apache2 or a copy of one; the
               SAPI and the PHP version follow from its name where it has one
  a URL        as --url
  a version    as --php-version
  @FILE        options, as on the command line, from a file
and, where that is not enough, --a OPTIONS and --b OPTIONS. All other options
hold for both sides; what a side says itself takes their place.

Examples:
  outlive diff staging/php.ini production/php.ini
  outlive diff 8.2 8.4 --php-ini /etc/php/8.2/fpm/php.ini
  outlive diff /etc/php/8.2/fpm /etc/php/8.2/cli
  outlive diff http://a.example/ http://b.example/x \\
      --httpd-conf /etc/apache2/apache2.conf
  outlive diff --a '--php-ini a.ini --sapi cli' --b '--fpm-pool www.conf'

Exit status: 0 the values are the same; 1 they differ; 2 the call or a file
could not be used, or a value is not known.",
    secrets!()
);

/// `ini parse`
pub const INI_PARSE: &str = "\
Example:
  outlive ini parse --mode typed settings.ini

Each line is {\"ok\": true, \"entries\": [[KEY, VALUE], ...]} or
{\"ok\": false, \"error\": {\"message\": ..., \"line\": N}}; sections and arrays are
lists of such pairs.
Exit status: 0; 1 a file has a syntax error; 2 the call or a file could not
be used.";
