//! What a PHP was built with, read from its program or module as a file: nothing is run.
//!
//! PHP registers what it was built with as constants, so somewhere in its code a constant's name and its value are handed to the same
//! function: zend_register_stringl_constant(name, length, value, …). The addresses of both are put into the registers of the first
//! and the third argument; that is looked for, on x86-64 and aarch64.

use crate::view::View;
use object::{Architecture, Object, ObjectSection, ReadCache, ReadRef, SectionKind};
use outlive::PhpVersion;
use outlive::config::CompiledIn;
use outlive::files::{Files, Kind, MAX_FILE};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As far before and behind the name as its value is looked for, in bytes.
const NEAR: u64 = 48;

/// A file of which only what is asked for is read.
type Elf<'d> = object::File<'d, &'d ReadCache<File>>;

/// Bytes, and where they are when the program runs.
type Part<'d> = (u64, &'d [u8]);

/// Reads it. Whatever is not found is None; an error says why nothing could be read.
pub fn read(view: &View, path: &Path) -> Result<CompiledIn, String> {
    let bad = |why: &str| format!("{}: {why}", path.display());
    let data = open(view, path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let file = Elf::parse(&data).map_err(|_| bad("not an ELF file"))?;
    let loads_of = loads_of(&file).map_err(|why| bad(&why))?;
    let constants = parts(&data, &file, |kind| matches!(kind, SectionKind::ReadOnlyString | SectionKind::ReadOnlyData));
    let directories = |code: &[Part]| {
        let loads: Vec<Load> = code.iter().flat_map(|(start, code)| loads_of(*start, code)).collect();
        let of = |name: &str| constant(&constants, &loads, name);
        of("PHP_CONFIG_FILE_PATH").map(|directory| (directory, of("PHP_CONFIG_FILE_SCAN_DIR")))
    };
    // Where it is not done in the function that starts PHP up, it is done somewhere.
    let found = start_up(&data, &file).and_then(|code| directories(&[code]));
    let found = found.or_else(|| directories(&parts(&data, &file, |kind| kind == SectionKind::Text)));
    let (directory, scan_directory) = found.unzip();
    let built = CompiledIn {
        directory: directory.filter(|path| path.is_absolute()),
        scan_directory: scan_directory.flatten().filter(|path| path.is_absolute()),
        version: constants.iter().find_map(|(_, data)| version(data)),
    };
    if built.directory.is_none() && built.version.is_none() {
        Err(bad("no PHP that is known is in it"))
    } else {
        Ok(built)
    }
}

/// Texts that a program was built with, such as `SERVER_CONFIG_FILE="…"` of httpd: of each, what stands before it and the byte behind it.
/// Of a program no more is read than its constants. None where there is no such text; all of them where it cannot be read, or is no program.
pub fn texts<const N: usize>(view: &View, path: &Path, wanted: [(&[u8], u8); N]) -> [Option<PathBuf>; N] {
    let Ok(data) = open(view, path) else { return [const { None }; N] };
    let Ok(file) = Elf::parse(&data) else { return [const { None }; N] };
    let constants = parts(&data, &file, |kind| matches!(kind, SectionKind::ReadOnlyString | SectionKind::ReadOnlyData));
    wanted.map(|(before, end)| constants.iter().find_map(|(_, data)| text(data, before, end)))
}

fn text(data: &[u8], before: &[u8], end: u8) -> Option<PathBuf> {
    let data = &data[find(data, before)? + before.len()..];
    let length = data.iter().take(4096).position(|&byte| byte == end || byte == 0)?;
    Some(PathBuf::from(OsStr::from_bytes(&data[..length])))
}

fn open(view: &View, path: &Path) -> io::Result<ReadCache<File>> {
    match view.kind(path)? {
        Kind::File => {
            let file = File::open(view.outside(path)?)?;
            if file.metadata()?.len() > MAX_FILE {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(ReadCache::new(file))
        }
        Kind::Directory => Err(io::Error::other("it is a directory")),
        Kind::Other => Err(io::Error::other("it is no regular file")),
    }
}

/// The sections of some kinds. What no program has, more of them than the file is long, is left out.
fn parts<'d>(data: &'d ReadCache<File>, file: &Elf<'d>, wanted: impl Fn(SectionKind) -> bool) -> Vec<Part<'d>> {
    let mut left = data.len().unwrap_or_default();
    let mut all = Vec::new();
    for section in file.sections().filter(|section| wanted(section.kind())) {
        let Some(rest) = left.checked_sub(section.size()) else { break };
        left = rest;
        all.extend(section.data().map(|data| (section.address(), data)));
    }
    all
}

/// The code of the function that starts PHP up, which programs and modules export. It is a thousandth of the whole.
fn start_up<'d>(data: &'d ReadCache<File>, file: &Elf<'d>) -> Option<Part<'d>> {
    let names = file.section_by_name(".dynstr")?.data().ok()?;
    let name = find(names, b"\0php_module_startup\0")? as u32 + 1;
    // A row is the name's place, four bytes of other things, the address and the size.
    let (rows, _) = file.section_by_name(".dynsym")?.data().ok()?.as_chunks::<24>();
    let row = rows.iter().find(|row| row[..4] == name.to_le_bytes())?;
    let (numbers, _) = row[8..].as_chunks::<8>();
    let (address, size) = (u64::from_le_bytes(numbers[0]), u64::from_le_bytes(numbers[1]));
    let section = file.sections().find(|section| {
        section.kind() == SectionKind::Text
            && address.checked_sub(section.address()).is_some_and(|at| at < section.size())
    })?;
    let offset = section.file_range()?.0.checked_add(address - section.address())?;
    Some((address, data.read_bytes_at(offset, size).ok()?))
}

/// Behind `X-Powered-By: PHP/`.
fn version(data: &[u8]) -> Option<PhpVersion> {
    let at = find(data, b"X-Powered-By: PHP/")? + 18;
    let text: String = data[at..].iter().take(8).map(|&byte| char::from(byte)).collect();
    let mut parts = text.split('.');
    PhpVersion::from_text(&format!("{}.{}", parts.next()?, parts.next()?))
}

fn find(data: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(data, what)
}

/// An address that the code puts into a register of an argument.
struct Load {
    /// Where the instruction stands.
    at: u64,
    /// Which argument: 0 the first.
    argument: u8,
    /// The address.
    address: u64,
}

/// The value that is registered for a name; the text that is not a path is one.
fn constant(constants: &[Part], loads: &[Load], name: &str) -> Option<PathBuf> {
    let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
    let places = constants.iter().filter_map(|(start, data)| Some(start.wrapping_add(find(data, &wanted)? as u64 + 1)));
    let names: Vec<u64> = places.collect();
    let own = loads.iter().find(|load| load.argument == 0 && names.contains(&load.address))?;
    let values = loads.iter().filter(|load| load.argument == 2 && load.at.abs_diff(own.at) < NEAR);
    // A compiler puts the value before the name or behind it, and always nearer than the next call's.
    let value = values.min_by_key(|load| load.at.abs_diff(own.at))?;
    let text = constants.iter().find_map(|(start, data)| data.get(value.address.checked_sub(*start)? as usize..))?;
    let end = text.iter().take(4096).position(|&byte| byte == 0)?;
    String::from_utf8(text[..end].to_vec()).ok().map(PathBuf::from)
}

/// Finds the loads in code that runs at an address.
type FindLoads = fn(u64, &[u8]) -> Vec<Load>;

/// How addresses are loaded by the machine that the program is for.
fn loads_of(file: &Elf<'_>) -> Result<FindLoads, String> {
    match file.architecture() {
        Architecture::X86_64 => Ok(x86_64),
        Architecture::Aarch64 => Ok(aarch64),
        other => Err(format!("a program for {other:?}, and only x86-64 and aarch64 are read")),
    }
}

/// `lea disp32(%rip), %rdi` or `%rdx`.
fn x86_64(start: u64, code: &[u8]) -> Vec<Load> {
    let mut loads = Vec::new();
    for at in memchr::memmem::find_iter(code, &[0x48, 0x8d]) {
        let Some(window) = code.get(at..at + 7) else { break };
        let argument = match window[2] {
            0x3d => 0,
            0x15 => 2,
            _ => continue,
        };
        let distance = i32::from_le_bytes([window[3], window[4], window[5], window[6]]);
        let at = start.wrapping_add(at as u64);
        loads.push(Load { at, argument, address: at.wrapping_add(7).wrapping_add_signed(distance.into()) });
    }
    loads
}

/// `adrp xN, page` and `add x0, xN, offset` or `x2`.
fn aarch64(start: u64, code: &[u8]) -> Vec<Load> {
    let mut loads = Vec::new();
    let mut pages = [0u64; 32];
    let (words, _) = code.as_chunks::<4>();
    for (at, word) in words.iter().enumerate() {
        let (at, word) = (start.wrapping_add(at as u64 * 4), u32::from_le_bytes(*word));
        if word & 0x9f00_0000 == 0x9000_0000 {
            // 21 bits with a sign: the high 19 and the low 2.
            let pages_away = ((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3) as i32;
            let pages_away = i64::from(pages_away << 11 >> 11);
            pages[(word & 31) as usize] = (at & !0xfff).wrapping_add_signed(pages_away << 12);
        } else if word & 0xffc0_0000 == 0x9100_0000 && matches!(word & 31, 0 | 2) {
            let page = pages[(word >> 5 & 31) as usize];
            let address = page.wrapping_add(u64::from(word >> 10 & 0xfff));
            loads.push(Load { at, argument: (word & 31) as u8, address });
        }
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_php_is_said_to_be_none() {
        for (path, part) in [
            ("/bin/true", "no PHP"),
            ("/proc/self/comm", "not an ELF file"),
            ("/nowhere", "cannot read"),
            ("/", "it is a directory"),
        ] {
            let why = read(&View::default(), Path::new(path)).expect_err(path);
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn what_starts_up_says_what_all_of_it_says() {
        let programs = ["/usr/bin/php8.2", "/usr/sbin/php-fpm8.2", "/usr/lib/apache2/modules/libphp8.2.so"];
        for path in programs.map(Path::new) {
            if !path.exists() {
                assert!(
                    std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                    "{path:?} is missing: tests/run names the packages"
                );
                eprintln!("left out: {path:?} is missing");
                continue;
            }
            let data = open(&View::default(), path).unwrap();
            let file = Elf::parse(&data).unwrap();
            let constants = parts(&data, &file, |kind| kind == SectionKind::ReadOnlyData);
            let code = start_up(&data, &file).expect("it is exported");
            let all = parts(&data, &file, |kind| kind == SectionKind::Text);
            let loads = loads_of(&file).unwrap();
            for name in ["PHP_CONFIG_FILE_PATH", "PHP_CONFIG_FILE_SCAN_DIR"] {
                let few = constant(&constants, &loads(code.0, code.1), name);
                let many: Vec<Load> = all.iter().flat_map(|(start, code)| loads(*start, code)).collect();
                assert!(few.is_some() && few == constant(&constants, &many, name), "{path:?} {name}: {few:?}");
            }
        }
    }
}
