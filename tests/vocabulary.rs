//! Each vocabulary has one table: result codes, endings, the choices of `outlive.*` directives. Whoever repeats it (the header, C++, Python, the example of
//! a php.ini) says the same.

use outlive::Code;
use outlive::config::{Builder, ValueRule};
use outlive::files::Memory;
use outlive::request::Ending;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `#define OUTLIVE_NAME NUMBER` of the header, below a prefix.
fn defined(prefix: &str) -> BTreeMap<String, i32> {
    let header = text("include/outlive.h");
    let lines = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let numbers = lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    numbers.filter(|(name, _)| name.starts_with(prefix)).collect()
}

/// What stands between the lines `start` and `end`.
fn block(text: &str, start: &str, end: &str) -> String {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("there is no {start}")).1;
    rest.split_once(end).expect("it ends").0.to_owned()
}

#[test]
fn the_header_and_cpp_have_the_result_codes() {
    let table: BTreeMap<String, i32> = Code::ALL.iter().map(|code| (code.name().to_owned(), code.number())).collect();
    let mut header = defined("OUTLIVE_ERROR_");
    header.retain(|name, _| !name.ends_with("_SIZE"));
    header.extend(["OUTLIVE_OK", "OUTLIVE_STOP", "OUTLIVE_ALREADY"].map(|name| (name.to_owned(), defined(name)[name])));
    assert_eq!(header, table);
    let cpp = block(&text("bindings/cpp/outlive.hpp"), "enum class result : int {", "};");
    for code in Code::ALL {
        let name = code.name();
        let small = name.trim_start_matches("OUTLIVE_").to_lowercase();
        assert!(cpp.contains(&format!("{small} = {name},")), "outlive.hpp has no {small}");
    }
    assert_eq!(cpp.matches("= OUTLIVE_").count(), table.len());
}

#[test]
fn everybody_has_the_endings() {
    let (header, cpp) = (defined("OUTLIVE_ENDING_"), text("bindings/cpp/outlive.hpp"));
    let cpp = block(&cpp, "enum class ending : int {", "};");
    let python = block(&text("bindings/python/src/outlive/enums.py"), "class Ending(IntEnum):", "\n\n\n");
    assert_eq!(header.len(), Ending::ALL.len() + 1);
    for ending in Ending::ALL {
        let (number, name) = (ending as i32, ending.word().to_uppercase().replace(' ', "_"));
        assert_eq!(header.get(&format!("OUTLIVE_ENDING_{name}")), Some(&number), "{name}");
        assert!(
            cpp.contains(&format!(" {} = OUTLIVE_ENDING_{name},", name.to_lowercase())),
            "outlive.hpp has no {name}"
        );
        // Python's words are made of the names.
        assert!(python.contains(&format!("    {name} = {number}\n")), "enums.py has no {name}");
    }
    assert_eq!(python.matches(" = ").count(), Ending::ALL.len() + 1);
}

/// Every `outlive.*` directive that has choices, with them.
fn choices() -> BTreeMap<String, BTreeSet<String>> {
    let config = Builder::new(Arc::new(Memory::new())).build().unwrap();
    let own = config.directives().iter().filter(|directive| directive.extension() == "outlive");
    let named = own.filter_map(|directive| match directive.value_rule() {
        ValueRule::Choice(choices) => {
            let name = String::from_utf8(directive.name().to_vec()).unwrap();
            Some((name, choices.iter().map(|choice| (*choice).to_owned()).collect()))
        }
        _ => None,
    });
    named.collect()
}

#[test]
fn the_example_names_every_choice() {
    let example = text("php.ini.example");
    for (name, choices) in choices() {
        let at = example.find(&format!("\n{name} =")).unwrap_or_else(|| panic!("php.ini.example has no {name}"));
        let about = example[..at].rsplit("\n\n").next().unwrap();
        for choice in choices {
            let words = about.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            assert!(words.into_iter().any(|word| word == choice), "php.ini.example, {name}: {choice} is not explained");
        }
    }
}

#[test]
fn python_has_the_choices_of_the_directives() {
    let python = block(&text("bindings/python/src/outlive/_policy.py"), "\nCHOICES", "\n}");
    let table = choices();
    let mut compared = 0;
    for line in python.lines().filter_map(|line| line.trim().strip_prefix('"')) {
        let (name, rest) = line.split_once('"').unwrap();
        // `streaming` is Python's own.
        let Some(choices) = table.get(&format!("outlive.{name}")) else { continue };
        let words: BTreeSet<String> = rest.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(*choices, words, "{name}");
        compared += 1;
    }
    assert!(compared >= 3, "only {compared} were compared");
}
