//! Lets cargo notice a migration file that is new, and a statement that has changed: the checked queries are read by
//! a macro, of whose files cargo knows nothing.
//!
//! Lets the checked queries be compiled against `.sqlx` wherever the engine is built. As a dependency it is out of reach of
//! this repository's `.cargo/config.toml`, and the macro would ask a program's own DATABASE_URL, which may name an empty
//! database.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/engine");
    println!("cargo:rerun-if-changed=sql");
    println!("cargo:rerun-if-env-changed=SQLX_OFFLINE");
    if std::env::var_os("SQLX_OFFLINE").is_none() {
        println!("cargo:rustc-env=SQLX_OFFLINE=true");
    }
}
