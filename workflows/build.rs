//! Lets cargo notice a migration file that is new.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/studio");
}
