//! Lets cargo notice a migration file that is new, and a statement that has changed: the checked queries are read by
//! a macro, of whose files cargo knows nothing.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/engine");
    println!("cargo:rerun-if-changed=sql");
}
