// Backend: what runs a model file. The batcher and the repository know this and no runtime.
//
// Guarantee   A Session that was made runs; a file that cannot be run is an Error that says why, never a crash.
// Threads     Backend::load() from any thread. Session::run() from any thread, several at once.
// When it fails  The library is absent: open_onnx() says so and the server goes on without models.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/tensor.h"

namespace tidegate::model {

enum class Device : std::uint8_t { kCpu, kCuda };
std::string_view to_string(Device device) noexcept;

struct SessionOptions {
    Device device = Device::kCpu;
    int device_index = 0;
    unsigned intra_op_threads = 1;            // Threads inside one operator.
    unsigned inter_op_threads = 1;            // Operators side by side.
    std::uint64_t arena_bytes_max = 0;        // Of the session's own memory (weights and passes); 0: no bound.
    bool fold_constants = true;               // Compute at load what depends on constants alone; not bounded.
    std::vector<unsigned> cpus;               // Threads that the session makes run on these only; empty: on any.
    std::map<std::string, std::string> more;  // The backend's own words, each checked by it.
};

/// Of one run.
struct RunOptions {
    const std::atomic<bool>* cancelled = nullptr;  // Set: the run may end early with kCancelled.
};

/// One model file, loaded on one device.
class Session {
  public:
    virtual ~Session() = default;
    virtual std::span<const TensorInfo> inputs() const noexcept = 0;
    virtual std::span<const TensorInfo> outputs() const noexcept = 0;
    /// One forward pass. `inputs` in the order of inputs(), checked by the caller against it; `wanted` are indices into
    /// outputs(); the results come into `results` in that order, over what was in it.
    /// kFailedValidation: the values of the inputs are not what an operator takes; kTooLarge: the pass needs more memory than
    /// arena_bytes_max; kCancelled; kInternal when the runtime fails. Always in its own words.
    virtual Result<void> run(std::span<const TensorView> inputs, std::span<const std::uint32_t> wanted,
                             std::vector<Tensor>& results, const RunOptions& options) = 0;
    /// Bytes of memory that the session holds, as the backend measures it; 0 where it cannot.
    virtual std::uint64_t memory_bytes() const noexcept = 0;
    virtual Device device() const noexcept = 0;
};

class Backend {
  public:
    virtual ~Backend() = default;
    /// `onnxruntime`, and its version as the loaded library states it.
    virtual std::string name() const = 0;
    virtual std::string version() const = 0;
    /// Whether this device can be used here; when not, why.
    virtual Result<void> offers(Device device, int index) const = 0;
    /// `bytes` is the whole model file, needed only during the call. kInvalidArgument: an unknown word in `more`;
    /// kFailedValidation: not a model that can be run, and why; kTooLarge: it needs more than arena_bytes_max.
    virtual Result<std::unique_ptr<Session>> load(std::span<const std::byte> bytes, const SessionOptions& options) = 0;
};

}  // namespace tidegate::model
