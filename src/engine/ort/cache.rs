//! Sessions by model: making one costs milliseconds, so that those that were made last are kept for whoever asks for the
//! same again. A graph is exported for any number of samples, so that one session serves all shapes.

use std::sync::{Arc, Mutex, PoisonError};

use super::{OrtConfig, OrtSession};
use crate::error::Result;

/// So many sessions are kept at most.
const MOST: usize = 32;

/// The models of those have so many bytes together at most.
const MOST_BYTES: usize = 16 << 20;

struct Kept {
    model: Vec<u8>,
    config: OrtConfig,
    session: Arc<OrtSession>,
}

/// The sessions that were used last, the latest at the end.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The session of this model: one that is there, or a new one. Sessions may be run by many threads at once.
///
/// # Errors
/// Those of [`OrtSession::new`].
pub fn shared(model: Vec<u8>, config: &OrtConfig) -> Result<Arc<OrtSession>> {
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut kept = lock();
        let found = kept
            .iter()
            .position(|one| one.model == model && one.config == *config);
        if let Some(place) = found {
            let one = kept.remove(place);
            let session = one.session.clone();
            kept.push(one);
            return Ok(session);
        }
    }
    // made without the lock: another thread may make the same one meanwhile, which does no harm
    let session = Arc::new(OrtSession::new(&model, config)?);
    if model.len() > MOST_BYTES {
        return Ok(session);
    }
    let mut dropped = Vec::new();
    let mut kept = lock();
    kept.push(Kept {
        model,
        config: config.clone(),
        session: session.clone(),
    });
    while kept.len() > MOST || kept.iter().map(|one| one.model.len()).sum::<usize>() > MOST_BYTES {
        dropped.push(kept.remove(0));
    }
    drop(kept);
    // a session goes without the lock, too
    drop(dropped);
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ort::probe;
    use crate::graph::parse;
    use crate::onnx::{Element, export};

    #[test]
    fn equal_models_share_a_session_and_old_ones_go() {
        if probe(None).is_err() {
            return;
        }
        let model = |factor: usize| {
            let text = format!(
                "input x\n%0 = port 0 real\n%1 = const {factor}.5 real\n%2 = * %0 %1 real\noutput value %2\n"
            );
            export(&parse(&text).unwrap(), Element::F64).unwrap()
        };
        let config = OrtConfig::default();
        let one = shared(model(1), &config).unwrap();
        assert!(Arc::ptr_eq(&one, &shared(model(1), &config).unwrap()));
        let threads = OrtConfig {
            threads: 2,
            ..config.clone()
        };
        assert!(!Arc::ptr_eq(&one, &shared(model(1), &threads).unwrap()));
        for factor in 2..MOST + 2 {
            shared(model(factor), &config).unwrap();
        }
        assert!(!Arc::ptr_eq(&one, &shared(model(1), &config).unwrap()));
        let kept = KEPT.lock().unwrap();
        assert!(kept.len() <= MOST);
    }
}
