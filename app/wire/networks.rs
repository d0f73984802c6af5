//! The networks of a plan, loaded before anything starts: on their engines where their providers build some, with what was
//! guessed, what does not run and what stands in for what said aloud.

use anyhow::{Result, anyhow};
use ocellus_infer::TensorMemory;

use super::notes::Notes;
use crate::engines::{self, EngineInUse};
use crate::exit;
use crate::launch::Plan;
use crate::models::{self, Model};

/// The networks, and what runs those whose providers build engines.
pub fn load(plan: &Plan, notes: &Notes) -> Result<(Vec<Model>, Vec<EngineInUse>)> {
    let (mut loaded, mut engines) = (Vec::new(), Vec::new());
    if plan.models.is_empty() {
        return Ok((loaded, engines));
    }
    let runtime = models::start_runtime(plan.ort_lib.as_deref())?;
    for model in &plan.models {
        let (mut loaded_model, engine) = engines::load(&runtime, &plan.engines, model)?;
        if let Some(engine) = &engine {
            engine.instead_of.iter().for_each(|why| notes.say("fallback", why.clone()));
            notes.say("engine", engine.line());
        }
        engines.extend(engine);
        let name = loaded_model.spec.name.clone();
        if let Some(why) = loaded_model.statement.why_not().filter(|_| plan.require_statement) {
            return Err(exit::unmet(anyhow!("{name}: a good Distillation Statement is required: {why}")));
        }
        for guess in &loaded_model.spec.guesses {
            notes.say("guess", format!("{name}: {guess}"));
        }
        for failure in &loaded_model.network.providers().failed {
            notes.say("provider", format!("{name}: {} does not run: {}", failure.provider.name(), failure.reason));
        }
        if let Some(memory @ TensorMemory::Ordinary { .. }) = &loaded_model.network.providers().memory {
            notes.say("memory", format!("{name}: {memory}"));
        }
        model.apply_thresholds(&mut loaded_model.spec.thresholds);
        for _ in 1..model.sessions {
            loaded_model.others.push(engines::load(&runtime, &plan.engines, model)?.0.network);
        }
        loaded.push(loaded_model);
    }
    Ok((loaded, engines))
}
