//! Any bytes, in every dialect and mode: events come in order, and the tree is what the events say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlive::PhpVersion;
use outlive::ini::{self, Event, Lookup, Mode, Options, constants, tree};
use std::borrow::Cow;
use std::ops::ControlFlow;

struct Names(PhpVersion);

impl Lookup for Names {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        (name.len() < 3).then(|| Cow::Owned(name.repeat(2)))
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        constants::get(self.0, name).map(Cow::Borrowed)
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let version = PhpVersion::ALL[usize::from(choice >> 3) % PhpVersion::ALL.len()];
    let mode = [Mode::Normal, Mode::Raw, Mode::Typed][usize::from(choice & 3) % 3];
    let names = Names(version);
    let options = Options { mode, version, stop_at_nul: choice & 4 != 0, lookup: &names };
    let (mut last, mut entries) = (0, 0);
    let scanned = ini::scan(text, &options, &mut |event, line| {
        assert!(line >= last, "line {line} after {last}");
        last = line;
        entries += usize::from(matches!(event, Event::Entry { .. } | Event::ArrayEntry { .. }));
        ControlFlow::Continue(())
    });
    match (scanned, tree::parse(text, &options, choice & 0x80 != 0)) {
        (Ok(()), Ok(tree)) => {
            assert!(entries > 0 || tree.entries().all(|(_, item)| matches!(item, tree::Item::List(_))))
        }
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("the scanner says {one:?}, the tree {:?}", other.err()),
    }
});
