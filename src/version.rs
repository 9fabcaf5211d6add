//! Which PHP is the model.

use std::fmt;

/// A PHP version, as `PHP_VERSION_ID` writes it: 8.2 is 80200.
///
/// Versions 7.4 to 8.5 are known. Ini texts have four dialects among them (7.4 = 8.0; 8.1 = 8.2; 8.3; 8.4 = 8.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PhpVersion {
    /// PHP 7.4
    V7_4,
    /// PHP 8.0
    V8_0,
    /// PHP 8.1
    V8_1,
    /// PHP 8.2, the default
    #[default]
    V8_2,
    /// PHP 8.3
    V8_3,
    /// PHP 8.4
    V8_4,
    /// PHP 8.5
    V8_5,
}

impl PhpVersion {
    /// Every version that is known, oldest first.
    pub const ALL: [PhpVersion; 7] =
        [Self::V7_4, Self::V8_0, Self::V8_1, Self::V8_2, Self::V8_3, Self::V8_4, Self::V8_5];

    /// From `PHP_VERSION_ID` (80200 or 80236 are 8.2); `None` for a version that is not known.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.id() == id / 100 * 100)
    }

    /// From text such as `8.2` or `8.2.36`.
    ///
    /// ```
    /// use outlive::PhpVersion;
    ///
    /// assert_eq!(PhpVersion::from_text("8.2.36"), Some(PhpVersion::V8_2));
    /// assert_eq!(PhpVersion::from_id(80400).map(PhpVersion::id), Some(80400));
    /// assert_eq!(PhpVersion::from_text("5.6"), None);
    /// ```
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let major: u32 = parts.next()?.parse().ok()?;
        let minor: u32 = parts.next()?.parse().ok()?;
        if let Some(patch) = parts.next() {
            patch.parse::<u32>().ok()?;
        }
        Self::from_id(major.checked_mul(10_000)?.checked_add(minor.checked_mul(100)?)?)
    }

    /// `PHP_VERSION_ID` with patch level 0.
    pub fn id(self) -> u32 {
        match self {
            Self::V7_4 => 70_400,
            Self::V8_0 => 80_000,
            Self::V8_1 => 80_100,
            Self::V8_2 => 80_200,
            Self::V8_3 => 80_300,
            Self::V8_4 => 80_400,
            Self::V8_5 => 80_500,
        }
    }
}

impl fmt::Display for PhpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id() / 10_000, self.id() / 100 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_texts_name_the_same_versions() {
        for version in PhpVersion::ALL {
            assert_eq!(PhpVersion::from_id(version.id() + 36), Some(version));
            assert_eq!(PhpVersion::from_text(&version.to_string()), Some(version));
            assert_eq!(PhpVersion::from_text(&format!("{version}.11")), Some(version));
        }
        for bad in ["", "8", "8.", "8.9", "8.2.x", "-8.2", "99999999999.1"] {
            assert_eq!(PhpVersion::from_text(bad), None, "{bad}");
        }
    }
}
