//! A large ini text of usual content: about 84 bytes a key and 23 keys a section.

/// A text of about `bytes` bytes, the same on every machine.
pub fn text(bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 1000);
    let mut state = 42_u32;
    let mut below = move |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    let mut section = 0;
    while text.len() < bytes {
        section += 1;
        text.push_str(&format!("\n[section.{section}]\n; What belongs to part {section} of the generated text.\n"));
        for key in 0..15 + below(16) {
            if below(4) == 0 {
                text.push_str("; A comment of the usual length, which says what the next line is about.\n");
            }
            let name = format!("directive_{}.name{key}", below(1000));
            let number = below(100_000);
            text.push_str(&match below(10) {
                0 => format!("{name} = On\n"),
                1 => format!("{name} = {number}\n"),
                2 => format!("{name}=\"/var/lib/service/{number}/some/longer/path/with several words in it\"\n"),
                3 => format!("{name} = {number}M ; with a remark\n"),
                4 => format!("{name} = E_ALL & ~E_DEPRECATED & ~E_STRICT\n"),
                5 => format!("{name}[] = \"element {number} of a list that is not short at all\"\n"),
                6 => format!("{name} = http://www.example.org/index.php/with/a/path/{number}/and-more\n"),
                7 => format!("{name} = several plain words and a number {number} which make a longer value\n"),
                8 => format!("{name} = /usr/local/share/applications/part-{number}/module.so\n"),
                _ => format!("{name} = Off\n"),
            });
        }
    }
    text.into_bytes()
}
