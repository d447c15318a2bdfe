//! Doors that are no terminal: who asks here is a program, and reads the answer.

mod answer;
mod event;
mod lambda;

pub use lambda::{is_function, serve};
