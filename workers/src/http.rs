//! The HTTP shim: it verifies, limits and answers. It runs no workflow code.

mod auth;
mod limits;
mod problem;
mod stripe_signature;
