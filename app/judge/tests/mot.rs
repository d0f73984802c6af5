//! Tracking figures against py-motmetrics and TrackEval, and on bad input.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside #[test] functions may unwrap too.

use std::path::PathBuf;

use ocellus_judge::mot::{MotError, MotResult, evaluate};

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/evalref"));
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no real data");
    None
}

fn sequence(data: &std::path::Path, name: &str) -> MotResult {
    let read = |file: &str| std::fs::read_to_string(data.join("motmetrics").join(name).join(file)).unwrap();
    evaluate(&read("gt.txt"), &read("test.txt")).unwrap()
}

/// Hands every sequence, its result and what the tool behind `golden` says of it to `check`.
fn against(golden: &str, check: impl Fn(&str, &MotResult, &serde_json::Value)) {
    let Some(data) = data() else { return };
    let golden = std::fs::read_to_string(data.join(golden)).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    for name in ["TUD-Campus", "TUD-Stadtmitte"] {
        check(name, &sequence(&data, name), &golden[name]);
    }
}

#[test]
fn clear_and_identity_equal_motmetrics() {
    against("golden_motmetrics_TUD.json", |name, got, golden| {
        let expected = |key: &str| golden[key].as_f64().unwrap();
        let near = |got: Option<f64>, key: &str| assert!((got.unwrap() - expected(key)).abs() < 1e-9, "{name} {key}");
        near(got.mota, "mota");
        near(got.motp, "motp");
        near(got.idf1, "idf1");
        near(got.idp, "idp");
        near(got.idr, "idr");
        near(got.recall, "recall");
        near(got.precision, "precision");
        let count = |got: u64, key: &str| assert_eq!(got as f64, expected(key), "{name} {key}");
        count(got.gt_ids, "num_unique_objects");
        count(got.mostly_tracked, "mostly_tracked");
        count(got.partially_tracked, "partially_tracked");
        count(got.mostly_lost, "mostly_lost");
        count(got.fp, "num_false_positives");
        count(got.fn_, "num_misses");
        count(got.id_switches, "num_switches");
        count(got.fragmentations, "num_fragmentations");
        count(got.transfers, "num_transfer");
        count(got.ascends, "num_ascend");
        count(got.migrates, "num_migrate");
    });
}

#[test]
fn hota_equals_trackeval() {
    against("golden_trackeval_TUD.json", |name, got, golden| {
        let curve = got.hota_curve.as_ref().unwrap();
        let parts = [
            ("HOTA", &curve.hota),
            ("DetA", &curve.deta),
            ("AssA", &curve.assa),
            ("DetRe", &curve.detre),
            ("DetPr", &curve.detpr),
            ("AssRe", &curve.assre),
            ("AssPr", &curve.asspr),
            ("LocA", &curve.loca),
        ];
        for (key, values) in parts {
            for (a, value) in values.iter().enumerate() {
                let expected = golden["HOTA"][key][a].as_f64().unwrap();
                assert!((value - expected).abs() < 1e-9, "{name} {key}[{a}]: got {value}, expected {expected}");
            }
        }
        let identity = |key: &str| golden["Identity"][key].as_u64().unwrap();
        assert_eq!((got.idtp, got.idfp, got.idfn), (identity("IDTP"), identity("IDFP"), identity("IDFN")));
        let motp = golden["CLEAR"]["MOTP"].as_f64().unwrap();
        assert!((got.motp_iou.unwrap() - motp).abs() < 1e-9);
    });
}

#[test]
fn a_perfect_tracker_and_an_absent_one() {
    let gt = "1,1,0,0,10,10,1\n2,1,1,0,10,10,1\n2,2,50,50,10,10,1\n";
    let perfect = evaluate(gt, gt).unwrap();
    for value in [perfect.mota, perfect.idf1, perfect.hota, perfect.assa, perfect.motp_iou] {
        assert!((value.unwrap() - 1.0).abs() < 1e-12);
    }
    let absent = evaluate(gt, "").unwrap();
    assert_eq!((absent.mota, absent.motp, absent.idf1, absent.idp), (Some(0.0), None, Some(0.0), None));
    assert_eq!((absent.hota, absent.fn_), (Some(0.0), 3));
    let nothing = evaluate("", "").unwrap();
    assert_eq!((nothing.mota, nothing.hota, nothing.idf1, nothing.recall), (None, None, None, None));
    let json = serde_json::to_value(&nothing).unwrap();
    assert!(json["mota"].is_null() && json["fn"] == 0 && json["id_switches"] == 0);
}

#[test]
fn a_swap_of_identities_is_counted() {
    let gt = "1,1,0,0,10,10,1\n1,2,40,0,10,10,1\n2,1,0,0,10,10,1\n2,2,40,0,10,10,1\n";
    let swapped = "1,7,0,0,10,10,1\n1,8,40,0,10,10,1\n2,8,0,0,10,10,1\n2,7,40,0,10,10,1\n";
    let got = evaluate(gt, swapped).unwrap();
    assert_eq!((got.id_switches, got.transfers, got.fp, got.fn_), (2, 2, 0, 0));
    assert_eq!((got.mota, got.idf1), (Some(0.5), Some(0.5)));
}

#[test]
fn undefined_figures_have_their_reason() {
    let nothing = ocellus_judge::mot::evaluate("", "").unwrap();
    assert_eq!((nothing.mota, nothing.hota, nothing.undefined().len()), (None, None, 12));
    assert_eq!(nothing.findings.count_of("without a box"), 2);
    let missed = ocellus_judge::mot::evaluate("1,1,10,10,20,20,1,1,1", "").unwrap();
    assert_eq!(missed.mota, Some(0.0), "an object that is missed is a true 0");
    let why = missed.undefined();
    assert_eq!((why["motp"], why["precision"]), ("no box was matched", "the tracker has no box"));
}

#[test]
fn bad_lines_are_named() {
    let line = |text: &str| match evaluate(text, "") {
        Err(MotError::Line { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line("1,1,0,0,10,10,1\n1,2,0,0\n"), 2);
    assert_eq!(line("1,1,NaN,0,10,10,1\n"), 1);
    assert_eq!(line("1,1.5,0,0,10,10,1\n"), 1);
    assert_eq!(line("a,b,c\n"), 1);
    let twice = evaluate("1,1,0,0,9,9,1\n\n1,1,0,0,9,9,1", "").unwrap_err();
    assert_eq!(twice, MotError::Twice { file: "ground truth", line: 3, first: 1, frame: 1, id: 1 });
    let ignored = evaluate("1 1 0 0 9 9 0\n1 2 0 0 0 9 1\n", "").unwrap();
    assert_eq!(ignored.objects, 1);
    assert_eq!(ignored.findings.count_of("not to be considered"), 1);
    assert_eq!(ignored.findings.count_of("zero or negative size"), 1);
    let stray = evaluate("0,1,0,0,9,9,1\n2,1,0,0,9,9,1", "2,1,0,0,9,9,1\n3,1,0,0,9,9,1\n9999,4,0,0,9,9,1").unwrap();
    let findings: Vec<String> = stray.findings.iter().map(ToString::to_string).collect();
    assert!(findings[0].starts_with("1 x frame number below 1 in the ground truth"), "{findings:?}");
    assert!(findings[1].starts_with("2 x tracker box outside the ground truth's frames 0 to 2"), "{findings:?}");
    assert!((stray.fp, findings[1].ends_with("(first: frame 3, id 1)")) == (2, true), "{findings:?}");
}
