//! MultiViews: a missing file is replaced by files with the same name and further extensions (mod_negotiation).

use super::extension::{self, Meaning};
use super::outcome::{Outcome, Ready};
use super::subrequest::Subrequest;
use super::type_map::{self, MAP, Record};
use super::walk::{Found, Walked};
use super::walk_cache::WalkCache;
use crate::files::Kind;
use crate::httpd::model::negotiation::{Force, Negotiation};
use crate::httpd::model::section::{Core, options};
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::uri;
use std::os::unix::ffi::OsStringExt;

/// The media type of a CGI program.
const PROGRAM: &[u8] = b"application/x-httpd-cgi";
/// The most variants of one name that are considered.
const MAX_VARIANTS: usize = 100;
/// The quality of a variant without a language, beside variants with one.
const WITHOUT_LANGUAGE: f64 = 0.0001;

/// Where a variant is.
pub(super) enum What<'c, 't> {
    File(Box<Ready<'c, 't>>),
    /// A type map names it.
    Named(Vec<u8>),
    /// The type map has its text.
    Text,
}

/// What may stand for a file that is missing, or for a type map.
pub(super) struct Variant<'c, 't> {
    pub what: What<'c, 't>,
    meaning: Meaning,
    size: u64,
    /// How good a type map says it is.
    source: f64,
    media: f64,
    language: f64,
    /// Its place in `LanguagePriority`.
    place: Option<usize>,
    encoding: f64,
    charset: f64,
}

impl<'c, 't> Variant<'c, 't> {
    fn new(what: What<'c, 't>, meaning: Meaning, size: u64, source: f64) -> Self {
        Self { what, meaning, size, source, media: 1.0, language: 1.0, place: None, encoding: 1.0, charset: 1.0 }
    }

    /// Whether the file is a type map.
    fn is_map(&self) -> bool {
        let What::File(ready) = &self.what else { return false };
        let handler = ready.subrequest.set_handler(&ready.walked);
        self.meaning.media.as_deref() == Some(MAP) || handler.as_deref() == Some(b"type-map")
    }
}

/// The result of the choice.
pub(super) enum Chosen<'c, 't> {
    /// There is nothing to choose from.
    Nothing,
    File(Box<Ready<'c, 't>>),
    Answer(Box<Outcome<'c, 't>>),
}

/// `Accept` and its relatives: what a client accepts, with qualities.
struct Accepts {
    list: Vec<(Vec<u8>, f64)>,
    /// At least one quality is given.
    explicit: bool,
}

impl Accepts {
    fn of(header: &[u8]) -> Option<Self> {
        let mut own = Self { list: Vec::new(), explicit: false };
        for entry in header.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()) {
            let mut pieces = entry.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = pieces.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality = 1.0;
            for piece in pieces {
                if let [b'q' | b'Q', b'=', number @ ..] = piece {
                    own.explicit = true;
                    quality = std::str::from_utf8(number).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0.0);
                }
            }
            own.list.push((name, f64::clamp(quality, 0.0, 1.0)));
        }
        (!own.list.is_empty()).then_some(own)
    }

    fn quality(&self, name: &[u8]) -> Option<f64> {
        self.list.iter().find(|(own, _)| own == name).map(|(_, quality)| *quality)
    }
}

fn settings<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = &'w Negotiation> {
    let cores = walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
    cores.filter_map(|core: &Core| core.negotiation.as_deref())
}

impl<'c, 't> Subrequest<'c, 't> {
    /// The file that stands for a missing one, where `Options` says MultiViews.
    pub(super) fn negotiated(
        &self,
        walked: &Walked<'c>,
        bare: &WalkCache<'c>,
        notes: &mut Vec<String>,
    ) -> Chosen<'c, 't> {
        let loaded = self.context.data.registry.is_loaded(b"mod_negotiation.c");
        if walked.found != Found::Missing || walked.options & options::MULTI == 0 || !loaded {
            return Chosen::Nothing;
        }
        let mut variants = match self.variants(walked, bare, notes) {
            Ok(None) => return Chosen::Nothing,
            Ok(Some(variants)) if variants.is_empty() => {
                let because = "files have the name with an extension, and none can stand for it (MultiViews): none has a media type \
                               that is known, or access is denied";
                return Chosen::Answer(Box::new(self.answer(404, because.to_owned(), walked, bare.clone())));
            }
            Ok(Some(variants)) => variants,
            Err((status, because)) => {
                return Chosen::Answer(Box::new(self.answer(status, because, walked, bare.clone())));
            }
        };
        let Some(at) = best_of(self, &mut variants, walked) else {
            let because = "no variant of the file is one that the client takes (MultiViews)".to_owned();
            return Chosen::Answer(Box::new(self.answer(406, because, walked, bare.clone())));
        };
        let name = match variants.swap_remove(at).what {
            What::File(ready) => return Chosen::File(ready),
            What::Named(name) => name,
            What::Text => {
                let because = "no program runs: a type map has the text that is sent (MultiViews)".to_owned();
                return Chosen::Answer(Box::new(self.answer(200, because, walked, bare.clone())));
            }
        };
        let mut target = [&uri::escape(self.parent())[..], &name].concat();
        if let Some(query) = &self.query {
            target = [&target[..], b"?", query].concat();
        }
        match self.sub(&target, Some(bare), notes) {
            Ok(ready) => Chosen::File(Box::new(ready)),
            Err(outcome) => Chosen::Answer(outcome),
        }
    }

