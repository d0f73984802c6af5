//! A student on labelled pictures, beside its teacher where there is one: figures with the paired interval of their
//! difference.

use anyhow::Result;
use ocellus_judge::coco::ImageMatches;
use ocellus_judge::detect::{ImageCounts, at_matched_recall};
use ocellus_judge::statement::{CurvePair, Measured, ReliabilityPair};
use ocellus_judge::stats::{Bootstrap, Direction};

use super::figures::Figures;

/// Points of a precision-recall curve that are drawn.
const CURVE_POINTS: usize = 120;

/// Both networks' figures.
pub struct Pair<'a> {
    /// The teacher, or reference, where there is one.
    pub teacher: Option<&'a Figures>,
    /// The student, or candidate.
    pub student: &'a Figures,
    /// Pictures a second, where known.
    pub rate_hz: Option<f64>,
}

impl Pair<'_> {
    /// Everything detection says.
    pub fn measured(&self) -> Result<Vec<Measured>> {
        let mut all = vec![
            self.paired("ap", |f, w| f.evaluation.ap_weighted(w)),
            self.paired("ap50", |f, w| f.evaluation.ap50_weighted(w)),
            self.plain("ap_small", |f| f.coco.stats[3], "there is no object below 32 x 32 px"),
            self.paired("recall", |f, w| f.counts.recall(w)),
            self.worst_group(),
            self.plain("olrp", |f| f.olrp, "there is no object to find"),
            self.paired("empty_fppi", |f, w| f.counts.empty_fppi(w)),
            self.plain("log_average_miss_rate", |f| f.curve.log_average_miss_rate(), "there is no object to find"),
            self.paired("d_ece", |f, w| f.counts.d_ece(w)),
            self.plain("la_ece", |f| f.calibration.la_ece.mean, "no detection reaches the threshold"),
        ];
        if self.student.masks.is_some() {
            all.push(self.paired("ap_mask", |f, w| f.mask_ap(w)));
        }
        if let Some(teacher) = self.teacher {
            all.push(self.false_alarms(teacher)?);
        }
        if let Some(hz) = self.rate_hz {
            let per_hour = |f: &Figures| f.curve.false_alarms_per_hour(f.threshold, hz);
            let note = Some(format!("pictures at {hz:.1} Hz, as they were looked at"));
            all.push(Measured { note, ..self.plain("false_alarms_per_hour", per_hour, "") });
        }
        for m in all.iter_mut().filter(|m| m.id == "empty_fppi" && m.student.is_none()) {
            m.note = Some("every picture has an object".to_owned());
        }
        Ok(all)
    }

    /// A figure of weighted images, with the interval of its difference.
    fn paired(&self, id: &str, figure: impl Fn(&Figures, &[u32]) -> Option<f64> + Sync) -> Measured {
        let scope = (self.student.evaluation.images(), self.student.evaluation.image_count());
        let student = self.student;
        let Some(teacher) = self.teacher else {
            let own = Bootstrap::default().interval(scope.0, scope.1, |w| figure(student, w));
            let note = own.map(|i| format!("its own 95 % interval: {:.3} to {:.3}", i.low, i.high));
            let own = figure(student, &student.ones());
            return Measured { id: id.to_owned(), student: own, n: Some(scope.0.len()), note, ..Measured::default() };
        };
        let result = Bootstrap::default().compare(
            scope,
            Direction::HigherIsBetter,
            |w| figure(teacher, w),
            |w| figure(student, w),
        );
        Measured {
            id: id.to_owned(),
            teacher: result.reference,
            student: result.candidate,
            interval: result.interval,
            n: Some(result.images),
            note: None,
        }
    }

    fn plain(&self, id: &str, figure: impl Fn(&Figures) -> Option<f64>, missing: &str) -> Measured {
        let (teacher, student) = (self.teacher.and_then(&figure), figure(self.student));
        let note = (student.is_none() && !missing.is_empty()).then(|| missing.to_owned());
        let n = Some(self.student.evaluation.images().len());
        Measured { id: id.to_owned(), teacher, student, interval: None, n, note }
    }

    fn worst_group(&self) -> Measured {
        let (teacher, student) = (self.teacher.and_then(Figures::worst_group), self.student.worst_group());
        let named = |who: &str, g: &Option<(String, f64, usize)>| {
            g.as_ref().map(|(name, _, n)| format!("{who}: {name} (n = {n})"))
        };
        let named = [named("student", &student), named("teacher", &teacher)];
        let note = match &student {
            Some(_) => named.into_iter().flatten().collect::<Vec<_>>().join("; "),
            None => "no group has 30 or more: too few".to_owned(),
        };
        Measured {
            id: "worst_group".to_owned(),
            teacher: teacher.as_ref().map(|g| g.1),
            student: student.as_ref().map(|g| g.1),
            interval: None,
            n: student.as_ref().map(|g| g.2),
            note: Some(note),
        }
    }

    /// False alarms an image where the student is tuned to the teacher's recall.
    fn false_alarms(&self, teacher: &Figures) -> Result<Measured> {
        let matched = at_matched_recall(&teacher.curve, teacher.threshold, &self.student.curve);
        let images = self.student.evaluation.image_count();
        let Some((point, tuned)) = matched.and_then(|m| Some((m.reference, m.candidate?))) else {
            let note = match matched {
                Some(m) => {
                    let recall = m.reference.recall.unwrap_or(0.0);
                    format!("the student never reaches the teacher's recall of {recall:.3}")
                }
                None => "there is no object to find".to_owned(),
            };
            let teacher = matched.map(|m| m.reference.fppi);
            return Ok(Measured { id: "fppi".into(), teacher, note: Some(note), ..Measured::default() });
        };
        let at = |matches: &[ImageMatches], score: f64| ImageCounts::new(matches, score, images);
        let (teacher, student) = (at(&teacher.at_half, point.score)?, at(&self.student.at_half, tuned.score)?);
        let scope = (self.student.evaluation.images(), images);
        let result =
            Bootstrap::default().compare(scope, Direction::LowerIsBetter, |w| teacher.fppi(w), |w| student.fppi(w));
        Ok(Measured {
            id: "fppi".to_owned(),
            teacher: result.reference,
            student: result.candidate,
            interval: result.interval,
            n: Some(result.images),
            note: Some(format!("student at score {:.3}, teacher at {:.3}", tuned.score, point.score)),
        })
    }

    /// For the reliability diagram.
    pub fn reliability(&self) -> ReliabilityPair {
        let bins = |f: &Figures| f.calibration.reliability.bins.clone();
        ReliabilityPair { teacher: self.teacher.map(bins).unwrap_or_default(), student: bins(self.student) }
    }

    /// Precision against recall at IoU 0.5: all classes pooled, and the one with most objects.
    pub fn curves(&self) -> Vec<CurvePair> {
        let both = |name: String, of: &dyn Fn(&Figures) -> Vec<(f64, f64)>| CurvePair {
            name,
            teacher: self.teacher.map(of).unwrap_or_default(),
            student: of(self.student),
        };
        let mut pairs = vec![both("all classes pooled, IoU 0.5".to_owned(), &|f| {
            f.curve.thinned(CURVE_POINTS).iter().filter_map(|p| Some((p.recall?, p.precision?))).collect()
        })];
        let mut classes: Vec<(u64, &str)> =
            self.student.coco.curves.iter().map(|c| (c.objects, c.class.as_str())).filter(|c| c.0 > 0).collect();
        classes.sort_by_key(|c| std::cmp::Reverse(c.0));
        if let Some((objects, class)) = classes.into_iter().next() {
            pairs.push(both(format!("{class}, IoU 0.5, {objects} objects"), &|f| {
                let precision = f.coco.curves.iter().find(|c| c.class == class).and_then(|c| c.precision_50.clone());
                let points = precision.unwrap_or_default().into_iter().enumerate();
                points.map(|(i, p)| (i as f64 / 100.0, p)).collect()
            }));
        }
        pairs
    }
}
