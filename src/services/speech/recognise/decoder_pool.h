// DecoderPool: decoders, made when they are first needed and lent one by one.
//
// Guarantee   No more than `size` at once; a lease gives its decoder back by ending.
// Memory      105 MB for each that was ever needed at once.
// Threads     Any. lease() waits while all are lent.
// When it fails  A model that is missing or broken is told at each lease, and looked for again at the next: installing it helps without
//             a restart.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "services/speech/recognise/decoder.h"

namespace tidegate::speech {

class DecoderPool {
  public:
    DecoderPool(std::string model_dir, unsigned size) : model_dir_(std::move(model_dir)), size_(size) {}

    using Lease = std::unique_ptr<Decoder, std::function<void(Decoder*)>>;
    /// kUnavailable: no model. kCancelled: `should_stop` said so; it is asked twenty times a second.
    Result<Lease> lease(const std::function<bool()>& should_stop);

    const std::string& model_dir() const noexcept { return model_dir_; }
    unsigned size() const noexcept { return size_; }
    unsigned made() const noexcept { return made_.load(std::memory_order_relaxed); }
    unsigned lent() const noexcept { return lent_.load(std::memory_order_relaxed); }

  private:
    void give_back(Decoder* decoder);

    const std::string model_dir_;
    const unsigned size_;
    Mutex mutex_;
    Condition free_again_;
    std::vector<std::unique_ptr<Decoder>> free_ TG_GUARDED_BY(mutex_);
    std::atomic<unsigned> made_{0};  // Changed under the mutex.
    std::atomic<unsigned> lent_{0};
};

}  // namespace tidegate::speech
