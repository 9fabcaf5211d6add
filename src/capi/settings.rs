//! `outlive_settings`

use crate::config::Settings;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// The values in force for one target: immutable, shared by all threads, counted. The caller of outlive_config_resolve owns
/// one reference; outlive_settings_ref makes another, outlive_settings_free gives one back.
pub struct outlive_settings {
    _private: [u8; 0],
}

impl outlive_settings {
    /// A reference that the caller owns.
    pub(super) fn give(settings: Arc<Settings>) -> *const Self {
        Arc::into_raw(settings).cast()
    }

    /// The caller's reference, borrowed.
    ///
    /// # Safety
    /// `settings` is NULL or a reference that the caller owns.
    pub(super) unsafe fn borrow(settings: *const Self) -> Option<ManuallyDrop<Arc<Settings>>> {
        // SAFETY: came from `give`; not dropped here.
        (!settings.is_null()).then(|| ManuallyDrop::new(unsafe { Arc::from_raw(settings.cast()) }))
    }
}
