//! Events on top of hooks: an event says that something happened, a hook may change what happens.
