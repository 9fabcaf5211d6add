//! What /proc tells of servers that run: real ones, in other namespaces, with a program that is gone, and where it may not be read.
//! Needs root, for namespaces and accounts.

mod support;

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{Place, err, out};

const OUTLIVE: &str = env!("CARGO_BIN_EXE_outlive");

/// Whether namespaces can be made here.
fn can() -> bool {
    let may = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|done| done.status.success());
    if !may {
        eprintln!("left out: no namespaces can be made here (unshare needs root)");
        assert!(!support::ci(), "in CI they can");
    }
    may
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What servers and the command have for /etc: the accounts, one PHP's command line, and directories for more.
const ETC: [(&str, &[u8]); 5] = [
    ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"),
    ("etc/group", b"root:x:0:\nwww-data:x:33:\n"),
    ("etc/php/8.2/cli/php.ini", b""),
    ("etc/apache2/none", b""),
    ("etc/nginx/none", b""),
];

/// A place, and a mount namespace in which its etc is /etc: nothing of this machine's is read.
struct Own {
    place: Place,
    holder: Server,
}

impl Own {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let place = Place::new(name, &[&ETC, files].concat());
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
        let words = format!("mount --bind {} /etc && echo && exec sleep 600", place.path("etc"));
        let mut child = Command::new("unshare");
        let child = child.args(["--mount", "sh", "-c", &words]).process_group(0).stdin(Stdio::null());
        let mut holder = Server(child.stdout(Stdio::piped()).spawn().unwrap());
        let mut said = [0];
        holder.0.stdout.as_mut().unwrap().read_exact(&mut said).expect("it is mounted");
        Self { place, holder }
    }

    /// A shell's words, in this namespace, with its root: whoever enters a namespace alone leaves a chroot.
    fn shell(&self, words: &str) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.holder.0.id().to_string();
        command.args(["--mount", "--root", "--wd", "--target", &holder, "sh", "-c", words]).stdin(Stdio::null());
        command
    }

    fn sh(&self, words: &str) -> Output {
        self.shell(words).output().unwrap()
    }

    /// Starts a server, in a group of its own.
    fn spawn(&self, words: &str) -> Server {
        Server(self.shell(words).process_group(0).stderr(Stdio::piped()).spawn().unwrap())
    }
}

/// A server that ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // The shell that started it passes the signal on to nobody: its whole group is ended.
        let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Starts a server by a shell's words, and waits until it listens.
fn start(own: &Own, words: &str, port: u16) -> Server {
    let mut server = own.spawn(words);
    let until = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = server.0.try_wait().unwrap() {
            let mut said = String::new();
            server.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("{words}: {status} {said}");
        }
        assert!(Instant::now() < until, "{words}: it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// Copies a program by a process of its own: a descriptor that this one has open for writing could be inherited by a child that another test
/// starts just then, and a program that is open for writing cannot be run.
fn copy(from: &str, to: &str) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success(), "cp {from} {to}");
}

fn apache(place: &Place, port: u16) -> String {
    let root = place.0.to_str().unwrap();
    fs::create_dir_all(place.0.join("www")).unwrap();
    fs::write(place.path("www/index.php"), "<?php").unwrap();
    let modules = "/usr/lib/apache2/modules";
    let conf = format!(
        "ServerRoot {root}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {root}/pid\nErrorLog {root}/log\nDefaultRuntimeDir {root}\n\
         Mutex file:{root}\nUser www-data\nGroup www-data\nTypesConfig /dev/null\nDocumentRoot {root}/www\nDirectoryIndex index.php\n\
         LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so\nLoadModule authz_core_module {modules}/mod_authz_core.so\n\
         LoadModule dir_module {modules}/mod_dir.so\nLoadModule mime_module {modules}/mod_mime.so\nLoadModule php_module {modules}/libphp8.2.so\n\
         AddHandler application/x-httpd-php .php\nphp_admin_value memory_limit 77M\n"
    );
    fs::write(place.path("httpd.conf"), conf).unwrap();
    place.path("httpd.conf")
}

/// The one of `where`'s rows that has something in it.
fn row_with(output: &Output, part: &str) -> Value {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let found = all.as_array().unwrap().iter().find(|row| row.to_string().contains(part)).cloned();
    found.unwrap_or_else(|| panic!("{part}: {all:#} {}", err(output)))
}

#[test]
fn a_server_whose_program_is_gone() {
    if !can() || !support::has("/usr/sbin/apache2") {
        return;
    }
    let own = Own::new("machine-gone", &[]);
    let place = &own.place;
    let port = free_port();
    let conf = apache(place, port);
    let program = place.path("apache2");
    copy("/usr/sbin/apache2", &program);
    let _server = start(&own, &format!("exec {program} -f {conf} -DFOREGROUND"), port);
    fs::remove_file(&program).unwrap();
    let url = format!("http://localhost:{port}/");
    let output = own.sh(&format!("{OUTLIVE} get memory_limit {url}"));
    assert_eq!(out(&output).trim(), "77M", "{output:?}");
    assert!(err(&output).contains("package replaced, not restarted"), "{output:?}");
}

