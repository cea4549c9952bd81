// pprof: a profile as `profile.proto`, the format that `go tool pprof` and most viewers read.
//
// Source      github.com/google/pprof, proto/profile.proto. Functions are named here, so that a saved file can be read without
//             this process and without its program; addresses, mappings and build ids stand in it as well.
// Threads     Any; Symbols belongs to one.
#pragma once

#include <string>

#include "observe/profile/profile.h"
#include "observe/profile/symbols.h"

namespace tidegate::profile {

/// Not compressed: pprof reads both, and HTTP has an encoding of its own.
std::string to_pprof(const Profile& profile, Symbols& symbols);

}  // namespace tidegate::profile
