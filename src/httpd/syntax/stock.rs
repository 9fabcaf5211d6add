//! Files without any `LoadModule` line: every stock module counts as compiled in. A tree that was read without them is kept if
//! reading with them would give the same.

use super::modules::{Registry, place};
use super::reader::Reader;
use super::tree::UNKNOWN;
use std::sync::Arc;

impl Reader<'_> {
    /// Goes on as if every stock module had been compiled in from the beginning. False: nothing has changed, because the files
    /// would have been read differently; they must be read again.
    pub fn take_stock(&mut self) -> bool {
        // A condition asked for modules or their directives.
        if self.asks_modules {
            return false;
        }
        let stock = Registry::stock();
        let mut found = Vec::new();
        for (at, node) in self.tree.nodes.iter().enumerate().filter(|(_, node)| node.directive == UNKNOWN) {
            let Some(number) = stock.find(self.tree.name(node)) else { continue };
            // It would have acted while it was read.
            if stock.directive(number).place & place::ON_READ != 0 {
                return false;
            }
            found.push((at, number));
        }
        for (at, number) in found {
            self.tree.nodes[at].directive = number;
        }
        self.registry = Arc::new(stock);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;
    use crate::httpd::Options;

    #[test]
    fn what_asks_for_modules_is_read_again() {
        let files = Memory::default();
        let takes = |text: &[u8]| {
            let mut reader = Reader::new(&files, "/".into(), &Options::default(), Registry::new());
            reader.read_text(text, None).unwrap();
            let took = reader.take_stock();
            let known = reader.tree.nodes.iter().all(|node| node.directive != UNKNOWN);
            assert_eq!(took, known);
            took
        };
        assert!(takes(b"php_value a b\n<Directory />\nphp_flag c on\n</Directory>"));
        assert!(takes(b"<IfDefine x>\n</IfDefine>\nRewriteEngine on"));
        assert!(!takes(b"php_value a b\n<IfModule mod_php.c>\n</IfModule>"));
        assert!(!takes(b"php_value a b\n<IfDirective php_value>\n</IfDirective>"));
        assert!(!takes(b"php_value a b\n<Macro m>\nphp_value c d\n</Macro>\nUse m"));
    }
}
