//! The statement as one HTML page that stands alone: no script, no font, no picture from elsewhere.

use std::fmt::Write;

use super::page::{STYLE, escape, fact_list, section};
use super::properties::property_info;
use super::{ModelCard, Property, Statement, Verdict, svg};
use crate::energy::EnergySource;
use crate::stats::Direction;

/// Renders the page.
pub fn render(statement: &Statement) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let title = format!("Distillation Statement: {}", escape(&statement.student.name));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>"
    );
    header(&mut page, statement);
    tiles(&mut page, statement);
    table(&mut page, statement);
    charts(&mut page, statement);
    frames(&mut page, statement);
    making(&mut page, statement);
    provenance(&mut page, statement);
    page.push_str("</main></body></html>\n");
    page
}

fn header(page: &mut String, s: &Statement) {
    let (class, word) = if s.shippable { ("good", "may ship") } else { ("bad", "must not ship") };
    let teacher = match &s.teacher {
        Some(t) => format!("measured beside its teacher <b>{}</b>", escape(&t.name)),
        None => "without a teacher to compare with".into(),
    };
    let _ = write!(
        page,
        "<header><div><p class=\"kicker\">Distillation Statement</p><h1>{}</h1><p class=\"sub\">{teacher}</p></div>\
         <p class=\"stamp {class}\">{word}</p></header>",
        escape(&s.student.name)
    );
    let blocking = s.blocking();
    if !blocking.is_empty() {
        page.push_str("<div class=\"alert\"><b>What stands against shipping</b><ul>");
        for p in blocking {
            let _ = write!(page, "<li><b>{}</b>: {}</li>", escape(&p.name), escape(&p.judgement.reason));
        }
        page.push_str("</ul></div>");
    }
}

fn tiles(page: &mut String, s: &Statement) {
    let missing = s.count(Verdict::NotMeasured) + s.count(Verdict::RequiredNotMeasured);
    page.push_str("<div class=\"tiles\">");
    for (class, count, label) in [
        ("good", s.count(Verdict::Preserved), "preserved"),
        ("bad", s.count(Verdict::Lost), "lost"),
        ("warn", s.count(Verdict::Accepted), "lost, accepted"),
        ("mute", missing, "not measured"),
    ] {
        let class = if count == 0 { "mute" } else { class };
        let _ = write!(page, "<div class=\"tile {class}\"><span>{count}</span>{label}</div>");
    }
    page.push_str("</div>");
}

fn table(page: &mut String, s: &Statement) {
    section(
        page,
        "What was kept and what was lost",
        "Difference is student minus teacher; the whisker is its 95 % interval, the line is zero.",
    );
    page.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>Property<th class=\"r\">Teacher<th class=\"r\">Student\
         <th class=\"r\">Difference<th class=\"c\">95 %<th>Target<th>Verdict</tr></thead><tbody>",
    );
    let unmeasured = |p: &&Property| p.judgement.verdict == Verdict::NotMeasured && p.student.is_none();
    for p in s.properties.iter().filter(|p| !unmeasured(p)) {
        row(page, p);
    }
    page.push_str("</tbody></table></div>");
    let missing: Vec<String> = s.properties.iter().filter(unmeasured).map(missing).collect();
    if !missing.is_empty() {
        let _ =
            write!(page, "<p class=\"missing\"><b>Has a target and was not measured:</b> {}.</p>", missing.join(" · "));
    }
}

/// Name and, where there is one, the reason why it was not measured.
fn missing(p: &Property) -> String {
    let why = p.note.as_ref().map(|note| format!(" ({})", escape(note))).unwrap_or_default();
    format!("{}{why}", escape(&p.name))
}

fn row(page: &mut String, p: &Property) {
    let info = property_info(&p.id);
    let number = |v: Option<f64>| match (v, info) {
        (Some(v), Some(info)) => info.number(v),
        (Some(v), None) => format!("{v:.3}"),
        (None, _) => "–".into(),
    };
    let higher = info.is_none_or(|i| i.direction == Direction::HigherIsBetter);
    let difference = p
        .difference
        .map_or_else(|| "–".into(), |d| format!("{}{}", if d > 0.0 { "+" } else { "" }, number(Some(d))))
        .replace('-', "−");
    let interval = p.interval.map(|i| (i.low, i.high));
    let whisker = match (p.difference, interval) {
        (Some(d), Some(_)) => svg::whisker(d, interval, higher),
        _ => String::new(),
    };
    let bounds = p
        .interval
        .map(|i| format!("<small>{} to {}</small>", number(Some(i.low)), number(Some(i.high))).replace('-', "−"))
        .unwrap_or_default();
    let verdict = p.judgement.verdict;
    let class = match verdict {
        Verdict::Preserved => "good",
        Verdict::Lost | Verdict::RequiredNotMeasured => "bad",
        Verdict::Accepted => "warn",
        Verdict::NotMeasured | Verdict::Reported => "mute",
    };
    let n = p.n.map(|n| format!(" · n = {n}")).unwrap_or_default();
    let unit = if p.unit.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(&p.unit)) };
    let why = [Some(p.judgement.reason.as_str()), p.note.as_deref().filter(|note| *note != p.judgement.reason)];
    let why: Vec<String> = why.into_iter().flatten().filter(|w| !w.is_empty()).map(escape).collect();
    let arrow = if higher { "higher is better" } else { "lower is better" };
    let _ = write!(
        page,
        "<tr class=\"{class}\"><td><b>{}</b>{unit}<small class=\"d\">{} · {arrow}{n}</small><td class=\"r\">{}<td class=\"r\"><b>{}</b>\
         <td class=\"r\">{difference}<td class=\"c\">{whisker}{bounds}<td class=\"t\">{}<td><span class=\"badge {class}\">{}</span>{}</tr>",
        escape(&p.name),
        info.map_or("", |i| i.meaning),
        number(p.teacher),
        number(p.student),
        escape(&p.target),
        verdict.label(),
        if why.is_empty() { String::new() } else { format!("<small class=\"d\">{}</small>", why.join(". ")) },
    );
}

