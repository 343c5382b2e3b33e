//! The whole server against a real database.
