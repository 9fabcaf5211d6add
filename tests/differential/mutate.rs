//! Texts that begin as real ini files and are then broken: lines and stretches of bytes are left out, doubled, moved and put
//! into each other, and single bytes become any other. It knows nothing of the grammar, so it finds what `texts.rs`, which
//! does, never thinks of.

use super::texts::Random;
use std::path::Path;
use std::process::Command;

/// The lines of real files.
pub struct Corpus {
    lines: Vec<Vec<u8>>,
}

impl Corpus {
    /// The files of Debian's packages, and ours. Lines that a comment sign keeps from counting are there without it, too.
    pub fn read() -> Self {
        let mut corpus = Self { lines: Vec::new() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let stock = std::env::temp_dir().join(format!("outlive-mutate-{}", std::process::id()));
        let status = Command::new(root.join("tests/stock/debian")).arg(&stock).status().expect("a script");
        assert!(status.success(), "Debian's packages can be had");
        for file in ["php.ini-development", "php.ini-production"] {
            corpus.add(&stock.join("usr/lib/php/8.2").join(file));
        }
        corpus.add(&root.join("php.ini.example"));
        for directory in ["mods-available", "fpm/pool.d", "fpm"] {
            let Ok(entries) = std::fs::read_dir(stock.join("etc/php/8.2").join(directory)) else { continue };
            let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            paths.sort();
            paths.iter().for_each(|path| corpus.add(path));
        }
        let _ = std::fs::remove_dir_all(stock);
        corpus
    }

    fn add(&mut self, path: &Path) {
        let Ok(text) = std::fs::read(path) else { return };
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let bare = line.strip_prefix(b";").filter(|rest| rest.contains(&b'=') && !rest.starts_with(b" "));
            // Most lines of such files are comments in prose, which all read alike.
            let prose = bare.is_none() && line.first() == Some(&b';') && !self.lines.len().is_multiple_of(16);
            self.lines.extend(bare.map(<[u8]>::to_vec));
            if !prose {
                self.lines.push(line.to_vec());
            }
        }
    }

    /// A few lines, mostly ones that follow each other, mutated.
    pub fn text(&self, random: &mut Random) -> Vec<u8> {
        let most = if random.below(8) == 0 { 40 } else { 5 };
        let count = 1 + random.below(most);
        let start = random.below(self.lines.len());
        let mut lines: Vec<Vec<u8>> =
            (0..count).map(|at| self.lines[(start + at) % self.lines.len()].clone()).collect();
        for _ in 0..random.below(4) {
            self.mutate_lines(&mut lines, random);
        }
        let mut text = lines.concat();
        match random.below(6) {
            0 => text = replace(&text, b"\n", b"\r\n"),
            1 => text = replace(&text, b"\n", b"\r"),
            _ => {}
        }
        for _ in 0..random.below(7) {
            self.mutate_bytes(&mut text, random);
        }
        text
    }

    fn mutate_lines(&self, lines: &mut Vec<Vec<u8>>, random: &mut Random) {
        let at = random.below(lines.len());
        let other = random.below(lines.len());
        let stranger = &self.lines[random.below(self.lines.len())];
        match random.below(6) {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            3 => lines.insert(at, stranger.clone()),
            4 => {
                // The front of one line with the back of another.
                let cut = random.below(lines[at].len() + 1);
                let from = random.below(stranger.len() + 1);
                lines[at].truncate(cut);
                lines[at].extend_from_slice(&stranger[from..]);
            }
            _ => {
                // The right side of another line inside this one.
                let right = stranger.iter().position(|byte| *byte == b'=').map_or(0, |equals| equals + 1);
                let right = stranger[right..].trim_ascii();
                let place = random.below(lines[at].len() + 1);
                lines[at].splice(place..place, right.iter().copied());
            }
        }
    }

    fn mutate_bytes(&self, text: &mut Vec<u8>, random: &mut Random) {
        const PIECES: &[&str] = &[
            "\"",
            "'",
            "${",
            "}",
            "${memory_limit}",
            "${FOO:-x}",
            ":-",
            "[",
            "]",
            "[]",
            "=",
            ";",
            "\\",
            "\\\"",
            "\n",
            "\r",
            "\0",
            "(",
            ")",
            "|",
            "&",
            "^",
            "~",
            "!",
            " ",
            "\t",
            "$",
            "\"\"",
            "''",
            "On",
            "null",
            "E_ALL",
            "0",
            "-",
            ".",
            "e3",
            "\u{b}",
            "\x1a",
            "#",
            ",",
        ];
        let at = random.below(text.len() + 1);
        let len = random.below((text.len() - at).min(12) + 1);
        match random.below(7) {
            0 => drop(text.drain(at..at + len)),
            1 => {
                let part = text[at..at + len].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, part);
            }
            2 if at < text.len() => text[at] = random.below(256) as u8,
            3 => text.insert(at, random.below(256) as u8),
            4 if at < text.len() => text[at] ^= 1 << random.below(8),
            5 if random.below(4) == 0 => text.truncate(at),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..at + len.min(random.below(4)), piece.bytes());
            }
        }
    }
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for part in text.split_inclusive(|byte| from == [*byte]) {
        match part.strip_suffix(from) {
            Some(rest) => {
                out.extend_from_slice(rest);
                out.extend_from_slice(to);
            }
            None => out.extend_from_slice(part),
        }
    }
    out
}
