// OnnxSession: one model file in the runtime, and its passes.
//
// Memory      An account of its own (memory.h) for weights, passes and answers; it outlives the session for answers that are still
//             held.
// Threads     run() from any thread, several at once: the runtime's sessions are made for that, and what a pass needs besides is its
//             own or the thread's.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "model/backend.h"
#include "model/onnx/memory.h"
#include "model/onnx/runtime.h"
#include "model/onnx/watcher.h"

namespace tidegate::model::onnx {

class OnnxSession final : public Session {
  public:
    static Result<std::unique_ptr<OnnxSession>> load(const Runtime& runtime, std::shared_ptr<CancelWatcher> watcher,
                                                     std::span<const std::byte> bytes, const SessionOptions& options);
    ~OnnxSession() override;

    std::span<const TensorInfo> inputs() const noexcept override { return inputs_; }
    std::span<const TensorInfo> outputs() const noexcept override { return outputs_; }
    Result<void> run(std::span<const TensorView> inputs, std::span<const std::uint32_t> wanted,
                     std::vector<Tensor>& results, const RunOptions& options) override;
    std::uint64_t memory_bytes() const noexcept override { return account_->used() + account_->kept(); }
    Device device() const noexcept override { return device_; }

    /// What the runtime hands back to create_thread(); lives as long as its threads.
    struct ThreadMaker {
        std::vector<unsigned> cpus;
        MemoryAccount* account = nullptr;
    };

  private:
    OnnxSession(const Runtime& runtime, std::shared_ptr<CancelWatcher> watcher, const SessionOptions& options);
    Result<void> open(std::span<const std::byte> bytes, const SessionOptions& options);
    Result<void> describe(bool inputs);
    Result<Handle<OrtRunOptions>> lease_run_options();
    Result<void> call(std::span<const OrtValue* const> values, std::span<const std::uint32_t> wanted,
                      std::span<OrtValue*> made, const RunOptions& options);

    const Runtime& runtime_;
    const std::shared_ptr<CancelWatcher> watcher_;
    const Device device_;
    MemoryAccount* const account_;
    ThreadMaker threads_;
    Handle<OrtSession> session_;
    std::vector<TensorInfo> inputs_, outputs_;
    std::vector<const char*> input_names_;
    Mutex mutex_;
    std::vector<Handle<OrtRunOptions>> run_options_ TG_GUARDED_BY(mutex_);  // Not in use.
};

}  // namespace tidegate::model::onnx
