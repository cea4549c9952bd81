// ONNX Runtime as a Backend, loaded while the program runs: nothing is linked, nothing is needed to start.
//
// Guarantee   Results are the same for the same inputs on the same machine (deterministic kernels). A model file reads no other
//             file and no memory that is not its own: external data is refused before the runtime sees it.
// Memory      What a session takes for weights, passes and answers is counted, bounded (SessionOptions::arena_bytes_max) and given
//             back with the session; blocks of a pass are kept for the next one.
// Threads     As backend.h says. Sessions make intra_op_threads - 1 threads of their own, which do not spin.
// When it fails  No library, or one that is older than the headers of this build: open_onnx() says which.
// Not bounded The runtime computes what depends on constants alone while it loads a file, and takes that memory uncounted: a file
//             made for it can ask for all there is. Without
//             SessionOptions::fold_constants that is left to the passes, where it is bounded.
// Words       SessionOptions::more takes `graph_optimization_level` (`disable`, `basic`, `extended`, `all`, the default),
//             `enable_mem_pattern` (`0`, `1`; by default 1 for models without a free dimension), `allow_spinning` (`0`, the default,
//             `1`).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/backend.h"

namespace tidegate::model {

/// Where the library is looked for when no path is named, in this order; the last is a bare name for the system's loader.
/// `program`: the path of the running program.
std::vector<std::string> onnx_library_places(const std::string& program);

/// `library` empty: the first of onnx_library_places() that is there. A process holds one library: a second call gets the same
/// one. kUnavailable: not found, not loadable, of another version than this build's headers, or this build has none.
Result<std::unique_ptr<Backend>> open_onnx(const std::string& library = "");

}  // namespace tidegate::model
