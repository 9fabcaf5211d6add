//! Puts what cbindgen writes into the sections of `include/outlive.h`: one for each noun, with its constants, types and functions together.
//!
//! A name goes to the first section that claims it, so that a new function finds its place by its prefix. A section says once how safe its functions
//! are; the sentence is taken out at those that only repeat it.

/// A part of the header.
pub struct Section {
    title: &'static str,
    about: &'static str,
    /// What holds for its functions, in the words that they use.
    safety: &'static str,
    /// Whole names, or beginnings that end with `*`; more exact ones in an earlier section win.
    names: &'static [&'static str],
}

const ANY: &str = "Thread safety: any thread. Fork safety: yes. Signal safety: no.";

pub const SECTIONS: [Section; 10] = [
    Section {
        title: "Results, texts and versions",
        about: "What a call says, in numbers and in words, and which version says it.",
        safety: "Thread safety: any thread. Fork safety: yes. Signal safety: yes.",
        names: &[
            "OUTLIVE_VERSION*",
            "outlive_version",
            "OUTLIVE_NTS",
            "outlive_str",
            "OUTLIVE_OK",
            "OUTLIVE_STOP",
            "OUTLIVE_ALREADY",
            "OUTLIVE_ERROR_*",
            "outlive_error",
            "outlive_result_*",
        ],
    },
    Section {
        title: "The php.ini language",
        about: "Reads an ini text as PHP does, statement by statement. Needs nothing of what follows.",
        safety: ANY,
        names: &["OUTLIVE_INI_*", "outlive_ini_*"],
    },
    Section {
        title: "Building a configuration",
        about: "Collects files, values and options; then outlive_config_builder_build makes a configuration of them.",
        safety: "Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.",
        names: &[
            "outlive_config_builder*",
            "OUTLIVE_ACCESS_*",
            "OUTLIVE_DIRECTIVE_*",
            "outlive_directive",
            "outlive_check_function",
            "outlive_destroy_function",
        ],
    },
    Section {
        title: "A server's own containers",
        about: "For modules of servers that parse and merge their configuration themselves, as Apache's do.",
        safety: "Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.",
        names: &["OUTLIVE_PHP_VALUE_*", "outlive_dir_config*"],
    },
    Section {
        title: "Configuration",
        about: "What was read, and the settings in force for a target.",
        safety: ANY,
        names: &[
            "outlive_config*",
            "OUTLIVE_SEVERITY_*",
            "outlive_diagnostic*",
            "outlive_header",
            "outlive_target",
            "OUTLIVE_TARGET_*",
        ],
    },
    Section {
        title: "Settings",
        about: "The values in force for one kind of request, and where each comes from.",
        safety: ANY,
        names: &["OUTLIVE_FATE_*", "outlive_settings*", "outlive_setting*", "outlive_origin*", "outlive_holds_secret"],
    },
    Section {
        title: "Rendering",
        about: "Numbers for Prometheus, a document for programs and a page for people, the same from every host.",
        safety: "Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.",
        names: &[
            "OUTLIVE_RENDER_*",
            "outlive_render_*",
            "outlive_engine_render",
            "outlive_scoreboard_render",
            "outlive_engine_set_policy",
            "outlive_engine_count",
        ],
    },
    Section {
        title: "Scoreboard",
        about: "The shared file of all processes' requests, as another program reads it. Times are milliseconds.",
        safety: ANY,
        names: &["outlive_scoreboard_*", "OUTLIVE_SCOREBOARD_*"],
    },
    // These two are read last: see ORDER.
    Section {
        title: "Engine",
        about: "Holds the requests in flight: runs their time limits, watches their sockets, shows them as rows, and drains at the end of the process.",
        safety: "Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.",
        names: &[
            "outlive_engine*",
            "OUTLIVE_ENGINE_*",
            "OUTLIVE_STOP_*",
            "outlive_stop*",
            "outlive_stop",
            "OUTLIVE_STOP_*",
            "outlive_request_row",
            "outlive_request_visitor",
        ],
    },
    Section {
        title: "Request",
        about: "A host begins a request, asks at safe points whether it should stop, and ends it.",
        safety: "Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.",
        names: &["*"],
    },
];

/// The sections as they are read.
const ORDER: [usize; 10] = [0, 1, 2, 3, 4, 5, 8, 9, 7, 6];

/// A comment with what it is about.
#[derive(Clone, Debug)]
pub struct Item {
    comment: Vec<String>,
    code: Vec<String>,
}

impl Item {
    /// What it declares.
    fn name(&self) -> String {
        let code = self.code.join("\n");
        if let Some(rest) = self.code.iter().find_map(|line| line.strip_prefix("#define ")) {
            return identifier(rest).into();
        }
        if let Some((_, rest)) = code.split_once("(*") {
            return identifier(rest).into();
        }
        let declared = code.split_once('{').map_or(&*code, |(head, _)| head);
        let before = declared.split_once('(').map_or(declared, |(head, _)| head);
        let mut words = before.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.next_back().unwrap_or_default().into()
    }

    fn is_function(&self) -> bool {
        let first = self.code.first().map_or("", |line| line);
        first.contains('(') && !first.starts_with("typedef") && !first.starts_with('#')
    }

