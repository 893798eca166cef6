//! Why there is no configuration.

/// Why there is no configuration: every mistake that was found, one a line.
///
/// Each line says where the mistake is, what was found and what was expected. None ever shows the
/// secret.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub(super) Vec<String>);

impl ConfigError {
    /// The mistakes, one a line, never none.
    pub fn messages(&self) -> &[String] {
        &self.0
    }
}