fn charts(page: &mut String, s: &Statement) {
    if s.reliability.is_none() && s.curves.is_empty() {
        return;
    }
    section(page, "How honest, how sharp", "");
    page.push_str("<p class=\"legend\"><i class=\"teacher\"></i>teacher <i class=\"student\"></i>student</p><div class=\"charts\">");
    if let Some(pair) = &s.reliability {
        let _ = write!(
            page,
            "<figure>{}<figcaption><b>Reliability</b> On the dashed line a score means what it says; below it the network is too sure. Dots grow with the number of detections.</figcaption></figure>",
            svg::reliability(pair)
        );
    }
    for curve in &s.curves {
        let _ = write!(
            page,
            "<figure>{}<figcaption><b>Precision against recall</b> {}</figcaption></figure>",
            svg::precision_recall(curve),
            escape(&curve.name)
        );
    }
    page.push_str("</div>");
}

fn frames(page: &mut String, s: &Statement) {
    if s.worst_frames.is_empty() {
        return;
    }
    let (title, line) = if s.teacher.is_some() {
        (
            "Where they part most",
            "The frames on which the student errs most beyond its teacher. White: seen by the teacher; blue: seen by the \
             student; thin red: there, and missed by the student.",
        )
    } else {
        ("Where it errs most", "Blue: seen by the student; thin red: there, and missed by it.")
    };
    section(page, title, line);
    page.push_str("<div class=\"frames\">");
    for frame in &s.worst_frames {
        // Anything but an embedded picture would make the page depend on a file elsewhere.
        let picture = if frame.picture.starts_with("data:image/") {
            format!("<img src=\"{}\" alt=\"{}\">", escape(&frame.picture), escape(&frame.caption))
        } else {
            "<div class=\"nopicture\">no picture</div>".into()
        };
        let _ = write!(page, "<figure>{picture}<figcaption>{}</figcaption></figure>", escape(&frame.caption));
    }
    page.push_str("</div>");
}

/// Energy of making it, and when that is paid back.
fn making(page: &mut String, s: &Statement) {
    let Some(m) = &s.making else { return };
    section(
        page,
        "What it took to make, and when that is paid back",
        "N* is the number of students over which the teacher's energy must be spread: E teacher / (E direct − E student). \
         Frames: those after which the energy spent has been saved.",
    );
    let joules = |v: Option<f64>| v.map_or_else(|| "not known".to_owned(), energy);
    let count = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:.1}"));
    let frames = m.break_even.frames.map_or_else(|| "none".to_owned(), |v| format!("{v:.0}"));
    let estimate = if m.training.source == Some(EnergySource::CpuSecondsEstimate) { " (estimate)" } else { "" };
    let teacher = if m.asked_teacher { joules(m.teacher_j) } else { "none was asked".to_owned() };
    let facts = [
        ("training", format!("{}{estimate}", joules(m.training.joules_net.or(m.training.joules)))),
        ("teacher's outputs", teacher),
        ("training directly", joules(m.direct_j)),
        ("a frame, teacher", joules(m.frame_reference_j)),
        ("a frame, student", joules(m.frame_student_j)),
        ("break-even N*", count(m.break_even.students)),
        ("break-even frames", frames),
    ];
    fact_list(page, &facts.map(|(name, value)| (name.to_owned(), value)));
    bullets(page, m.notes.iter().chain(&m.training.notes));
}

fn energy(joules: f64) -> String {
    if joules >= 1e4 { format!("{:.1} kJ ({:.3} kWh)", joules / 1e3, joules / 3.6e6) } else { format!("{joules:.3} J") }
}

fn bullets<'a>(page: &mut String, lines: impl Iterator<Item = &'a String>) {
    let items: String = lines.map(|line| format!("<li>{}</li>", escape(line))).collect();
    if !items.is_empty() {
        let _ = write!(page, "<ul class=\"notes\">{items}</ul>");
    }
}

fn provenance(page: &mut String, s: &Statement) {
    section(page, "Where this comes from", "");
    page.push_str("<div class=\"cards\">");
    card(page, "Student", &s.student);
    if let Some(teacher) = &s.teacher {
        card(page, "Teacher", teacher);
    }
    page.push_str("</div>");
    fact_list(page, &s.provenance);
    bullets(page, s.notes.iter());
    let _ = write!(page, "<footer>{} version {} · written by ocellus</footer>", escape(&s.schema), s.version);
}

fn card(page: &mut String, role: &str, model: &ModelCard) {
    let _ = write!(page, "<div class=\"card\"><p class=\"kicker\">{role}</p><h3>{}</h3>", escape(&model.name));
    let mut facts = model.facts.clone();
    facts.push(("sha256".into(), model.sha256.clone()));
    fact_list(page, &facts);
    page.push_str("</div>");
}
