//! The pieces pages are made of. Each has its style in `style/`, under the same name.

#[cfg(feature = "ssr")]
pub mod field;
pub mod icon;
#[cfg(feature = "ssr")]
pub mod layout;
#[cfg(feature = "ssr")]
pub mod notice;
pub mod status;
pub mod text_area;
