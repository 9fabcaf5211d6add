//! What the server's account may read, whoever runs this command: `User` and `Group` of httpd, `user` of nginx and of a pool.
//!
//! Configuration is read by the server while it is still root; what a request touches is not. So the guard stands open until the
//! configuration has been read. Permission bits count, access control lists do not.

use crate::view::View;
use outlive::files::{Files, Kind, Stamp};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

const READ: u32 = 4;
const SEARCH: u32 = 1;

/// An account, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    uid: u32,
    groups: Vec<u32>,
    home: Option<PathBuf>,
}

impl Account {
    /// By name or `#number`, with another group than its own where one is named. None: there is none, or it is root.
    pub fn of(view: &View, user: &str, group: Option<&str>) -> Option<Self> {
        let table = |path: &str| String::from_utf8_lossy(&view.read(Path::new(path)).unwrap_or_default()).into_owned();
        let (passwd, group_table) = (table("/etc/passwd"), table("/etc/group"));
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let by_number = user.strip_prefix('#').and_then(|number| number.parse::<u32>().ok());
        let row = passwd.lines().map(fields).find(|row| match by_number {
            Some(uid) => row.get(2).and_then(|text| text.parse().ok()) == Some(uid),
            None => row.first().is_some_and(|name| name == user),
        });
        let uid = by_number.or_else(|| row.as_ref()?.get(2)?.parse().ok())?;
        let name = row.as_ref().map_or_else(|| user.to_owned(), |row| row[0].clone());
        let of_group = |text: &str| {
            let number = text.strip_prefix('#').and_then(|number| number.parse().ok());
            number.or_else(|| {
                let row = group_table.lines().map(fields).find(|row| row.first().is_some_and(|name| name == text))?;
                row.get(2)?.parse().ok()
            })
        };
        let main = match group {
            Some(text) => of_group(text),
            None => row.as_ref().and_then(|row| row.get(3)?.parse().ok()),
        };
        let mut groups: Vec<u32> = main.into_iter().collect();
        let member = |row: &Vec<String>| row.get(3).is_some_and(|members| members.split(',').any(|one| one == name));
        groups.extend(group_table.lines().map(fields).filter(member).filter_map(|row| row.get(2)?.parse::<u32>().ok()));
        let home = row.as_ref().and_then(|row| row.get(5)).filter(|home| home.starts_with('/')).map(PathBuf::from);
        (uid != 0).then_some(Self { name, uid, groups, home })
    }

    fn may(&self, data: &std::fs::Metadata, what: u32) -> bool {
        let shift = match () {
            () if data.uid() == self.uid => 6,
            () if self.groups.contains(&data.gid()) => 3,
            () => 0,
        };
        data.mode() >> shift & what == what
    }
}

/// Name and home of an account that a pool names, root's as well. None: there is none.
pub fn environment(view: &View, user: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let list = view.read(Path::new("/etc/passwd")).ok()?;
    let is_number = user.iter().all(u8::is_ascii_digit);
    list.split(|&byte| byte == b'\n').find_map(|line| {
        let row: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let (name, home) = (row.first()?, row.get(5)?);
        let fits = if is_number { row[2] == user } else { *name == user };
        fits.then(|| (name.to_vec(), home.to_vec()))
    })
}

/// The names of all users, or of all groups. None: the list of them cannot be read.
pub fn names(view: &View, of_groups: bool) -> Option<HashSet<Vec<u8>>> {
    let list = view.read(Path::new(if of_groups { "/etc/group" } else { "/etc/passwd" })).ok()?;
    let lines = list.split(|&byte| byte == b'\n');
    Some(lines.filter_map(|line| line.split(|&byte| byte == b':').next()).map(<[u8]>::to_vec).collect())
}

/// Files as the accounts see them.
#[derive(Debug, Default)]
pub struct Guard {
    view: View,
    /// Directories on the way to the configuration count as open: a copy may lie anywhere.
    open: Option<PathBuf>,
    /// The web server's, and that of who runs the program, which reads `.user.ini`.
    server: OnceLock<Account>,
    program: OnceLock<Account>,
    user_ini: OnceLock<Vec<u8>>,
    /// Below here alone `.user.ini` is read: a packager's change.
    user_ini_home: OnceLock<PathBuf>,
    /// These count as files, whether they are there or not.
    planted: RwLock<HashSet<PathBuf>>,
    /// The directories on the way to files, each looked at once; none: it is not there.
    above: Mutex<HashMap<PathBuf, Option<Arc<Metadata>>>>,
}

