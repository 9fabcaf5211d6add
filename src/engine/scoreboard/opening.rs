//! Opens the file that a process maps. Whoever can truncate a mapped file ends every process that has it mapped (SIGBUS), and a process
//! that runs as root can be led to other users' files. So each step of the path is checked, and the file before it is opened. An existing
//! file is never changed, and a new one is made only where there is none. A scoreboard of another layout is renamed: the processes that
//! use it keep it.

use super::super::sys::{self, files};
use super::layout::{self, Found, VERSION};
use crate::error::{Code, Error, Result};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The most symbolic links on one path, as in the kernel.
const MOST_LINKS: u32 = 40;
/// How often opening is tried again when the file is replaced meanwhile.
const TRIES: u32 = 8;

/// The account that the file has to belong to.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub user: u32,
    /// With it, a file of root's that this group may write is taken.
    pub group: Option<u32>,
}

/// The existing or newly made file for an account, which owns a new one. It is a scoreboard, or still empty.
pub fn open(path: &Path, account: Account) -> Result<(File, Found)> {
    for _ in 0..TRIES {
        let file = open_any(path, account)?;
        match layout::judge(path, &file)? {
            Found::Other(version) => put_aside(path, &file, version)?,
            found => return Ok((file, found)),
        }
    }
    Err(refused(path, "the scoreboard is replaced all the time"))
}

/// The file of a descriptor that the host has opened. It is a scoreboard, or still empty.
pub fn take(descriptor: i32) -> Result<(File, Found, bool)> {
    let path = PathBuf::from(format!("/proc/self/fd/{descriptor}"));
    let (file, is_own) = files::open_again(descriptor).map_err(|error| layout::unusable(&path, &error))?;
    let metadata = metadata_of(&path, &file)?;
    match files::seal(&file) {
        Some(true) => {}
        Some(false) if metadata.nlink() == 0 => {
            return Err(refused(
                &path,
                "the scoreboard's memory could be cut off: make it with MFD_ALLOW_SEALING, or seal it with F_SEAL_SHRINK",
            ));
        }
        // A file with a name, on a disk or a memory file system: other users' rights to it matter.
        _ => judge(&path, &metadata, Account { user: sys::effective_user(), group: None }, true)?,
    }
    match layout::judge(&path, &file)? {
        Found::Other(version) => {
            let text = format!(
                "this scoreboard has layout {version}, and this version of outlive uses layout {VERSION}: hand over an empty file"
            );
            Err(layout::refused(&path, Code::Unsupported, &text))
        }
        found => Ok((file, found, is_own)),
    }
}

/// Renames a scoreboard of another layout, so that a new one can be made in its place. Processes that use the old one
/// continue with it.
fn put_aside(path: &Path, file: &File, version: u64) -> Result<()> {
    let failed = |error: io::Error| {
        let text = format!(
            "this scoreboard has layout {version}, and this is layout {VERSION}: it cannot be put aside as {}.layout{version} ({error}); delete it \
             when no server uses it",
            path.display()
        );
        layout::refused(path, Code::Unsupported, &text)
    };
    // One process at a time: a second one finds that the name belongs to another file by then.
    let Some(_turn) = files::Turn::wait(file) else { return Err(failed(io::ErrorKind::WouldBlock.into())) };
    let (directory, name) = way_to(path)?;
    let named = match files::look_at(&directory, &name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        looked => metadata_of(path, &looked.map_err(failed)?)?,
    };
    let own = metadata_of(path, file)?;
    if (named.dev(), named.ino()) != (own.dev(), own.ino()) {
        return Ok(());
    }
    let mut aside = name.clone();
    aside.push(format!(".layout{version}"));
    files::rename(&directory, &name, &aside).map_err(failed)
}

fn open_any(path: &Path, account: Account) -> Result<File> {
    for _ in 0..TRIES {
        let (directory, name) = way_to(path)?;
        let looked = match files::look_at(&directory, &name) {
            Ok(looked) => looked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match files::make(&directory, &name) {
                Ok(file) => return give(path, file, account),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(layout::unusable(path, &error)),
            },
            Err(error) => return Err(layout::unusable(path, &error)),
        };
        let seen = metadata_of(path, &looked)?;
        judge(path, &seen, account, false)?;
        let file = match files::open_to_write(&directory, &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(|error| layout::unusable(path, &error))?,
        };
        let opened = metadata_of(path, &file)?;
        if (seen.dev(), seen.ino()) == (opened.dev(), opened.ino()) {
            judge(path, &opened, account, false)?;
            return Ok(file);
        }
    }
    Err(refused(path, "the scoreboard is replaced all the time"))
}

