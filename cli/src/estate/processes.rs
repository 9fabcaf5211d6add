//! Servers that run, as far as /proc may be read.

use crate::pair::variable;
use crate::php_elf;
use crate::view::View;
use outlive::files::{Disk, Files};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which server a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Apache,
    Nginx,
    Fpm,
}

/// A server's main process.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub kind: Kind,
    /// Its program, within its view; none: it may not be read.
    pub program: Option<PathBuf>,
    /// What it is called.
    pub name: String,
    /// The program's file has been replaced since.
    pub deleted: bool,
    pub args: Vec<Vec<u8>>,
    /// None: it may not be read, or the process has overwritten it.
    pub env: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Not later than this it has read its configuration; none: not known.
    pub read_by: Option<SystemTime>,
    /// The systemd unit that it belongs to.
    pub unit: Option<String>,
    pub view: View,
}

struct Seen {
    process: Process,
    parent: u32,
    started: Option<SystemTime>,
}

/// All of them. Processes that end meanwhile, or may not be looked at, are left out.
pub fn running(notes: &mut Vec<String>) -> Vec<Process> {
    let pids = match Disk.list(Path::new("/proc")) {
        Ok(names) => names,
        Err(error) => {
            notes.push(format!("/proc cannot be read ({error}): which servers run is not known"));
            return Vec::new();
        }
    };
    let pids: Vec<u32> = pids.into_iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
    let mut closed = 0;
    let seen: Vec<Seen> = pids.iter().filter_map(|&pid| look(pid, &mut closed)).collect();
    notes.extend(not_seen(pids.is_empty(), closed, &seen));
    let mut all = Vec::new();
    for one in &seen {
        let is_child =
            seen.iter().any(|other| other.process.pid == one.parent && other.process.kind == one.process.kind);
        let title = one.process.args.first().map(Vec::as_slice).unwrap_or_default();
        let is_worker = title.starts_with(b"php-fpm: pool")
            || title.starts_with(b"nginx: worker")
            || title.starts_with(b"nginx: cache");
        if is_child || is_worker {
            continue;
        }
        // A reload makes new children: what the oldest one was born with is what has been read.
        let children = seen.iter().filter(|other| other.parent == one.process.pid).filter_map(|other| other.started);
        all.push(Process { read_by: children.min(), ..one.process.clone() });
    }
    all
}

/// What /proc keeps back from whoever asks.
fn not_seen(no_process: bool, closed: usize, seen: &[Seen]) -> Option<String> {
    if no_process {
        return Some("no process is listed in /proc, so it is not mounted here: which servers run is not known".into());
    }
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    if closed > 0 || hides(&mounts) && !rustix::process::geteuid().is_root() {
        return Some(
            "/proc hides processes of other accounts (hidepid): servers may run that are not seen here; run as root"
                .into(),
        );
    }
    let names: Vec<String> = seen
        .iter()
        .filter(|one| one.process.program.is_none() && !seen.iter().any(|other| other.process.pid == one.parent))
        .map(|one| format!("{} ({})", one.process.pid, one.process.name))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "of the processes {} only arguments may be read: they are taken for programs of this machine that are installed where layouts \
             have them; run as root for their environment, program and root",
            names.join(", ")
        )
    })
}

/// Whether /proc is mounted so that it lists an account's own processes alone.
fn hides(mounts: &[u8]) -> bool {
    let mut lines = mounts.split(|&byte| byte == b'\n');
    lines.any(|line| {
        let mut words = line.split(|&byte| byte == b' ');
        let is_proc = words.nth(4) == Some(b"/proc");
        let options = words.next_back().unwrap_or_default();
        let mut options = options.split(|&byte| byte == b',').filter_map(|option| option.strip_prefix(b"hidepid="));
        is_proc && options.any(|how| !matches!(how, b"0" | b"off"))
    })
}

fn look(pid: u32, closed: &mut usize) -> Option<Seen> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let mut comm = [0; 64];
    let comm = match File::open(dir.join("comm")).and_then(|mut file| file.read(&mut comm)) {
        Ok(length) => &comm[..length],
        Err(error) => {
            // One that has ended meanwhile is nobody's loss.
            *closed += usize::from(error.kind() == std::io::ErrorKind::PermissionDenied);
            return None;
        }
    };
    let comm = comm.trim_ascii();
    let kind = match comm {
        b"apache2" | b"httpd" | b"httpd.bin" => Kind::Apache,
        b"nginx" => Kind::Nginx,
        name if name.starts_with(b"php") && memchr::memmem::find(name, b"fpm").is_some() => Kind::Fpm,
        _ => return None,
    };
    let name = String::from_utf8_lossy(comm).into_owned();
    let args = std::fs::read(dir.join("cmdline")).unwrap_or_default();
    let args: Vec<Vec<u8>> = args.split(|&byte| byte == 0).map(<[u8]>::to_vec).filter(|arg| !arg.is_empty()).collect();
    let program = std::fs::read_link(dir.join("exe")).ok().map(|path| path.into_os_string().into_vec());
    let deleted = program.as_ref().is_some_and(|path| path.ends_with(b" (deleted)"));
    let program = program.map(|mut path| {
        if deleted {
            path.truncate(path.len() - b" (deleted)".len());
        }
        PathBuf::from(std::ffi::OsString::from_vec(path))
    });
    let env = std::fs::read(dir.join("environ")).ok().filter(|_| kind == Kind::Apache);
    let env = env.map(|text| text.split(|&byte| byte == 0).filter_map(variable).collect());
    let view = if has_own_files(&dir, program.as_deref()) { View::of_process(pid) } else { View::default() };
    let (parent, started) = stat(&dir)?;
    let unit = std::fs::read(dir.join("cgroup")).ok().and_then(|text| unit(&text));
    Some(Seen {
        process: Process { pid, kind, program, name, deleted, args, env, read_by: None, unit, view },
        parent,
        started,
    })
}

