//! What a PHP was built with, read from its program or module as a file: nothing is run.
//!
//! PHP registers what it was built with as constants, so somewhere in its code a constant's name and its value are handed to the same
//! function: zend_register_stringl_constant(name, length, value, …). The addresses of both are put into the registers of the first
//! and the third argument; that is looked for, on x86-64 and aarch64.

use crate::view::View;
use object::{Architecture, Object, ObjectSection, SectionKind};
use outlive::PhpVersion;
use outlive::config::CompiledIn;
use outlive::files::Files;
use std::path::{Path, PathBuf};

/// As far before and behind the name as its value is looked for, in bytes.
const NEAR: u64 = 48;

/// Reads it. Whatever is not found is None; an error says why nothing could be read.
pub fn read(view: &View, path: &Path) -> Result<CompiledIn, String> {
    let data = view.read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let bad = |why: &str| format!("{}: {why}", path.display());
    let file = object::File::parse(&*data).map_err(|_| bad("not an ELF file"))?;
    let loads = match file.architecture() {
        Architecture::X86_64 => x86_64(&file),
        Architecture::Aarch64 => aarch64(&file),
        other => return Err(bad(&format!("a program for {other:?}, and only x86-64 and aarch64 are read"))),
    };
    let image = Image { file: &file, loads };
    let built = CompiledIn {
        directory: image.constant("PHP_CONFIG_FILE_PATH").filter(|path| path.is_absolute()),
        scan_directory: image.constant("PHP_CONFIG_FILE_SCAN_DIR").filter(|path| path.is_absolute()),
        version: version(&data),
    };
    if built.directory.is_none() && built.version.is_none() {
        Err(bad("no PHP that is known is in it"))
    } else {
        Ok(built)
    }
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

struct Image<'d> {
    file: &'d object::File<'d>,
    loads: Vec<Load>,
}

impl Image<'_> {
    /// The value that is registered for a name; the text that is not a path is one.
    fn constant(&self, name: &str) -> Option<PathBuf> {
        let names: Vec<u64> = self.addresses(name);
        let near = |load: &&Load| load.argument == 0 && names.contains(&load.address);
        let own = self.loads.iter().find(near)?;
        let values = self.loads.iter().filter(|load| load.argument == 2 && load.at.abs_diff(own.at) < NEAR);
        // A compiler puts the value before the name or behind it, and always nearer than the next call's.
        let value = values.min_by_key(|load| load.at.abs_diff(own.at))?;
        self.text(value.address).map(PathBuf::from)
    }

    /// Where a whole C string stands.
    fn addresses(&self, text: &str) -> Vec<u64> {
        let wanted = [b"\0", text.as_bytes(), b"\0"].concat();
        let constant = |section: &object::Section| {
            matches!(section.kind(), SectionKind::ReadOnlyString | SectionKind::ReadOnlyData)
        };
        let mut found = Vec::new();
        for section in self.file.sections().filter(constant) {
            let data = section.data().unwrap_or_default();
            found.extend(find(data, &wanted).map(|at| section.address() + at as u64 + 1));
        }
        found
    }

    fn text(&self, address: u64) -> Option<String> {
        let section = self.file.sections().find(|section| {
            section.kind() != SectionKind::UninitializedData
                && address.checked_sub(section.address()).is_some_and(|at| at < section.size())
        })?;
        let data = section.data().ok()?.get((address - section.address()) as usize..)?;
        let end = data.iter().take(4096).position(|&byte| byte == 0)?;
        String::from_utf8(data[..end].to_vec()).ok()
    }
}

fn code<'d>(file: &'d object::File<'d>) -> impl Iterator<Item = (u64, &'d [u8])> {
    let text = file.sections().filter(|section| section.kind() == SectionKind::Text);
    text.map(|section| (section.address(), section.data().unwrap_or_default()))
}

/// `lea disp32(%rip), %rdi` or `%rdx`.
fn x86_64(file: &object::File<'_>) -> Vec<Load> {
    let mut loads = Vec::new();
    for (start, code) in code(file) {
        for at in memchr::memmem::find_iter(code, &[0x48, 0x8d]) {
            let Some(window) = code.get(at..at + 7) else { break };
            let argument = match window[2] {
                0x3d => 0,
                0x15 => 2,
                _ => continue,
            };
            let distance = i32::from_le_bytes([window[3], window[4], window[5], window[6]]);
            let at = start + at as u64;
            loads.push(Load { at, argument, address: (at + 7).wrapping_add_signed(distance.into()) });
        }
    }
    loads
}

/// `adrp xN, page` and `add x0, xN, offset` or `x2`.
fn aarch64(file: &object::File<'_>) -> Vec<Load> {
    let mut loads = Vec::new();
    for (start, code) in code(file) {
        let mut pages = [0u64; 32];
        let (words, _) = code.as_chunks::<4>();
        for (at, word) in words.iter().enumerate() {
            let (at, word) = (start + at as u64 * 4, u32::from_le_bytes(*word));
            if word & 0x9f00_0000 == 0x9000_0000 {
                // 21 bits with a sign: the high 19 and the low 2.
                let pages_away = ((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3) as i32;
                let pages_away = i64::from(pages_away << 11 >> 11);
                pages[(word & 31) as usize] = (at & !0xfff).wrapping_add_signed(pages_away << 12);
            } else if word & 0xffc0_0000 == 0x9100_0000 && matches!(word & 31, 0 | 2) {
                let page = pages[(word >> 5 & 31) as usize];
                loads.push(Load { at, argument: (word & 31) as u8, address: page + u64::from(word >> 10 & 0xfff) });
            }
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
            ("/", "directory"),
        ] {
            let why = read(&View::default(), Path::new(path)).expect_err(path);
            assert!(why.contains(part), "{why}");
        }
    }
}