    /// The URI of the directory that the requested name is in.
    pub(super) fn parent(&self) -> &[u8] {
        let path = self.uri.strip_suffix(&self.path_info[..]).unwrap_or(&self.uri);
        &path[..memchr::memrchr(b'/', path).map_or(0, |at| at + 1)]
    }

    /// The variants among the files that have the name with an extension; `None`: there is no such file.
    fn variants(
        &self,
        walked: &Walked<'c>,
        bare: &WalkCache<'c>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Vec<Variant<'c, 't>>>, (u16, String)> {
        let at = memchr::memrchr(b'/', &walked.filename).map_or(0, |at| at + 1);
        let (directory, name) = walked.filename.split_at(at);
        let mut names: Vec<Vec<u8>> = match self.context.files.list(path_of(directory)) {
            Ok(names) => names.into_iter().map(OsStringExt::into_vec).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err((403, format!("{} cannot be listed for MultiViews", path_of(directory).display())));
            }
            Err(_) => return Ok(None),
        };
        names.retain(|own| own.strip_prefix(name).is_some_and(|rest| rest.starts_with(b".")));
        names.sort_unstable();
        names.truncate(MAX_VARIANTS);
        let parent = self.parent();
        let (mut found, mut any) = (Vec::new(), false);
        for own in names {
            let file = [directory, &own].concat();
            if !matches!(self.context.files.kind(path_of(&file)), Ok(Kind::File)) {
                continue;
            }
            any = true;
            // httpd looks at the file itself, with what follows the name in the URI: rules see both.
            let uri = [parent, &own, &self.path_info].concat();
            let Ok(ready) = self.sub_beside(file.clone(), uri, bare, notes) else { continue };
            let Some(variant) = self.variant(ready, name, &own, &file) else { continue };
            // A map is used instead of the files beside it.
            if variant.is_map() {
                let text = self.context.files.read(path_of(&file)).unwrap_or_default();
                let records = type_map::read(&text).map_err(|line| {
                    (500, format!("{}: a type map has no line without a colon: {line}", path_of(&file).display()))
                })?;
                return Ok(Some(records.into_iter().filter_map(|record| self.variant_of(record, &file)).collect()));
            }
            found.push(variant);
        }
        Ok(any.then_some(found))
    }

    /// `None`: an extension is not known, or the type is not known.
    fn variant(&self, ready: Ready<'c, 't>, asked: &[u8], own: &[u8], file: &[u8]) -> Option<Variant<'c, 't>> {
        let matching = settings(&ready.walked).find_map(|own| own.matching).unwrap_or_default();
        let mut meaning = extension::meaning(&ready.walked, own, &self.context.data.types, matching);
        if !matching.any && !meaning.unknown_are_in(asked) {
            return None;
        }
        let handler = ready.subrequest.set_handler(&ready.walked);
        if meaning.media.is_none() && handler.is_some() {
            meaning.media = Some(PROGRAM.to_vec());
        }
        meaning.media.as_ref()?;
        let size = match self.context.files.stamp(path_of(file)) {
            Ok(Some(stamp)) => stamp.size,
            _ => self.context.files.read(path_of(file)).map_or(0, |bytes| bytes.len() as u64),
        };
        Some(Variant::new(What::File(Box::new(ready)), meaning, size, 1.0))
    }

    /// A variant that a type map names; `None`: its media type is not known.
    pub(super) fn variant_of(&self, record: Record, map: &[u8]) -> Option<Variant<'c, 't>> {
        let meaning = record.meaning();
        meaning.media.as_ref()?;
        let beside = |name: &[u8]| [&map[..memchr::memrchr(b'/', map).map_or(0, |at| at + 1)], name].concat();
        let size = |name: &[u8]| match self.context.files.stamp(path_of(&beside(name))) {
            Ok(Some(stamp)) => stamp.size,
            _ => 0,
        };
        let size = record.length.or_else(|| record.uri.as_deref().map(size)).unwrap_or(0);
        Some(Variant::new(record.uri.map_or(What::Text, What::Named), meaning, size, record.quality))
    }
}

/// The best of the variants for this request, once each is weighed; `None`: none is acceptable.
pub(super) fn best_of(
    subrequest: &Subrequest<'_, '_>,
    variants: &mut [Variant<'_, '_>],
    walked: &Walked<'_>,
) -> Option<usize> {
    weigh(subrequest, variants, walked);
    let force = settings(walked).find_map(|own| own.force).unwrap_or(Force { prefer: true, fallback: false });
    let mut best = best(variants);
    if best.is_none() && force.fallback {
        for one in variants.iter_mut().filter(|one| one.place.is_some()) {
            one.language = 1.0;
        }
        best = self::best(variants);
    }
    best
}

