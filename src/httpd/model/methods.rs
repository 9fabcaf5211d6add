//! Methods, as `<Limit>` and `<LimitExcept>` count them.

/// One bit for each method; all unregistered methods share one bit.
pub(crate) type Methods = u64;

pub(crate) const ALL: Methods = u64::MAX;

/// The methods that httpd registers before it reads anything, by number.
const BUILT_IN: [&[u8]; 26] = [
    b"GET",
    b"PUT",
    b"POST",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"VERSION-CONTROL",
    b"CHECKOUT",
    b"UNCHECKOUT",
    b"CHECKIN",
    b"UPDATE",
    b"LABEL",
    b"REPORT",
    b"MKWORKSPACE",
    b"MKACTIVITY",
    b"BASELINE-CONTROL",
    b"MERGE",
];
const TRACE: usize = 6;
/// The bit of all methods that are not registered.
const OTHERS: usize = 26;
const BITS: usize = 63;

/// The methods of a server: the known ones, and those that its files have named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered(Vec<Box<[u8]>>);

impl Registered {
    fn number(&self, method: &[u8]) -> Option<usize> {
        // HEAD is a GET.
        let method = if method == b"HEAD" { b"GET" } else { method };
        let built_in = BUILT_IN.iter().position(|own| *own == method);
        built_in.or_else(|| self.0.iter().position(|own| **own == *method).map(|at| OTHERS + 1 + at))
    }

    /// Whether httpd knows it.
    pub fn knows(&self, method: &[u8]) -> bool {
        self.number(method).is_some()
    }

    /// The bit of a request's method.
    pub fn bit(&self, method: &[u8]) -> Methods {
        1 << self.number(method).unwrap_or(OTHERS)
    }

    /// The bit of a method that a container names. A server's files register what is new to them; an `.htaccess` cannot.
    fn named(&mut self, name: &str, method: &[u8], may_register: bool) -> Result<Methods, String> {
        if let Some(number) = self.number(method) {
            return Ok(1 << number);
        }
        let shown = String::from_utf8_lossy(method);
        if !may_register {
            return Err(format!("Could not register method '{shown}' for {name} from .htaccess configuration"));
        }
        if OTHERS + 1 + self.0.len() >= BITS {
            return Err(format!("Could not register method '{shown}' for {name}: there are too many"));
        }
        self.0.push(method.into());
        Ok(1 << (OTHERS + self.0.len()))
    }

    /// The methods that a container applies to, out of those around it; `name`: `<Limit` or `<LimitExcept`.
    pub fn narrow<'w>(
        &mut self,
        name: &str,
        except: bool,
        words: impl Iterator<Item = std::borrow::Cow<'w, [u8]>>,
        outer: Methods,
        may_register: bool,
    ) -> Result<Methods, String> {
        let mut own = 0;
        for word in words {
            let bit = self.named(name, &word, may_register)?;
            if bit == 1 << TRACE && !except {
                return Err("TRACE cannot be controlled by <Limit>, see TraceEnable".into());
            }
            own |= bit;
        }
        let own = if except { !own } else { own };
        match outer & own {
            0 => Err(format!("{name}> directive excludes all methods")),
            left if left == outer => Err(format!("{name}> directive specifies methods already excluded")),
            left => Ok(left),
        }
    }
}