/// Where a server, its PHP and their files may lie.
const PLACES: [&str; 8] =
    ["etc", "etc/php", "etc/apache2", "etc/httpd", "etc/nginx", "usr/local/etc", "opt", "var/www"];

/// Whether a process sees other files than we do: its root is another one, or something else is mounted where its files lie. That some
/// directory is mounted for it alone (a unit's PrivateTmp) is not enough.
fn has_own_files(dir: &Path, program: Option<&Path>) -> bool {
    let place = |path: &Path| std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let (root, own) = (dir.join("root"), Path::new("/"));
    let Some(seen) = place(&root) else { return false };
    if Some(seen) != place(own) {
        return true;
    }
    let mounts = |dir: &Path| std::fs::read_link(dir.join("ns/mnt")).ok();
    let same = mounts(dir).is_none_or(|its| Some(its) == mounts(Path::new("/proc/self")));
    let program = program.and_then(|path| path.strip_prefix("/").ok());
    let differs = |path: &Path| place(&root.join(path)) != place(&own.join(path));
    !same && program.into_iter().chain(PLACES.iter().map(Path::new)).any(differs)
}

/// The parent, and when the process was started.
fn stat(dir: &Path) -> Option<(u32, Option<SystemTime>)> {
    let text = std::fs::read_to_string(dir.join("stat")).ok()?;
    // The name in brackets may have anything in it.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let started = fields.get(19).and_then(|ticks| ticks.parse::<u64>().ok()).and_then(|ticks| {
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        // Ticks are hundredths of a second on every Linux that there is.
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(boot) + Duration::from_millis(ticks.checked_mul(10)?))
    });
    Some((fields.get(1)?.parse().ok()?, started))
}

/// `0::/system.slice/php8.2-fpm.service`
fn unit(cgroup: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(cgroup).ok()?;
    let part = text.lines().flat_map(|line| line.rsplit('/')).find(|part| part.ends_with(".service"))?;
    Some(part.to_owned())
}

impl Process {
    /// What its program was built with, though its file may be gone.
    pub fn built_with<const N: usize>(&self, wanted: [(&[u8], u8); N]) -> [Option<PathBuf>; N] {
        php_elf::texts(&View::default(), Path::new(&format!("/proc/{}/exe", self.pid)), wanted)
    }

    /// php-fpm's main file, from the title that it gives itself: `php-fpm: master process (FILE)`.
    pub fn fpm_conf(&self) -> Option<PathBuf> {
        let title = self.args.first()?.trim_ascii();
        let file = title.strip_prefix(b"php-fpm: master process (")?.strip_suffix(b")")?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(file)))
    }

    /// nginx's arguments, which it puts into one text.
    pub fn words(&self) -> Vec<Vec<u8>> {
        match self.args.first().and_then(|title| title.strip_prefix(b"nginx: master process ")) {
            Some(text) => {
                text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
            }
            None => self.args.clone(),
        }
    }

    /// The value behind an option, or joined to it.
    pub fn option(&self, name: &str) -> Option<Vec<u8>> {
        self.options(name).pop()
    }

    /// All values of an option.
    pub fn options(&self, name: &str) -> Vec<Vec<u8>> {
        let words = self.words();
        let mut found = Vec::new();
        let mut at = 1;
        while at < words.len() {
            if words[at] == name.as_bytes() {
                found.extend(words.get(at + 1).cloned());
                at += 1;
            } else if let Some(rest) = words[at].strip_prefix(name.as_bytes()) {
                found.push(rest.to_vec());
            }
            at += 1;
        }
        found
    }

    /// Whether a file has been written since the process has read it, as far as is known. Clocks of files and of starts are not the same to
    /// the second.
    pub fn is_older_than(&self, file: &Path) -> bool {
        let written = self.view.outside(file).ok().and_then(|path| path.metadata().ok()?.modified().ok());
        written.zip(self.read_by).is_some_and(|(written, read)| written > read + Duration::from_secs(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_units() {
        let process = |args: &[&str]| Process {
            pid: 1,
            kind: Kind::Nginx,
            program: None,
            name: "nginx".into(),
            deleted: false,
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            env: None,
            read_by: None,
            unit: None,
            view: View::default(),
        };
        let nginx = process(&["nginx: master process /usr/sbin/nginx -c /x/n.conf -p /p"]);
        assert_eq!((nginx.option("-c"), nginx.option("-p")), (Some(b"/x/n.conf".to_vec()), Some(b"/p".to_vec())));
        let fpm = process(&["php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)"]);
        assert_eq!(fpm.fpm_conf(), Some("/etc/php/8.2/fpm/php-fpm.conf".into()));
        assert_eq!(process(&["apache2", "-DA", "-D", "B"]).options("-D"), [b"A".to_vec(), b"B".to_vec()]);
        assert_eq!(unit(b"0::/system.slice/php8.2-fpm.service\n").as_deref(), Some("php8.2-fpm.service"));
        assert_eq!(unit(b"0::/init.scope\n"), None);
        assert!(hides(b"92 74 0:41 / /proc rw,relatime - proc proc rw,hidepid=invisible\n"));
        assert!(!hides(
            b"74 72 0:21 / /proc rw,relatime - proc proc rw\n74 72 0:21 / /x rw - proc proc rw,hidepid=2\n"
        ));
    }
}