/// Gives a new file to its account.
fn give(path: &Path, file: File, account: Account) -> Result<File> {
    if account.user != sys::effective_user() {
        std::os::unix::fs::fchown(&file, Some(account.user), account.group)
            .map_err(|error| layout::unusable(path, &error))?;
    }
    Ok(file)
}

/// `is_open`: the file is open already, so this account need not be able to open it.
fn judge(path: &Path, metadata: &Metadata, account: Account, is_open: bool) -> Result<()> {
    let is_own = metadata.uid() == account.user;
    let shared_by_root = metadata.uid() == 0
        && (is_open || metadata.mode() & 0o020 != 0 && account.group.is_none_or(|group| metadata.gid() == group));
    let text = match () {
        () if metadata.file_type().is_symlink() => {
            "the scoreboard is a symbolic link, which is not followed: name the file itself"
        }
        () if !metadata.is_file() => "the scoreboard must be a regular file",
        () if metadata.nlink() > 1 => {
            "the scoreboard has another name beside this one (a hard link): delete it when no server uses it"
        }
        () if metadata.mode() & 0o002 != 0 => "everybody may write to the scoreboard: take that away (chmod o-w)",
        () if is_own && metadata.mode() & 0o020 != 0 => {
            "a group may write to the scoreboard, and cut it off: take that away (chmod g-w)"
        }
        () if is_own || shared_by_root => return Ok(()),
        () if metadata.uid() == 0 => {
            "the scoreboard is root's, and its group may not write it: it must belong to the processes that use it; delete it when no \
             server uses it"
        }
        () => "the scoreboard belongs to another user; it must be the own of the processes that use it, or root's",
    };
    Err(refused(path, text))
}

fn refused(path: &Path, text: &str) -> Error {
    layout::refused(path, Code::Io, text)
}

fn metadata_of(path: &Path, file: &File) -> Result<Metadata> {
    file.metadata().map_err(|error| layout::unusable(path, &error))
}

/// The directory of the file, and its name there. Links are followed only where no other user could have set them.
fn way_to(path: &Path) -> Result<(File, OsString)> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => refused(path, "the directory that the scoreboard should be made in does not exist"),
        _ => layout::unusable(path, &error),
    };
    let Some(name) = path.file_name() else { return Err(refused(path, "the scoreboard must be a regular file")) };
    let mut steps: VecDeque<OsString> = VecDeque::new();
    prepend(&mut steps, path.parent().unwrap_or(Path::new("")));
    let mut directory = files::start(path.is_absolute()).map_err(failed)?;
    let mut links = 0;
    while let Some(step) = steps.pop_front() {
        if step == OsStr::new("/") {
            directory = files::start(true).map_err(failed)?;
            continue;
        }
        let next = files::look_at(&directory, &step).map_err(failed)?;
        let metadata = next.metadata().map_err(failed)?;
        if !metadata.file_type().is_symlink() {
            directory = next; // what is no directory fails at the next step
            continue;
        }
        links += 1;
        if links > MOST_LINKS || !is_trusted(&metadata, &directory.metadata().map_err(failed)?) {
            let text = format!(
                "{} on the way to the scoreboard is a symbolic link that another user could have set: name the directory itself",
                step.to_string_lossy()
            );
            return Err(refused(path, &text));
        }
        prepend(&mut steps, Path::new(&files::target_of(&next).map_err(failed)?));
    }
    Ok((directory, name.to_owned()))
}

fn prepend(steps: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        if component != Component::CurDir {
            steps.push_front(component.as_os_str().to_owned());
        }
    }
}

/// Whether only root and this process's user can have set the link.
fn is_trusted(link: &Metadata, directory: &Metadata) -> bool {
    let is_ours = |metadata: &Metadata| metadata.uid() == 0 || metadata.uid() == sys::effective_user();
    let is_sticky = directory.mode() & 0o1000 != 0;
    let is_closed = directory.mode() & 0o022 == 0;
    is_ours(link) && link.nlink() == 1 && (is_sticky || is_closed && is_ours(directory))
}
