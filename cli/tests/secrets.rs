//! Secrets are shown to nobody who could not read them without the command.

mod support;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use support::{Place, err, json, out};

/// An account with no rights, Debian's nobody.
const NOBODY: u32 = 65534;
const MARK: &str = "hunter2";

/// The command as an operator may have put it for everybody: it belongs to root and runs as root, whoever calls.
struct Setuid {
    place: Place,
    command: String,
}

impl Setuid {
    /// None where only root could make one.
    fn new(name: &str) -> Option<Self> {
        let ini =
            b"mysqli.default_pw = hunter2\nsession.save_path = \"tcp://127.0.0.1:6379?auth=hunter2\"\nprecision = 5\n";
        let place = Place::new(name, &[("php.ini", ini), ("other.ini", b"mysqli.default_pw = else\nprecision = 6\n")]);
        if std::fs::metadata(&place.0).unwrap().uid() != 0 {
            assert!(!support::ci(), "tests of setuid commands are run as root");
            eprintln!("left out: only root makes a command that runs as root");
            return None;
        }
        set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();
        let command = place.path("outlive");
        // By a process of its own: a file that this one has open for writing may be open in what other tests start, and is then busy.
        assert!(Command::new("cp").args([env!("CARGO_BIN_EXE_outlive"), &command]).status().unwrap().success());
        set_permissions(&command, Permissions::from_mode(0o4755)).unwrap();
        let it = Self { place, command };
        it.allow(0o600);
        Some(it)
    }

    fn allow(&self, mode: u32) {
        set_permissions(self.place.path("php.ini"), Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, uid: u32, args: &[&str]) -> Output {
        let mut command = Command::new(&self.command);
        command.args(args).current_dir(&self.place.0).uid(uid).gid(uid);
        command.output().unwrap()
    }
}

fn both(output: &Output) -> String {
    out(output) + &err(output)
}

const CALLS: [&[&str]; 9] = [
    &["explain", "mysqli.default_pw", "session.save_path", "--php-ini", "php.ini"],
    &["explain", "mysqli.default_pw", "session.save_path", "--json", "--php-ini", "php.ini"],
    &["get", "mysqli.default_pw", "session.save_path", "--php-ini", "php.ini"],
    &["get", "mysqli.default_pw", "session.save_path", "--json", "--context", "--php-ini", "php.ini"],
    &["dump", "--php-ini", "php.ini"],
    &["dump", "--json", "--php-ini", "php.ini"],
    &["dump", "--format", "ini", "--php-ini", "php.ini"],
    &["diff", "php.ini", "other.ini"],
    &["diff", "--json", "php.ini", "other.ini"],
];

#[test]
fn an_account_that_may_not_read_the_file_sees_none_of_its_secrets() {
    let Some(it) = Setuid::new("secrets-hidden") else { return };
    for call in CALLS {
        let told = it.run(NOBODY, call);
        assert!(!both(&told).contains(MARK), "{call:?}: {told:?}");
        // The file was read: what is no secret is there.
        assert!(both(&told).contains("php.ini"), "{call:?}: {told:?}");
    }
    assert_eq!(out(&it.run(NOBODY, &["get", "precision", "--php-ini", "php.ini"])), "5\n");
    let dumped = json(&it.run(NOBODY, CALLS[5]));
    let entry = &dumped["mysqli.default_pw"];
    assert!(entry["value"].is_null() && entry["global"].is_null(), "{entry}");
    assert_eq!(dumped["precision"]["value"], "5");
    let told = it.run(NOBODY, CALLS[2]);
    assert_eq!((told.status.code(), out(&told)), (Some(2), String::new()));
    assert!(err(&told).contains("mysqli.default_pw: not shown") && err(&told).contains("php.ini:1"), "{told:?}");
    assert!(out(&it.run(NOBODY, CALLS[0])).contains("mysqli.default_pw = ***"));
    assert!(out(&it.run(NOBODY, CALLS[6])).contains("; not shown: mysqli.default_pw\n"));
}

/// A line that is overridden stays a secret, and what its caller gives is none to the caller.
#[test]
fn a_secret_below_the_callers_own_value_stays_hidden() {
    let Some(it) = Setuid::new("secrets-below") else { return };
    for more in [&[][..], &["--json"]] {
        let own = ["-d", "mysqli.default_pw=mine", "--php-ini", "php.ini"];
        for call in [&["explain", "mysqli.default_pw"][..], &["dump"]] {
            let told = it.run(NOBODY, &[call, more, &own].concat());
            assert!(out(&told).contains("mine") && !both(&told).contains(MARK), "{told:?}");
        }
    }
}

#[test]
fn who_may_read_the_file_sees_them() {
    let Some(it) = Setuid::new("secrets-shown") else { return };
    for call in CALLS {
        assert!(out(&it.run(0, call)).contains(MARK), "root: {call:?}");
    }
    it.allow(0o644);
    for call in CALLS {
        assert!(out(&it.run(NOBODY, call)).contains(MARK), "{call:?}");
    }
}