#[test]
fn a_server_with_files_of_its_own() {
    if !can() || !support::has("/usr/sbin/apache2") {
        return;
    }
    // In a mount namespace with another /etc/php, and with process ids of its own.
    let own = Own::new("machine-mount", &[("php/8.2/apache2/php.ini", b"upload_max_filesize = 61M\n")]);
    let place = &own.place;
    let port = free_port();
    let conf = apache(place, port);
    let php = place.path("php");
    let words = format!(
        "exec unshare --mount --pid --fork --kill-child sh -c 'mount --bind {php} /etc/php && exec apache2 -f {conf} -DFOREGROUND'"
    );
    let _server = start(&own, &words, port);
    let url = format!("http://localhost:{port}/");
    let output = own.sh(&format!("{OUTLIVE} explain upload_max_filesize {url}"));
    let text = out(&output);
    assert!(
        text.starts_with("upload_max_filesize = 61M") && text.contains("/etc/php/8.2/apache2/php.ini:1"),
        "{output:?}"
    );
    assert!(err(&output).contains("has a root of its own: files are read through /proc/"), "{output:?}");
}

#[test]
fn who_may_not_look() {
    if !can() || !support::has("/usr/sbin/apache2") {
        return;
    }
    let own = Own::new("machine-other", &[]);
    let place = &own.place;
    let port = free_port();
    let conf = apache(place, port);
    let _server = start(&own, &format!("exec apache2 -f {conf} -DFOREGROUND"), port);
    // Whoever asks can run the command, wherever it was built.
    let outlive = place.path("outlive");
    copy(OUTLIVE, &outlive);
    let other = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let url = format!("http://localhost:{port}/");
    let output = own.sh(&format!("{other} {outlive} get memory_limit {url}"));
    assert_eq!(out(&output).trim(), "77M", "{output:?}");
    assert!(err(&output).contains("only arguments may be read") && err(&output).contains("run as root"), "{output:?}");
    // /proc that lists an account's own processes alone, and one that is not mounted.
    let hidden = "unshare --mount --pid --fork sh -c 'mount -t proc -o hidepid=2 proc /proc && exec";
    let output = own.sh(&format!("{hidden} {other} {outlive} where --json'"));
    assert!(err(&output).contains("hidepid") && output.status.success(), "{output:?}");
    let output = own.sh(&format!("unshare --mount sh -c 'mount -t tmpfs tmpfs /proc && exec {outlive} where --json'"));
    assert!(err(&output).contains("no process is listed in /proc") && output.status.success(), "{output:?}");
    row_with(&output, "8.2/cli");
}

#[test]
fn what_is_only_called_so() {
    if !can() {
        return;
    }
    // Scripts and programs of other people, by the names of servers: named, and the rest goes on.
    let own = Own::new("machine-names", &[("nginx", b"#!/bin/sh\nsleep 60 & wait\n")]);
    let place = &own.place;
    fs::set_permissions(place.path("nginx"), fs::Permissions::from_mode(0o755)).unwrap();
    copy("/bin/sleep", &place.path("httpd"));
    let servers =
        [own.spawn(&format!("exec {} 60", place.path("httpd"))), own.spawn(&format!("exec {}", place.path("nginx")))];
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let output = own.sh(&format!("{OUTLIVE} where --json"));
        let said = err(&output);
        let all = servers.iter().all(|server| said.contains(&format!("process {} is called", server.0.id())));
        if all {
            assert!(said.contains("no such web server that is known: passed over"), "{said}");
            row_with(&output, "8.2/cli");
            return;
        }
        assert!(Instant::now() < until, "{output:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn half_an_image_and_links_that_lead_round() {
    use std::os::unix::fs::symlink;
    let place = Place::new(
        "machine-half",
        &[
            ("etc/php/8.2/fpm/php-fpm.conf", b"include=/etc/php/8.2/fpm/pool.d/*.conf\n"),
            ("etc/php/8.2/fpm/php.ini", b"memory_limit = 88M\n"),
            ("etc/php/8.2/fpm/pool.d/www.conf", b"[www]\nlisten = /run/a.sock\n"),
            ("usr/sbin/php-fpm8.2", b"\x7fELF\x02\x01\x01, and no more of it"),
            ("usr/bin/php8.1", b"#!/bin/sh\n"),
            ("usr/sbin/php-fpm8.3", b""),
        ],
    );
    for link in ["etc/apache2", "etc/nginx", "etc/php/8.3", "etc/passwd", "usr/sbin/php-fpm8.4"] {
        symlink(format!("/{link}"), place.path(link)).unwrap();
    }
    fs::create_dir_all(place.path("etc/php/8.2/fpm/conf.d")).unwrap();
    symlink("10-a.ini", place.path("etc/php/8.2/fpm/conf.d/10-a.ini")).unwrap();
    symlink("/nowhere", place.path("etc/php/8.2/fpm/conf.d/20-b.ini")).unwrap();
    let output = place.run(&["where", "--json", "--root", "."]);
    assert!(output.status.success(), "{output:?}");
    row_with(&output, "8.2/fpm");
    let output = place.run(&["get", "memory_limit", "--root", ".", "--php", "8.2/fpm"]);
    assert_eq!(out(&output).trim(), "88M", "{output:?}");
}