impl Guard {
    /// Open as yet. `beside` is a file that was named.
    pub fn new(view: View, beside: Option<&Path>) -> Self {
        let open = beside.and_then(|path| std::path::absolute(path).ok()?.parent().map(Path::to_path_buf));
        Self { view, open, ..Self::default() }
    }

    /// From now on they count.
    pub fn close(&self, server: Option<Account>, program: Option<Account>, user_ini: &[u8]) {
        server.map(|account| self.server.set(account));
        program.map(|account| self.program.set(account));
        let _ = self.user_ini.set(user_ini.to_vec());
    }

    /// cPanel's PHP reads `.user.ini` only below the home of the account that runs it. None: that is not known.
    pub fn user_ini_below_home(&self) -> Option<&Path> {
        let home = self.program.get()?.home.clone()?;
        Some(self.user_ini_home.get_or_init(|| home))
    }

    /// Where alone `.user.ini` is read, once [`Self::user_ini_below_home`] was asked.
    pub fn user_ini_only_below(&self) -> Option<&Path> {
        self.user_ini_home.get().map(PathBuf::as_path)
    }

    /// From now on this is an empty file: what would be in force for it, were it there.
    pub fn plant(&self, path: &Path) {
        if let Ok(mut planted) = self.planted.write() {
            planted.insert(path.to_path_buf());
        }
    }

    fn is_user_ini(&self, path: &Path) -> bool {
        self.user_ini.get().is_some_and(|name| {
            !name.is_empty() && path.file_name().is_some_and(|own| own.as_encoded_bytes() == &**name)
        })
    }

    fn account(&self, path: &Path) -> Option<&Account> {
        if self.is_user_ini(path) { self.program.get() } else { self.server.get() }
    }

    fn check(&self, path: &Path, what: u32) -> io::Result<()> {
        if let Some(home) = self.user_ini_home.get().filter(|_| self.is_user_ini(path))
            && !path.starts_with(home)
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        let Some(account) = self.account(path) else { return Ok(()) };
        self.may(account, path, what)
    }

    /// Whether the account of the program may read its file.
    pub fn program_may_read(&self, path: &Path) -> io::Result<()> {
        let Some(account) = self.program.get() else { return Ok(()) };
        self.may(account, path, READ)
    }

    /// The name of the account that runs the program.
    pub fn program_name(&self) -> &str {
        self.program.get().map_or("", |account| &account.name)
    }

    /// A directory on the way to files.
    fn above(&self, dir: &Path) -> Option<Arc<Metadata>> {
        let look = || self.view.outside(dir).and_then(|dir| dir.metadata()).ok().map(Arc::new);
        let Ok(mut known) = self.above.lock() else { return look() };
        known.entry(dir.to_path_buf()).or_insert_with(look).clone()
    }

    fn may(&self, account: &Account, path: &Path, what: u32) -> io::Result<()> {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let path = std::path::absolute(path)?;
        let real = self.view.canonical(&path);
        for (path, is_last) in [(&path, false), (&real, true)] {
            let above: Vec<&Path> = path.ancestors().skip(1).collect();
            let is_open = |dir: &&&Path| self.open.as_ref().is_some_and(|open| open.starts_with(dir));
            for dir in above.into_iter().rev().filter(|dir| !is_open(&dir)) {
                let Some(data) = self.above(dir) else { break };
                if data.is_dir() && !account.may(&data, SEARCH) {
                    return Err(denied());
                }
            }
            if is_last
                && what != 0
                && let Ok(data) = self.view.outside(path).and_then(|path| path.metadata())
                && !account.may(&data, what)
            {
                return Err(denied());
            }
        }
        Ok(())
    }
}

impl Files for Guard {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(path, READ)?;
        self.view.read(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.check(path, 0)?;
        if self.planted.read().is_ok_and(|planted| planted.contains(path)) {
            return Ok(Kind::File);
        }
        self.view.kind(path)
    }

    fn is_symlink(&self, path: &Path) -> bool {
        self.view.is_symlink(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.check(path, 0)?;
        self.view.stamp(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.check(path, READ)?;
        self.view.list(path)
    }
}
