//! Logging in: what httpd asks for where `Require` needs a user, and what it answers when it cannot ask (fact A-121).

use super::subrequest::Subrequest;
use super::walk::{SectionRef, Walked};
use crate::files::Kind;
use crate::httpd::expression::evaluate::{RequestVariables, text, unbase64};
use crate::httpd::model::auth::{Auth, Login, has_user, named_in};
use crate::httpd::syntax::path::path_of;
use std::io::ErrorKind;

/// A status, and its reason.
type Answer = (u16, String);

fn auths<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = &'w Auth> {
    walked.sections.iter().rev().map(SectionRef::get).filter_map(|section| section.core.as_ref()?.auth.as_deref())
}

impl<'c> Subrequest<'c, '_> {
    /// The `AuthType` in force, in lower case; `None`: no password is asked for.
    pub(super) fn auth_kind(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        let (kind, origin) = auths(walked).find_map(|auth| auth.kind.as_ref())?;
        let kind = text(kind, self).unwrap_or_else(|why| {
            self.doubt(format!("{origin}: AuthType depends on {why}, which is not known here; taken as Basic"));
            b"basic".to_vec()
        });
        (!kind.eq_ignore_ascii_case(b"none")).then_some(kind)
    }

    /// `AuthzSendForbiddenOnFailure`
    pub(super) fn forbids(&self, walked: &Walked<'c>) -> bool {
        auths(walked).find_map(|auth| auth.forbids).unwrap_or(false)
    }

    /// Logs in whoever asks, or says what httpd answers.
    pub(super) fn log_in(&self, walked: &Walked<'c>, place: &str, notes: &mut Vec<String>) -> Result<(), Answer> {
        let Some(kind) = self.auth_kind(walked) else {
            return Err((
                500,
                format!("{place}: Require asks for a user, and no AuthType says how to ask for a password"),
            ));
        };
        let shown = String::from_utf8_lossy(&kind);
        let module: &[u8] = match &*kind.to_ascii_lowercase() {
            b"basic" => b"mod_auth_basic.c",
            b"digest" => b"mod_auth_digest.c",
            b"form" => b"mod_auth_form.c",
            _ => b"",
        };
        let registry = &self.context.data.registry;
        let foreign = module.is_empty() && !registry.strangers().is_empty();
        if !foreign && (module.is_empty() || !registry.is_loaded(module)) {
            return Err((500, format!("{place}: no module that is loaded asks for a password by AuthType {shown}")));
        }
        if !foreign && auths(walked).find_map(|auth| auth.name.as_ref()).is_none() {
            let because = "a password is asked for without a name for what it opens: add AuthName";
            return Err((500, format!("{place}: {because}")));
        }
        let basic = kind.eq_ignore_ascii_case(b"basic");
        let header = || named_in(&self.given_or_doubt(b"Authorization").filter(|_| basic)?, unbase64);
        // Whoever asks without a header has said who it is; a line may have taken that header away.
        let told =
            self.asked.user.filter(|_| !self.has_changed_headers() || self.asked.header(b"Authorization").is_none());
        let (user, is_told) = match told {
            Some(user) => (user.to_vec(), true),
            None => match header() {
                Some(user) => (user, false),
                None => return Err((401, format!("{place}: a password is asked for (AuthType {shown}, Require)"))),
            },
        };
        if basic {
            self.look_up_user(walked, place, &user)?;
        }
        if !is_told {
            let user = String::from_utf8_lossy(&user);
            notes.push(format!("whether the password that {user} sends is right is not known here; taken as right"));
        }
        let groups = auths(walked).find_map(|auth| auth.groups.as_deref()).map(<[u8]>::to_vec);
        *self.login.borrow_mut() = Some(Login { user, kind, groups });
        Ok(())
    }

    /// Refuses a user whom the file of passwords does not have, and a file that httpd cannot read.
    fn look_up_user(&self, walked: &Walked<'c>, place: &str, user: &[u8]) -> Result<(), Answer> {
        let providers = auths(walked).find_map(|auth| auth.providers.as_deref()).unwrap_or_default();
        // Others may know the user as well.
        if providers.iter().any(|provider| **provider != *b"file") {
            return Ok(());
        }
        if !self.context.data.registry.is_loaded(b"mod_authn_file.c") {
            return Ok(());
        }
        let Some(path) = auths(walked).find_map(|auth| auth.users.as_deref()) else {
            return Err((500, format!("{place}: no AuthUserFile says where the passwords are")));
        };
        let shown = String::from_utf8_lossy(path);
        let file = match self.context.files.read(path_of(path)) {
            Ok(file) => file,
            // Whether httpd may read it is not known.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(_) if matches!(self.context.files.kind(path_of(path)), Ok(Kind::File)) => return Ok(()),
            Err(error) => return Err((500, format!("{place}: AuthUserFile {shown} cannot be read: {error}"))),
        };
        if has_user(&file, user) {
            return Ok(());
        }
        let user = String::from_utf8_lossy(user);
        // Where nobody is asked after this module, nobody has logged in.
        let status = if auths(walked).find_map(|auth| auth.authoritative).unwrap_or(true) { 401 } else { 500 };
        Err((status, format!("{place}: AuthUserFile {shown} has no user {user}")))
    }
}