    fn is_opaque(&self) -> bool {
        self.code.len() == 1 && self.code[0].starts_with("typedef struct") && self.code[0].ends_with(';')
    }

    /// First what is needed to begin, last what ends it.
    fn rank(&self) -> u8 {
        let name = self.name();
        match &*name {
            _ if !self.is_function() => 0,
            _ if name.ends_with("_new") || name.ends_with("_begin") => 1,
            _ if name.ends_with("_end") => 4,
            _ if name.ends_with("_free") => 5,
            _ if name.ends_with("_build") || name.ends_with("_drain") => 3,
            _ => 2,
        }
    }

    fn print(&self, safety: &str, to: &mut String) {
        let mut comment: Vec<&str> = self.comment.iter().map(String::as_str).collect();
        if self.is_function() {
            comment.retain(|line| line.trim_start_matches([' ', '*']) != safety);
            // An empty line that stood before it.
            while comment.len() > 2 && comment[comment.len() - 2].trim() == "*" {
                comment.remove(comment.len() - 2);
            }
        }
        match &comment[..] {
            ["/**", one, " */"] => to.push_str(&format!("/** {} */\n", one.trim_start_matches([' ', '*']))),
            lines => lines.iter().for_each(|line| to.push_str(&format!("{line}\n"))),
        }
        self.code.iter().for_each(|line| to.push_str(&format!("{line}\n")));
    }
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Cuts what stands behind the includes into its items.
pub fn items(text: &str) -> Vec<Item> {
    let mut lines = text.lines().peekable();
    let mut items = Vec::new();
    let mut comment = Vec::new();
    while let Some(line) = lines.next() {
        let is_linkage =
            matches!(line.trim(), "extern \"C\" {" | "}" | "}  // extern \"C\"") || line.contains("__cplusplus");
        if line.trim().is_empty() || is_linkage {
            continue;
        }
        if line.starts_with("/**") {
            comment.push(line.to_owned());
            while !comment.last().is_some_and(|line| line.ends_with("*/")) {
                comment.push(lines.next().expect("the comment ends").to_owned());
            }
            continue;
        }
        let mut code = vec![line.to_owned()];
        let is_whole = |code: &[String]| {
            let last = code.last().map_or("", |line| line);
            match &*code[0] {
                first if first.starts_with("#if") => last.starts_with("#endif"),
                first if first.starts_with('#') => !last.ends_with('\\'),
                first if first.starts_with("typedef struct") && first.ends_with('{') => last.starts_with('}'),
                _ => last.ends_with(';'),
            }
        };
        while !is_whole(&code) {
            code.push(lines.next().expect("the declaration ends").to_owned());
        }
        if code[0].trim() != "#endif" && !code[0].starts_with("#endif") {
            items.push(Item { comment: std::mem::take(&mut comment), code });
        }
    }
    items
}

fn section_of(name: &str) -> usize {
    let claims = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    };
    SECTIONS.iter().position(|section| section.names.iter().any(claims)).expect("the last takes all")
}

/// The header: what stood before the items, the handles, then section by section.
pub fn arranged(text: &str) -> String {
    let start = text.find("#include <stdint.h>\n").expect("the includes") + "#include <stdint.h>\n".len();
    let mut all = items(&text[start..]);
    let mut out = text[..start].to_owned();
    out.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    out.push_str(&banner(
        "Handles",
        "What the functions below work on. Their content is the library's business.",
        None,
    ));
    let handles: Vec<Item> = all.iter().filter(|item| item.is_opaque()).cloned().collect();
    all.retain(|item| !item.is_opaque());
    handles.iter().for_each(|item| {
        item.print("", &mut out);
        out.push('\n');
    });
    for at in ORDER {
        let section = &SECTIONS[at];
        out.push_str(&banner(section.title, section.about, Some(section.safety)));
        let mut own: Vec<&Item> = all.iter().filter(|item| section_of(&item.name()) == at).collect();
        assert!(!own.is_empty(), "nothing is in the section {}", section.title);
        own.sort_by_key(|item| item.rank());
        // Constants of one family stand together.
        for (at, item) in own.iter().enumerate() {
            item.print(section.safety, &mut out);
            let next = own.get(at + 1);
            if !next.is_some_and(|next| is_constant(item) && is_constant(next) && family(item) == family(next)) {
                out.push('\n');
            }
        }
    }
    out.push_str("#ifdef __cplusplus\n}\n#endif\n\n#endif /* OUTLIVE_H */\n");
    out
}

fn is_constant(item: &Item) -> bool {
    item.code.len() == 1 && item.code[0].starts_with("#define") && !item.code[0].contains('(')
}

/// `OUTLIVE_ENDING` of `OUTLIVE_ENDING_FORCED`.
fn family(item: &Item) -> String {
    item.name().splitn(3, '_').take(2).collect::<Vec<_>>().join("_")
}

fn banner(title: &str, about: &str, safety: Option<&str>) -> String {
    let line = "-".repeat(116usize.saturating_sub(title.len()));
    let mut text = format!("/* {title} {line}\n *\n * {about}\n");
    if let Some(safety) = safety {
        text.push_str(&format!(" * Unless a function says otherwise: {safety}\n"));
    }
    text.push_str(" */\n\n");
    text
}
