//! The `[training]` of a manifest and the energy it stands for: written where a network is trained, read where its
//! Distillation Statement says when that energy is paid back.

use anyhow::Result;
use ocellus_judge::energy::{EnergyReport, EnergySource, Making, TeacherEnergy};
use ocellus_percept::model::ManifestTraining;
use serde_json::{Value, json};

/// What making a network took, and when that is paid back by joules a frame of (what it replaces, itself).
pub fn making(told: &ManifestTraining, frame: (Option<f64>, Option<f64>)) -> Making {
    let teacher = if told.asked_teacher { TeacherEnergy::Asked(told.teacher_j) } else { TeacherEnergy::NotAsked };
    Making::new(report(told), teacher, told.direct_j, frame)
}

fn report(told: &ManifestTraining) -> EnergyReport {
    let views = told.views.unwrap_or(0);
    let source: Option<EnergySource> =
        told.source.as_ref().and_then(|name| serde_json::from_value(Value::from(name.as_str())).ok());
    let mut report = match told.energy_j {
        Some(joules) => EnergyReport {
            source,
            joules: Some(joules),
            joules_net: None,
            joules_per_frame: (views > 0).then(|| joules / views as f64),
            frames: views,
            sample_rate_hz: None,
            notes: Vec::new(),
        },
        None => EnergyReport::missing("its manifest does not say what its training took", views),
    };
    report.notes.extend(told.notes.iter().cloned());
    report
}

/// The `[training]` table: what a training took by `report`; of its teacher, where there was one, the energy that making it
/// took, where known; and that of a direct training.
#[cfg_attr(not(feature = "train"), allow(dead_code))] // Whoever trains nothing writes none.
pub fn section(report: &EnergyReport, (teacher, direct_j): (TeacherEnergy, Option<f64>)) -> Result<String> {
    let (asked_teacher, teacher_j) = match teacher {
        TeacherEnergy::NotAsked => (false, None),
        TeacherEnergy::Asked(joules) => (true, joules),
    };
    let training = ManifestTraining {
        energy_j: report.joules_net.or(report.joules).map(f64::round).filter(|j| *j > 0.0),
        source: report.source.and_then(|s| json!(s).as_str().map(str::to_owned)),
        views: Some(report.frames),
        asked_teacher,
        teacher_j,
        direct_j,
        notes: report.notes.clone(),
    };
    Ok(format!("\n[training]\n{}", toml::to_string(&training)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_training_took_goes_into_the_manifest_and_comes_back() {
        let took = EnergyReport::estimate(4560.0, 8.0, 96_000);
        let read = |told| -> ManifestTraining {
            let text = section(&took, told).unwrap();
            toml::from_str(text.trim_start().strip_prefix("[training]").unwrap()).unwrap()
        };
        let alone = making(&read((TeacherEnergy::NotAsked, None)), (Some(0.2), Some(0.1)));
        assert_eq!((alone.training.source, alone.training.joules), (took.source, Some(36_480.0)));
        assert!(alone.training.notes[0].starts_with("ESTIMATE"), "{:?}", alone.training.notes);
        assert_eq!((alone.break_even.students, alone.break_even.frames.map(f64::round)), (None, Some(364_800.0)));
        let taught = making(&read((TeacherEnergy::Asked(Some(5000.0)), Some(40_000.0))), (None, None));
        assert_eq!(taught.break_even.students, Some(5000.0 / 3520.0));
        let unknown = making(&read((TeacherEnergy::Asked(None), Some(40_000.0))), (None, None));
        assert!(unknown.asked_teacher && unknown.break_even.students.is_none(), "{:?}", unknown.notes);
        let unsaid = making(&ManifestTraining::default(), (Some(0.2), Some(0.1)));
        assert_eq!((unsaid.training.joules, unsaid.break_even.frames), (None, None));
    }
}