fn weigh(subrequest: &Subrequest<'_, '_>, variants: &mut [Variant<'_, '_>], walked: &Walked<'_>) {
    let header = |name: &[u8]| subrequest.given_or_doubt(name).and_then(|value| Accepts::of(&value));
    let media = header(b"accept");
    let languages = header(b"accept-language");
    let (encodings, charsets) = (header(b"accept-encoding"), header(b"accept-charset"));
    let method = subrequest.method.unwrap_or(subrequest.asked.method);
    let programs_first =
        !matches!(method, b"GET" | b"HEAD") || subrequest.query.is_some() || !subrequest.path_info.is_empty();
    let some_language = variants.iter().any(|one| one.meaning.language.is_some());
    let priority = settings(walked).find_map(|own| own.priority.as_deref()).unwrap_or_default();
    for one in variants {
        one.media = one.source
            * media_quality(one.meaning.media.as_deref().unwrap_or_default(), media.as_ref(), programs_first);
        one.encoding = encoding_quality(one.meaning.encoding.as_deref(), encodings.as_ref());
        one.charset = charset_quality(one.meaning.charset.as_deref(), charsets.as_ref());
        let Some(own) = &one.meaning.language else {
            one.language = if some_language { WITHOUT_LANGUAGE } else { 1.0 };
            continue;
        };
        one.place = priority.iter().position(|name| name.eq_ignore_ascii_case(own));
        one.language = languages.as_ref().map_or(1.0, |accepts| language_quality(own, accepts));
    }
}

fn media_quality(own: &[u8], accepts: Option<&Accepts>, programs_first: bool) -> f64 {
    if own == PROGRAM {
        return if programs_first { 2.0 } else { 0.001 };
    }
    let Some(accepts) = accepts else { return 0.01 };
    let kind = [own.split(|&byte| byte == b'/').next().unwrap_or_default(), b"/*"].concat();
    // If no quality is given at all, wildcards rank last.
    let wild = |quality, own| if accepts.explicit { quality } else { own };
    let some = || accepts.quality(&kind).map(|quality| wild(quality, 0.02));
    let any = || accepts.quality(b"*/*").or_else(|| accepts.quality(b"*")).map(|quality| wild(quality, 0.01));
    accepts.quality(own).or_else(some).or_else(any).unwrap_or(0.0)
}

fn encoding_quality(own: Option<&[u8]>, accepts: Option<&Accepts>) -> f64 {
    let Some(accepts) = accepts else { return if own.is_none() { 1.0 } else { 0.5 } };
    let (own, otherwise) = own.map_or((&b"identity"[..], 0.0001), |own| (own.strip_prefix(b"x-").unwrap_or(own), 0.0));
    let named = accepts.list.iter().find(|(name, _)| name.strip_prefix(b"x-").unwrap_or(name) == own);
    named.map(|(_, quality)| *quality).or_else(|| accepts.quality(b"*")).unwrap_or(otherwise)
}

fn charset_quality(own: Option<&[u8]>, accepts: Option<&Accepts>) -> f64 {
    let (Some(own), Some(accepts)) = (own, accepts) else { return 1.0 };
    let otherwise = if own == b"iso-8859-1" { 1.0 } else { 0.0 };
    accepts.quality(own).or_else(|| accepts.quality(b"*")).unwrap_or(otherwise)
}

fn language_quality(own: &[u8], accepts: &Accepts) -> f64 {
    let within = |whole: &[u8], part: &[u8]| {
        whole.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
    };
    let named = accepts.list.iter().filter(|(name, _)| within(own, name)).max_by_key(|(name, _)| name.len());
    let found = named.map(|(_, quality)| *quality).or_else(|| accepts.quality(b"*"));
    // A client that asks for en-GB accepts en if nothing is better.
    let wider = || accepts.list.iter().any(|(name, _)| within(name, own)).then_some(0.001);
    found.or_else(wider).unwrap_or(0.0)
}

/// The best variant; `None`: none is acceptable.
fn best(variants: &[Variant<'_, '_>]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (at, one) in variants.iter().enumerate() {
        if [one.media, one.language, one.encoding, one.charset].contains(&0.0) {
            continue;
        }
        if best.is_none_or(|best| is_better(one, &variants[best])) {
            best = Some(at);
        }
    }
    best
}

fn is_better(one: &Variant<'_, '_>, best: &Variant<'_, '_>) -> bool {
    let place = |variant: &Variant<'_, '_>| variant.place.unwrap_or(usize::MAX);
    let order = one.media.total_cmp(&best.media);
    let order = order.then(one.language.total_cmp(&best.language)).then(place(best).cmp(&place(one)));
    let order = order.then(one.charset.total_cmp(&best.charset)).then(one.encoding.total_cmp(&best.encoding));
    order.then(best.size.cmp(&one.size)).is_gt()
}

impl Meaning {
    /// Whether the unknown parts of the file's name occur in the requested name, in this order.
    fn unknown_are_in(&self, asked: &[u8]) -> bool {
        let mut asked = asked.split(|&byte| byte == b'.');
        self.unknown.iter().all(|one| asked.any(|own| own.eq_ignore_ascii_case(one)))
    }
}
