//! `.htaccess`: read for every request, as httpd does (facts ).

use super::Layer;
use super::build;
use super::lines;
use super::reader::{Allowed, Reader};
use super::resolve::Engine;
use super::section::{AllowOverride, Matcher, Section, options};
use super::walk::{Denied, path_of};
use crate::origin::Origin;
use std::io::ErrorKind;
use std::sync::Arc;

/// An `.htaccess` larger than this is refused: it is read for every request.
const MAX_SIZE: usize = 16 << 20;

/// Reads the first access file that `directory` (with its slash) has.
pub(super) fn read(
    engine: &Engine<'_>,
    server: usize,
    directory: &[u8],
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Section>>, Denied> {
    let default: [Box<[u8]>; 1] = [Box::from(&b".htaccess"[..])];
    let names = engine.access_names(server).unwrap_or(&default);
    for name in names {
        let path = [directory, name].concat();
        match engine.files.read(path_of(&path)) {
            Ok(text) => return parse(engine, &path, text, allow, list, notes).map(Some),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                let because = format!("{} cannot be read: {error}", String::from_utf8_lossy(&path));
                return Err(Denied { status: 403, because });
            }
        }
    }
    Ok(None)
}

fn parse(
    engine: &Engine<'_>,
    path: &[u8],
    text: Vec<u8>,
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Arc<Section>, Denied> {
    let shown = String::from_utf8_lossy(path);
    let refuse = |because: String| Denied { status: 500, because };
    if text.len() > MAX_SIZE {
        return Err(refuse(format!("{shown}: larger than 16 MiB")));
    }
    if let Some(line) = lines::too_long(&text) {
        return Err(refuse(format!("{shown}:{line}: Error reading {shown} at line {line}: Line too long")));
    }
    let data = engine.data;
    let mut reader = Reader::again(
        engine.files,
        data.root.clone(),
        data.version,
        Arc::clone(&data.registry),
        Arc::clone(&data.defines),
        Arc::clone(&data.macros),
    );
    let (nonfatal_override, nonfatal_unknown) = (allow.nonfatal_override, allow.nonfatal_unknown);
    reader.allowed = Some(Allowed { bits: allow.bits, list, nonfatal_override, nonfatal_unknown });
    reader.allowed_options = Some(allow.options.unwrap_or(options::ALL | options::MULTI | options::OWNER));
    let file: Arc<[u8]> = path.into();
    reader.read_text(&text, Some(Arc::clone(&file))).map_err(|error| refuse(error.to_string()))?;
    let section = Section::new(Layer::Htaccess, Matcher::Always, Origin { file: Some(file), line: 0 });
    let mut builder = build::htaccess(&mut reader, section);
    builder.run().map_err(|error| refuse(error.to_string()))?;
    let built = build::finish_htaccess(builder);
    notes.extend(reader.diagnostics.iter().take(100).map(ToString::to_string));
    match built {
        Some(section) => Ok(Arc::new(section)),
        None => Err(refuse(format!("{shown}: could not be read"))),
    }
}
