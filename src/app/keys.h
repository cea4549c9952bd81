// The first key of a server, made when callers need one and none exists.
#pragma once

#include "base/result.h"
#include "pipeline/identity/identity.h"

namespace tidegate::app {

/// When callers need a key, or other machines can reach the listener, and no key was ever made: makes an admin key and prints it
/// once on standard output, which is not the log. Otherwise nothing.
Result<void> make_first_key(pipeline::Identity& identity);

}  // namespace tidegate::app
