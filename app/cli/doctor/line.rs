//! One finding: how bad, what about, what was seen, and what mends it.

use serde::Serialize;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be, or plain to know.
    Ok,
    /// It works, and will cost something.
    Warn,
    /// It does not work.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// How bad.
    pub level: Level,
    /// What about.
    pub about: &'static str,
    /// What was seen.
    pub text: String,
    /// What mends it; empty where nothing needs to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Line {
    /// As it should be.
    pub fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, about, text: text.into(), remedy: String::new() }
    }

    /// It will cost something.
    pub fn warn(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warn, about, text: text.into(), remedy: remedy.into() }
    }

    /// It does not work.
    pub fn fail(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fail, about, text: text.into(), remedy: remedy.into() }
    }

    /// Prints it, and its remedy below it.
    pub fn print(&self) {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        println!("{level} {:<12} {}", self.about, self.text);
        if !self.remedy.is_empty() {
            println!("     {:<12} -> {}", "", self.remedy);
        }
    }
}
