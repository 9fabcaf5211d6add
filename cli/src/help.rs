//! The texts below the options in each `--help`. Lines are short enough for any terminal.

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

A directory can be given in place of a file. On a terminal the first line names
the PHP version, the SAPI and the files that the answer is for, and how they
were found.

Exit status: 0 success; 1 the answer is no, or problems were found; 2 the
arguments or a file could not be used. share/outlive/schema has the schemas of
all JSON output.";

macro_rules! extensions {
    () => {
        "

Extensions: if php.ini or -d loads any extension, only the directives of the
loaded extensions exist, and of those that Debian compiles in (date, filter,
openssl, pcre, session, standard, zlib ...); name other compiled-in ones with
--compiled-in. If no line loads an extension, all known directives exist."
    };
}

macro_rules! secrets {
    () => {
        "

Secrets: a value that is a secret by its name, or that contains one as in
tcp://user:password@host, is shown as *** (null in JSON; get says so on
standard error) unless the calling user may read the file that sets it. The
real user counts, not the rights of a setuid command. Values set by options
are shown."
    };
}

/// `where`
pub const WHERE: &str = "\
The first column is the name for --php: version, SAPI, pool. Running servers are
found in /proc, others in the places where distributions, panels and images put
their files. What a PHP was built with is read from its program file; the
program is not run.

With --root everything is looked for below a directory: an unpacked image, a
mounted disk, a copy. Links stay within that directory, and this machine's
processes and environment are ignored.";

/// `get`
pub const GET: &str = concat!(
    "\
Examples:
  outlive get memory_limit --php-ini /etc/php/8.2/cli/php.ini
  outlive get display_errors memory_limit --json \\
      --httpd-conf /etc/apache2/apache2.conf --url http://example.org/

For one name only the value is printed, for several NAME = VALUE.
Exit status: 0 success; 1 there is no such directive, or the server would not
run a program for this request (404, a redirect ...); 2 the arguments or a file
could not be used, the calling user may not see a value, or a value is not
known (with --json: {\"unknown\": REASON}).",
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

The weakest layer comes first. > marks the value in force, x a refused one.
Exit status: as for get.",
    secrets!(),
    extensions!()
);

/// `dump`
pub const DUMP: &str = concat!(
    "\
Examples:
  outlive dump --changed --php-ini-search --php-ini-path /etc/php/8.2/fpm
  outlive dump --format ini --fpm-pool www.conf > effective.ini

The output has the values of ini_get_all(), and the line that sets each one.
Exit status 2: a value is not known; it is marked as unknown.",
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

Without a request, the .htaccess and .user.ini files below the document roots of
all virtual hosts are checked too, as their servers read them: in up to 20,000
directories, 32 levels deep, and the files of 2,000 of them; a note says where
that was not enough. With a URL or --file, those of that request are
checked as well. Notes do not count as problems.
Exit status: 0 no problems; 1 warnings or errors; 2 the arguments or a file
could not be used.";

/// `diff`
pub const DIFF: &str = concat!(
    "\
A side is one of
  a file       a php.ini, a pool or httpd's main file, told by its content
  a directory  such as /etc/php/8.2/fpm, /etc/apache2 or a copy of one; the
               SAPI and the PHP version follow from its name where it has one
  a URL        as --url
  a version    as --php-version
  @FILE        options, as on the command line, from a file
and, if that is not enough, --a OPTIONS and --b OPTIONS. All other options
apply to both sides; a side's own options override them.

Examples:
  outlive diff staging/php.ini production/php.ini
  outlive diff 8.2 8.4 --php-ini /etc/php/8.2/fpm/php.ini
  outlive diff /etc/php/8.2/fpm /etc/php/8.2/cli
  outlive diff http://a.example/ http://b.example/x \\
      --httpd-conf /etc/apache2/apache2.conf
  outlive diff --a '--php-ini a.ini --sapi cli' --b '--fpm-pool www.conf'

Exit status: 0 the values are the same; 1 they differ; 2 the arguments or a
file could not be used, or a value is not known.",
    secrets!()
);

/// `ini parse`
pub const INI_PARSE: &str = "\
Example:
  outlive ini parse --mode typed settings.ini

Each line is {\"ok\": true, \"entries\": [[KEY, VALUE], ...]} or
{\"ok\": false, \"error\": {\"message\": ..., \"line\": N}}; sections and arrays are
lists of such pairs.
Exit status: 0 success; 1 a file has a syntax error; 2 the arguments or a file
could not be used.";
