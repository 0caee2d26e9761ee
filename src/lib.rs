//! hookpoint
