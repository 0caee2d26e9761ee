//! hookpoint-example-plugin
