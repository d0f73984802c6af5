//! The page's style sheet and small pieces of HTML.

use std::fmt::Write;

/// Style sheet: light and dark, narrow and wide, and print.
pub(super) const STYLE: &str = include_str!("page.css");

/// Text that cannot become markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A heading and a line below it.
pub(super) fn section(page: &mut String, title: &str, line: &str) {
    let _ = write!(page, "<h2>{title}</h2>");
    if !line.is_empty() {
        let _ = write!(page, "<p class=\"lead\">{line}</p>");
    }
}

/// Pairs of name and value.
pub(super) fn fact_list(page: &mut String, facts: &[(String, String)]) {
    if facts.is_empty() {
        return;
    }
    page.push_str("<dl>");
    for (name, value) in facts {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    page.push_str("</dl>");
}
