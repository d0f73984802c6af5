//! The Distillation Statement: verdicts, what blocks, and the page.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside #[test] functions may unwrap too.

use ocellus_judge::calib::reliability;
use ocellus_judge::statement::{
    CurvePair, Measured, ModelCard, ReliabilityPair, Statement, StatementError, StatementInput, Targets, Verdict,
    WorstFrame, render,
};
use ocellus_judge::stats::Interval;

fn measured(id: &str, teacher: f64, student: f64) -> Measured {
    Measured { id: id.into(), teacher: Some(teacher), student: Some(student), ..Measured::default() }
}

fn statement(measured: Vec<Measured>, targets: &str) -> Statement {
    let student = ModelCard { name: "student".into(), sha256: "ab12".into(), facts: Vec::new() };
    let input = StatementInput { student, measured, ..StatementInput::default() };
    Statement::new(input, &Targets::parse(targets).unwrap())
}

fn verdict(s: &Statement, id: &str) -> Verdict {
    s.properties.iter().find(|p| p.id == id).unwrap().judgement.verdict
}

#[test]
fn verdicts_follow_the_targets() {
    let targets = "[ap]\nmax_loss = 0.02\n[d_ece]\nmax_loss = 0.02\n[recall]\nmax_loss = 0.01\naccept = 'the camera is paired with LiDAR'\n\
        [hota]\nmin = 0.4\n[latency_p95_ms]\nmax = 20.0\nrequired = true\n[idf1]\nmax_loss = 0.1";
    let figures = vec![
        measured("ap", 0.40, 0.38),
        measured("d_ece", 0.05, 0.09),
        measured("recall", 0.7, 0.6),
        Measured { teacher: None, ..measured("hota", 0.0, 0.5) },
        measured("size_mb", 80.0, 4.0),
        measured("nonsense", 1.0, 1.0),
    ];
    let s = statement(figures, targets);
    assert_eq!(verdict(&s, "ap"), Verdict::Preserved, "a loss equal to its limit is within it");
    assert_eq!(verdict(&s, "d_ece"), Verdict::Lost, "an error that rises is a loss");
    assert_eq!(verdict(&s, "recall"), Verdict::Accepted);
    assert_eq!(verdict(&s, "hota"), Verdict::Preserved);
    assert_eq!(verdict(&s, "size_mb"), Verdict::Reported);
    assert_eq!(verdict(&s, "idf1"), Verdict::NotMeasured);
    assert_eq!(verdict(&s, "latency_p95_ms"), Verdict::RequiredNotMeasured);
    assert!(!s.shippable);
    let blocking: Vec<&str> = s.blocking().iter().map(|p| p.id.as_str()).collect();
    assert_eq!(blocking, ["d_ece", "latency_p95_ms"]);
    assert!(s.notes[0].contains("nonsense"));
    let nan = statement(vec![measured("ap", f64::NAN, 0.3)], "[ap]\nmax_loss = 0.5");
    assert_eq!(verdict(&nan, "ap"), Verdict::NotMeasured);
}

#[test]
fn a_sure_target_asks_the_interval() {
    let figure = |interval| vec![Measured { interval, ..measured("ap", 0.40, 0.395) }];
    let targets = "[ap]\nmax_loss = 0.02\ncertain = true";
    let wide = statement(figure(Some(Interval { low: -0.04, high: 0.03 })), targets);
    assert_eq!(verdict(&wide, "ap"), Verdict::Lost);
    let narrow = statement(figure(Some(Interval { low: -0.01, high: 0.0 })), targets);
    assert_eq!(verdict(&narrow, "ap"), Verdict::Preserved);
    assert_eq!(verdict(&statement(figure(None), targets), "ap"), Verdict::NotMeasured);
}

#[test]
fn a_statement_vouches_for_one_file_only() {
    let good = statement(vec![measured("ap", 0.4, 0.4)], "[ap]\nmax_loss = 0.02");
    let back = Statement::from_json(&good.to_json().unwrap()).unwrap();
    assert_eq!(back, good);
    assert_eq!(back.check_for("AB12"), Ok(()));
    assert!(matches!(back.check_for("ff"), Err(StatementError::OtherModel { .. })));
    let bad = statement(vec![measured("ap", 0.4, 0.1)], "[ap]\nmax_loss = 0.02");
    assert!(matches!(bad.check_for("ab12"), Err(StatementError::Blocked { .. })));
    let forged = Statement { shippable: true, ..bad };
    assert!(forged.check_for("ab12").is_err(), "the verdicts are read, not the summary");
    assert_eq!(statement(vec![], "").check_for("ab12"), Err(StatementError::Empty));
    assert!(matches!(Statement::from_json("{}"), Err(StatementError::Json { .. })));
}

#[test]
fn the_page_stands_alone_and_escapes() {
    let bins = reliability(&[0.2, 0.8, 0.9], &[0.0, 1.0, 1.0], 10).unwrap().bins;
    let input = StatementInput {
        student: ModelCard { name: "<script>x</script>".into(), ..ModelCard::default() },
        measured: vec![measured("ap", 0.4, 0.3), measured("d_ece", 0.05, 0.04)],
        reliability: Some(ReliabilityPair { teacher: bins.clone(), student: bins }),
        curves: vec![CurvePair {
            name: "car".into(),
            teacher: vec![(0.0, 1.0), (0.5, 0.8)],
            student: vec![(f64::NAN, 0.3)],
        }],
        worst_frames: vec![
            WorstFrame { caption: "one".into(), picture: "data:image/png;base64,AAAA".into() },
            WorstFrame { caption: "two".into(), picture: "https://elsewhere/x.png".into() },
        ],
        ..StatementInput::default()
    };
    let page = render(&Statement::new(input, &Targets::shipped()));
    for part in ["must not ship", "Reliability", "data:image/png;base64,AAAA", "no picture", "&lt;script&gt;", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
    for part in ["<script", "https://", "http://", "NaN", "src=\"/"] {
        assert!(!page.contains(part), "{part}");
    }
}
