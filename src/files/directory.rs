//! The files of one directory, each opened from it: the way to the directory is looked up once, not for every file.

use super::{Visit, not_regular, read_all};
use rustix::fs::{Dir, FileType, Mode, OFlags, open, openat};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Files up to this size are read at once when the listing has told what they are: open, read, close.
const SMALL: usize = 2048;

/// A name, with its NUL, in the text of all names; and what the listing calls it.
struct Entry {
    name: Range<u32>,
    kind: FileType,
}

/// See [`super::Files::read_listed`].
pub(super) fn read(path: &Path, wanted: &dyn Fn(&[u8]) -> bool, visit: &mut Visit<'_>) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(path, flags, Mode::empty())?;
    let (names, mut entries) = list(directory.as_fd(), wanted)?;
    let name = |entry: &Entry| &names[entry.name.start as usize..entry.name.end as usize];
    entries.sort_unstable_by(|one, two| name(one).cmp(name(two)));
    let mut buffer = [0; SMALL];
    for entry in &entries {
        let text = match entry.kind {
            FileType::RegularFile => {
                let name = CStr::from_bytes_with_nul(name(entry)).map_err(|_| not_regular())?;
                Some(file(directory.as_fd(), name, &mut buffer))
            }
            FileType::Symlink | FileType::Unknown => None,
            _ => continue,
        };
        let name = name(entry);
        if visit(OsStr::from_bytes(&name[..name.len() - 1]), text).is_break() {
            break;
        }
    }
    Ok(())
}

fn list(directory: BorrowedFd<'_>, wanted: &dyn Fn(&[u8]) -> bool) -> io::Result<(Vec<u8>, Vec<Entry>)> {
    let mut names: Vec<u8> = Vec::new();
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || !wanted(name.to_bytes()) {
            continue;
        }
        let from = names.len() as u32;
        names.extend_from_slice(name.to_bytes_with_nul());
        let Ok(to) = u32::try_from(names.len()) else { return Err(io::ErrorKind::FileTooLarge.into()) };
        entries.push(Entry { name: from..to, kind: entry.file_type() });
    }
    Ok((names, entries))
}

/// The content of a file that the listing has just called regular: another that has taken its place is not followed if it is a link, and not
/// read if it is a pipe or a terminal, which have no place to read at, or a directory.
fn file(directory: BorrowedFd<'_>, name: &CStr, buffer: &mut [u8; SMALL]) -> io::Result<Vec<u8>> {
    // A pipe would make the opening wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = File::from(openat(directory, name, flags, Mode::empty())?);
    match file.read_at(buffer, 0) {
        // It ends here: a device would have filled it all, or given nothing.
        Ok(got) if (1..SMALL).contains(&got) => Ok(buffer[..got].to_vec()),
        // What it is instead says the better error.
        _ => read_all(file),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, Files};
    use super::*;
    use std::ops::ControlFlow;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("outlive-directory-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn files_come_whole_and_in_order_and_nothing_else_is_read() {
        let path = scratch("order");
        let texts = [&b""[..], b"x", &[7; SMALL - 1], &[7; SMALL], &[7; SMALL + 1], &[7; 70_000]];
        for (at, text) in texts.iter().enumerate() {
            std::fs::write(path.join(format!("{at}.ini")), text).unwrap();
        }
        std::fs::write(path.join("other.txt"), "").unwrap();
        std::fs::create_dir(path.join("6.ini")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("7.ini"), Mode::RUSR | Mode::WUSR).unwrap();
        symlink("0.ini", path.join("8.ini")).unwrap();
        let mut seen = Vec::new();
        Disk.read_listed(&path, &|name| name.ends_with(b".ini"), &mut |name, text| {
            seen.push((name.to_str().unwrap().to_owned(), text.map(Result::unwrap)));
            ControlFlow::Continue(())
        })
        .unwrap();
        let mut wanted: Vec<_> =
            texts.iter().enumerate().map(|(at, text)| (format!("{at}.ini"), Some(text.to_vec()))).collect();
        wanted.push(("8.ini".into(), None));
        assert_eq!(seen, wanted);
        assert!(Disk.read_listed(&path.join("0.ini"), &|_| true, &mut |_, _| ControlFlow::Break(())).is_err());
        std::fs::remove_dir_all(&path).unwrap();
    }

    /// As if each had taken the place of a file behind the listing's back; the pipe even has a writer, and something in it.
    #[test]
    fn what_took_a_file_s_place_is_not_read() {
        use std::io::Write;
        let path = scratch("place");
        std::fs::create_dir(path.join("directory")).unwrap();
        symlink("/etc/passwd", path.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        let mut pipe = File::options().read(true).write(true).open(path.join("pipe")).unwrap();
        pipe.write_all(b"precision = 3\n").unwrap();
        let directory = open(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let read = |name: &CStr| file(directory.as_fd(), name, &mut [0; SMALL]);
        assert_eq!(read(c"directory").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(read(c"link").is_err() && read(c"gone").is_err());
        assert!(read(c"pipe").unwrap_err().to_string().contains("Not a regular file"));
        for device in [c"/dev/zero", c"/dev/null"] {
            assert!(read(device).is_err(), "{device:?}");
        }
        std::fs::remove_dir_all(&path).unwrap();
    }
}
