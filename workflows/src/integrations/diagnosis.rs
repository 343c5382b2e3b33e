//! What an error means: the answer of an adapter's one `match`, from which all of `Classify`
//! follows.

use std::borrow::Cow;

use autopilot_engine::{Class, Effect};

/// Class, effect, code and next action of one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) class: Class,
    pub(crate) effect: Effect,
    pub(crate) code: Cow<'static, str>,
    pub(crate) action: Option<Cow<'static, str>>,
}

impl Diagnosis {
    /// A diagnosis without effect on the other side and without a known next action.
    pub(crate) fn new(class: Class, code: impl Into<Cow<'static, str>>) -> Self {
        Self { class, effect: Effect::None, code: code.into(), action: None }
    }

    pub(crate) const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    pub(crate) fn action(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.action = Some(action.into());
        self
    }
}

/// Implements `Classify` for an error by its `diagnosis()`, so that the four answers cannot
/// disagree.
macro_rules! classify_by_diagnosis {
    ($error:ty) => {
        impl autopilot_engine::Classify for $error {
            fn class(&self) -> autopilot_engine::Class {
                self.diagnosis().class
            }

            fn code(&self) -> std::borrow::Cow<'static, str> {
                self.diagnosis().code
            }

            fn effect(&self) -> autopilot_engine::Effect {
                self.diagnosis().effect
            }

            fn action(&self) -> Option<String> {
                self.diagnosis().action.map(std::borrow::Cow::into_owned)
            }
        }
    };
}

pub(crate) use classify_by_diagnosis;
